package zones

import (
	"math"
	"slices"
	"time"

	"vitalns/checks"
)

// A Class is how fit a member is to be served; the greater is the better. The zero Class is ForcedDown.
type Class uint8

const (
	ForcedDown   Class = iota // never served
	DownMember                // by its verdict, drained or not
	DrainedButUp              // served where nothing else is left
	UnknownMember
	UpMember // by its verdict, or forced up
)

// String returns "forced down", "down", "drained", "unknown" or "up".
func (c Class) String() string {
	return [...]string{"forced down", "down", "drained", "unknown", "up"}[c]
}

// usable reports whether members of the class are served where no better one is.
func (c Class) usable() bool { return c >= DrainedButUp }

// forever is the age of what never changes: an address without a check, a state in the file.
const forever = time.Duration(math.MaxInt64)

// A condition is the state of an address, or of several as one, and how long it has had it.
type condition struct {
	state checks.State
	age   time.Duration
	stale bool // of a verdict that no vote counts for
	class Class
}

// A reading is what a resolution needs of a verdict.
type reading struct {
	condition
	doubt bool // a vote that could change it is in doubt
}

func read(v checks.Verdict) reading {
	return reading{condition{state: v.State, age: v.Age, stale: v.Stale}, v.Doubt}
}

// A memberState is a member as it stands now.
type memberState struct {
	wish  wish
	addrs []condition
	whole condition           // as a target: what the chain counts
	by    [families]condition // as each family sees it
	has   [families]bool      // it has an address of the family
}

// judge brings the readings of a pool's own targets and what people want together: the state of each
// member. Where linked, a target is up only with all its addresses and each family sees it whole.
func (p *plan) judge(readings []reading, wishes []wish) []memberState {
	states := make([]memberState, len(p.members))
	for i := range p.members {
		m := &states[i]
		m.wish = wishes[i]
		addrs := p.members[i].addrs
		m.addrs = make([]condition, len(addrs))
		for a := range addrs {
			m.addrs[a] = addrs[a].condition(readings)
			m.has[addrs[a].family] = true
		}
		combine := anyUp
		if p.Pool.Linked {
			combine = allUp
		}
		m.whole = m.wish.classify(combine(m.addrs))
		for f := range families {
			m.by[f] = m.whole
			if m.has[f] && !p.Pool.Linked {
				m.by[f] = m.wish.classify(combine(ofFamily(m.addrs, addrs, f)))
			}
		}
	}
	return states
}

func ofFamily(conditions []condition, addrs []addrPlan, f family) []condition {
	var of []condition
	for i, c := range conditions {
		if addrs[i].family == f {
			of = append(of, c)
		}
	}
	return of
}

// condition is up once enough of the targets are, down once too many are, and as old as that is.
func (a *addrPlan) condition(readings []reading) condition {
	if len(a.of) == 0 {
		return condition{state: checks.Up, age: forever}
	}
	if len(a.of) == 1 {
		return readings[a.of[0]].condition
	}
	var ups, downs []time.Duration
	stale := false
	for _, at := range a.of {
		r := readings[at]
		stale = stale || r.stale
		switch r.state {
		case checks.Up:
			ups = append(ups, r.age)
		case checks.Down:
			downs = append(downs, r.age)
		}
	}
	tooMany := len(a.of) - a.need + 1
	switch {
	case len(ups) >= a.need:
		return condition{state: checks.Up, age: oldest(ups, a.need), stale: stale}
	case len(downs) >= tooMany:
		return condition{state: checks.Down, age: oldest(downs, tooMany), stale: stale}
	}
	return condition{stale: stale}
}

// oldest returns how long k of these have lasted together: the k-th greatest age.
func oldest(ages []time.Duration, k int) time.Duration {
	slices.Sort(ages)
	return ages[len(ages)-max(k, 1)]
}

// anyUp is up if one is, down if all are.
func anyUp(cs []condition) condition { return combine(cs, checks.Up, checks.Down) }

// allUp is down if one is, up if all are.
func allUp(cs []condition) condition { return combine(cs, checks.Down, checks.Up) }

// combine makes one condition: one is enough for the first state, the second takes all.
func combine(cs []condition, one, all checks.State) condition {
	var found, unknown bool
	longest, shortest := time.Duration(0), forever
	stale := false
	for _, c := range cs {
		stale = stale || c.stale
		switch c.state {
		case one:
			found, longest = true, max(longest, c.age)
		case all:
			shortest = min(shortest, c.age)
		default:
			unknown = true
		}
	}
	switch {
	case found:
		return condition{state: one, age: longest, stale: stale}
	case unknown || len(cs) == 0:
		return condition{stale: stale}
	}
	return condition{state: all, age: shortest, stale: stale}
}

// served returns the places of the member's addresses that a family serves of it: those in its best
// state, or all of them where its state is not the verdict's.
func (m *memberState) served(addrs []addrPlan, f family, whatever bool) []int {
	best := checks.Down
	for i, c := range m.addrs {
		if addrs[i].family == f && (c.state == checks.Up || c.state == checks.Unknown && best == checks.Down) {
			best = c.state
		}
	}
	var of []int
	for i, c := range m.addrs {
		if addrs[i].family == f && (whatever || m.wish.admin == checks.ForceUp || c.state == best) {
			of = append(of, i)
		}
	}
	return of
}
