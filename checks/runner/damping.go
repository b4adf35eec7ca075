package runner

import (
	"math"
	"time"

	"vitalns/checks"
)

// Flap damping: a target that goes down again within steady of coming up needs twice the successes it
// needed before, up to maxFactor times rise; steady up resets that.
const (
	steady    = 5 * time.Minute
	maxFactor = 16
)

// A rule is how results are judged. It may change between any two results.
type rule struct{ fall, rise, clear int }

// A damper makes one target's results into an observation. It is a plain state machine without a
// clock: now and what others know of the target are parameters. The zero damper knows nothing.
type damper struct {
	state checks.State
	// was is the last state that was up or down. While state is unknown it is the history by which
	// the next results are judged, before any that comes from elsewhere.
	was    checks.State
	fails  int // failures that clear has not forgiven; none while down
	oks    int // consecutive successes while down, in doubt, or unknown
	voids  int // void results in a row
	factor int // of rise; 0 is 1
	cameUp time.Time
	reason checks.Reason // of the last failure, until it is forgiven
	blank  checks.Reason // why the state is unknown, where that is no failure
	bad    time.Time     // start of the first failure that is not forgiven yet
}

// apply takes the result of a probe that began at begun. history is what is known of the target from
// elsewhere; it counts while there is no observation of one's own.
func (d *damper) apply(r checks.Result, begun time.Time, ru rule, history checks.State, now time.Time) {
	if d.was != checks.Unknown {
		history = d.was
	}
	switch r.Kind {
	case checks.OK:
		d.voids = 0
		d.ok(ru, history, now)
	case checks.Failed:
		d.voids, d.oks = 0, 0
		d.reason, d.blank = r.Reason, ""
		if d.bad.IsZero() {
			d.bad = begun
		}
		d.failed(ru, history, now)
	default:
		d.void(r.Reason, ru)
	}
}

func (d *damper) ok(ru rule, history checks.State, now time.Time) {
	d.oks++
	if d.state == checks.Down || d.state == checks.Unknown && history == checks.Down {
		if d.oks >= d.needs(ru) {
			d.cameUp = now
			d.up()
			d.forgive()
		}
		return
	}
	d.up() // with no history, or one that says up, the first success means up
	if d.fails == 0 || d.oks >= ru.clear {
		d.forgive()
	}
	if now.Sub(d.cameUp) >= steady {
		d.factor = 1
	}
}

func (d *damper) failed(ru rule, history checks.State, now time.Time) {
	switch {
	case d.state == checks.Down:
	case d.state == checks.Unknown && history == checks.Down:
		d.down()
	default:
		d.fails++
		if d.fails < ru.fall {
			return
		}
		if !d.cameUp.IsZero() && now.Sub(d.cameUp) < steady {
			d.factor = min(2*max(d.factor, 1), maxFactor)
		} else {
			d.factor = 1
		}
		d.down()
	}
}

func (d *damper) void(why checks.Reason, ru rule) {
	d.voids++
	if d.state == checks.Unknown {
		d.blank = why
	} else if d.voids >= ru.fall {
		d.lapse(why)
	}
}

// lapse makes the observation unknown. What was observed before is its history.
func (d *damper) lapse(why checks.Reason) {
	d.state, d.blank = checks.Unknown, why
}

func (d *damper) up() {
	d.state, d.was = checks.Up, checks.Up
}

func (d *damper) down() {
	d.state, d.was = checks.Down, checks.Down
	d.fails, d.oks = 0, 0
}

func (d *damper) forgive() {
	d.fails, d.oks, d.reason, d.bad = 0, 0, "", time.Time{}
}

// needs returns how many consecutive successes it takes to come up.
func (d *damper) needs(ru rule) int { return ru.rise * max(d.factor, 1) }

// pressing reports whether the next probe is to come after the fast interval: in doubt, or not decided
// yet with a result that counts. Void results press nothing: they are about this node.
func (d *damper) pressing(ru rule) bool {
	switch d.state {
	case checks.Up:
		return d.fails > 0
	case checks.Down:
		return d.oks > 0
	}
	return (d.fails > 0 || d.oks > 0) && d.voids < ru.fall
}

// observation returns what is published, but for the alarm and the latency, which are not the damper's.
func (d *damper) observation(ru rule) checks.Observation {
	o := checks.Observation{
		State:  d.state,
		Fails:  clamp(d.fails),
		Oks:    clamp(d.oks),
		Needs:  clamp(d.needs(ru)),
		Reason: d.reason,
	}
	if d.state == checks.Unknown && d.blank != "" {
		o.Reason = d.blank
	}
	return o
}

func clamp(n int) uint16 { return uint16(min(n, math.MaxUint16)) }
