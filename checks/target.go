package checks

import (
	"context"
	"net/netip"
	"time"
)

// An Identity is what a result of a probe means: its type and a digest of the request, the expectation,
// the TLS settings and the timeout. When or how the result is judged (interval, fall, rise, clear,
// quorum) is no part of it, so tuning keeps state. The zero Identity is no probe.
type Identity struct {
	Type string // "http", "tcp", ...
	Sum  [16]byte
}

// A Target is what a probe is aimed at. It is comparable, keys every table, and means the same on every
// node, so nodes with different configuration never mix their votes.
type Target struct {
	Host  string // an address in netip's canonical text, or a domain name in lower case with its final dot
	Port  uint16 // 0 where the type has none
	Probe Identity
}

// Addr returns the address of a target that has one; the zero Addr for a target with a domain name.
func (t Target) Addr() netip.Addr {
	a, err := netip.ParseAddr(t.Host)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// A Prober probes once. It does not retry, uses a fresh connection, and returns promptly once ctx is
// done. The deadline of ctx is the timeout of the probe. It may be called from many goroutines.
type Prober interface {
	Probe(ctx context.Context, t Target) Result
}

// A Watch says how a target is probed and judged. It is built by zonefile, carried by zones.Source, and
// used by the runner (when to probe) and the ledger (how to judge). All durations are positive and
// Timeout <= Interval, FastInterval <= Interval; Fall, Rise and Clear are at least 1.
type Watch struct {
	Target       Target
	Check        string // label in status and metrics: "ZONE/CHECK"
	Interval     time.Duration
	Timeout      time.Duration
	FastInterval time.Duration
	Fall         int // failures to go down
	Rise         int // consecutive successes to come up
	Clear        int // consecutive successes that forgive earlier failures
	Quorum       Quorum
	Prober       Prober
}
