package checks

import (
	"strconv"
	"strings"
	"time"
)

// A State is what is thought of a target. The zero State is Unknown.
type State uint8

const (
	Unknown State = iota
	Up
	Down
)

// String returns "unknown", "up" or "down".
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return "unknown"
}

// A ResultKind tells a success, a failure of the target, and a void result apart. The zero kind is Void.
type ResultKind uint8

const (
	// Void says something about this node and nothing about the target: no route, no descriptors,
	// no right to the socket. It changes no counter.
	Void ResultKind = iota
	OK
	Failed
)

// String returns "void", "ok" or "failed".
func (k ResultKind) String() string {
	switch k {
	case OK:
		return "ok"
	case Failed:
		return "failed"
	}
	return "void"
}

// A Reason is why a probe failed or was void, in words a person understands: "refused", "timeout",
// "status 503", "certificate expired". It never holds what a target sent beyond a few bounded
// characters; at most MaxReason bytes, longer ones are cut.
type Reason string

// MaxReason bounds a Reason wherever it is stored or sent.
const MaxReason = 80

// Printable replaces each character that a terminal might act on: text may come from a target, from another
// node or from whoever may command.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// A Result is what one probe found.
type Result struct {
	Kind         ResultKind
	Reason       Reason        // "" when OK
	Latency      time.Duration // from the start of the probe to its end
	CertNotAfter time.Time     // end of the leaf certificate's validity; zero when none was seen
}

// An Observation is one node's damped state of one target.
type Observation struct {
	State  State
	Fails  uint16 // while up: failures that Clear has not forgiven; while unknown: failures so far
	Oks    uint16 // while down or in doubt: consecutive successes since the last failure
	Needs  uint16 // successes it takes to come up: Rise times the flap factor
	Alarm  uint32 // slot probes that failed or hung since the writer started; peers probe too when it grows
	Reason Reason // of the last failure while down or in doubt; why it is unknown
	// Reached is the verdict this node last reached by votes, Unknown if never. It is what a cluster
	// without votes falls back to.
	Reached State
	Latency time.Duration // of the last finished probe, for people; no change of it alone is published
}

// InDoubt reports whether the observation is up with a failure that is not forgiven, or down with a
// success since its last failure.
func (o Observation) InDoubt() bool {
	return o.State == Up && o.Fails > 0 || o.State == Down && o.Oks > 0
}
