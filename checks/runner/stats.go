package runner

import (
	"slices"
	"time"

	"vitalns/checks"
)

// Stats are counts since New, and current numbers where noted. They are a copy.
type Stats struct {
	Targets  int // now
	Doubted  int // targets in doubt, or with a probe unanswered for too long, now
	InFlight int // probes that run, now
	Checks   map[string]CheckStats
	Origins  [Origins]uint64 // probes started, by what asked for them
	Lag      Histogram       // from when a probe was due to its start, seconds

	Alarms       uint64 // slot probes that failed or hung and asked the other nodes to probe
	AlarmsHeld   uint64 // not raised: this node doubts too many of its targets
	Hints        uint64 // asked for by other nodes
	HintsDropped uint64 // of these, for no target of this node, or while one was waiting already
	OverBudget   uint64 // fast and provoked probes that waited for their slot instead
	Panics       uint64 // of probers; the result was void
}

// CheckStats are the runs of all targets with one label.
type CheckStats struct {
	Success  uint64
	Failure  uint64 // of the target, other than Timeout
	Timeout  uint64 // no answer within the timeout
	Error    uint64 // void: about this node
	Skipped  uint64 // not started: too many in flight
	Duration Histogram
}

// An Origin is what asked for a probe.
type Origin uint8

const (
	Slot     Origin = iota // its turn on the wheel
	Initial                // the first of a target, or after a Reset
	Fast                   // doubt
	Provoked               // another node's alarm
	Origins  = iota        // how many there are
)

// String returns "slot", "initial", "fast" or "provoked".
func (o Origin) String() string {
	return [...]string{"slot", "initial", "fast", "provoked"}[o]
}

// A Histogram counts values by upper bounds. Counts has one more than Bounds: what is above all.
type Histogram struct {
	Bounds []float64 // ascending, seconds; shared and read only
	Counts []uint64
	Sum    float64
}

var (
	lagBounds      = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	durationBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
)

func newHistogram(bounds []float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (h *Histogram) add(d time.Duration) {
	v := max(d, 0).Seconds()
	i, _ := slices.BinarySearch(h.Bounds, v)
	h.Counts[i]++
	h.Sum += v
}

func (h Histogram) clone() Histogram {
	h.Counts = slices.Clone(h.Counts)
	return h
}

// Count returns how many values there are.
func (h Histogram) Count() uint64 {
	var n uint64
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile returns the bound that the share q of all values does not exceed; false if that is above
// all bounds.
func (h Histogram) Quantile(q float64) (bound float64, ok bool) {
	left := q * float64(h.Count())
	for i, b := range h.Bounds {
		if left -= float64(h.Counts[i]); left <= 0 {
			return b, true
		}
	}
	return 0, false
}

// A Report is what is known of one target, for people.
type Report struct {
	Check       string
	Observation checks.Observation
	Since       time.Time     // when the observation took its state; zero if it has none
	FirstBad    time.Time     // start of the first failure not forgiven yet; zero if there is none
	Last        checks.Result // of the last finished probe
	LastStart   time.Time     // zero before the first
	LastEnd     time.Time     // zero before the first
	Running     bool
	Next        time.Time // when the next probe starts, unless something asks for an earlier one
	Voids       int       // void results in a row
	Flap        int       // factor of rise, 1 to 16
	CertExpiry  time.Time // end of the last certificate seen; zero if none was
	Rank        Rank
}

// tally counts what Stats shows.
type tally struct {
	checks  map[string]*CheckStats
	origins [Origins]uint64
	lag     Histogram

	alarms, alarmsHeld, hints, hintsDropped, overBudget, panics uint64
}

func newTally() tally {
	return tally{checks: map[string]*CheckStats{}, lag: newHistogram(lagBounds)}
}

// check returns the counts of a label, made when first asked for.
func (t *tally) check(label string) *CheckStats {
	c := t.checks[label]
	if c == nil {
		c = &CheckStats{Duration: newHistogram(durationBounds)}
		t.checks[label] = c
	}
	return c
}

// keep forgets the labels that no target has any more, so that reloads do not pile them up.
func (t *tally) keep(labels map[string]bool) {
	for l := range t.checks {
		if !labels[l] {
			delete(t.checks, l)
		}
	}
	for l := range labels {
		t.check(l)
	}
}

func (t *tally) finished(label string, e ending) {
	c := t.check(label)
	switch {
	case e.result.Kind == checks.OK:
		c.Success++
	case e.result.Kind == checks.Void:
		c.Error++
	case e.timeout:
		c.Timeout++
	default:
		c.Failure++
	}
	c.Duration.add(e.result.Latency)
	t.lag.add(e.lag)
	if e.panicked {
		t.panics++
	}
}
