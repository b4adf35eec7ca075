package zones

import (
	"slices"
	"time"

	"vitalns/checks"
	"vitalns/zones/policy"
)

// A cause says why a family of a pool answers as it does. The zero cause is that all is as usual.
type cause uint8

const (
	usual       cause = iota
	noFamily          // no member has an address of the family: NODATA, whatever their health
	addsNone          // what the policy chose has no address of the family
	noneUsable        // no address of the family is usable
	allDown           // when_all_down decides
	lastWasGood       // as allDown, by last-good
	allForced         // every member is forced down
)

// An inner answer is that of one family within one pool of a chain.
type inner struct {
	result Result
	cause  cause
	class  Class
	place  int // in the chain, of the pool it is served from
	group  int // of a pool that keeps a group in use; -1
	choice policy.Choice
	addrs  [][]int // by place in choice.Members: the addresses it adds
}

// equal reports whether two answers look the same from outside.
func (a inner) equal(b inner) bool {
	return a.result == b.result && a.place == b.place && a.choice.Mode == b.choice.Mode &&
		slices.Equal(a.choice.Members, b.choice.Members) &&
		slices.EqualFunc(a.addrs, b.addrs, func(x, y []int) bool { return slices.Equal(x, y) })
}

// A use is the group in use of one family, as its register names it.
type use struct {
	group int // -1: none
	// to is the better group to return to now, without a register that says so; -1: none.
	to int
}

// members are those of one pool with what the policy works on: a class of them.
type members struct {
	*plan
	states []memberState
}

// inside answers one family by the best class of the pool's members (DESIGN 3.3). A target without an
// address of the family takes the class of its other one, counts, may be chosen, and adds nothing.
func (m members) inside(f family, u use) inner {
	if !m.has[f] {
		return inner{cause: noFamily, group: -1}
	}
	best := ForcedDown
	for i := range m.states {
		best = max(best, m.states[i].by[f].class)
	}
	usable := m.ofClass(f, best)
	if !best.usable() || !slices.ContainsFunc(usable, func(i int) bool { return m.states[i].has[f] }) {
		return inner{cause: noneUsable, class: best, group: -1}
	}
	return m.choose(f, best, usable, u, false)
}

// ofClass returns the members of a class.
func (m members) ofClass(f family, c Class) []int {
	var of []int
	for i := range m.states {
		if m.states[i].by[f].class == c {
			of = append(of, i)
		}
	}
	return of
}

// choose applies the policy to usable members. A failover pool answers with its group in use if that
// has one of them, else with its best group that has, never with two. whatever: with their addresses
// whatever the state of each.
func (m members) choose(f family, c Class, usable []int, u use, whatever bool) inner {
	out := inner{result: DrawnServe, class: c, group: -1}
	if m.grouped() {
		out.group = m.groupServed(usable, u)
		usable = keepGroup(usable, m.members, out.group)
	}
	given := make([]policy.Member, len(usable))
	for n, i := range usable {
		pm := m.Pool.Members[i]
		given[n] = policy.Member{Index: i, Key: m.members[i].key, Priority: pm.Priority, Weight: pm.Weight}
	}
	out.choice = policy.For(m.Pool.Policy)(given)
	out.choice.Max = m.Pool.MaxAnswers
	if out.choice.Mode == policy.Together {
		out.choice.Members = slices.DeleteFunc(slices.Clone(out.choice.Members), func(pm policy.Member) bool {
			return !m.states[pm.Index].has[f]
		})
	}
	some := false
	for _, pm := range out.choice.Members {
		addrs := m.states[pm.Index].served(m.members[pm.Index].addrs, f, whatever)
		out.addrs = append(out.addrs, addrs)
		some = some || len(addrs) > 0
	}
	if !some {
		out.result, out.cause = DrawnNoData, addsNone
	}
	return out
}

// groupServed is the group that answers, given the usable members.
func (m members) groupServed(usable []int, u use) int {
	best, inUse, to := len(m.groups), false, false
	for _, i := range usable {
		g := m.plan.members[i].group
		best = min(best, g)
		inUse = inUse || g == u.group
		to = to || g == u.to
	}
	switch {
	case to:
		return u.to
	case inUse:
		return u.group
	}
	return best
}

func keepGroup(usable []int, plans []memberPlan, g int) []int {
	var of []int
	for _, i := range usable {
		if plans[i].group == g {
			of = append(of, i)
		}
	}
	return of
}

// asIfUp are the members as if every one not forced down were up; what is drained stays drained.
func (m members) asIfUp() members {
	up := make([]reading, len(m.own))
	for i := range up {
		up[i].state = checks.Up
	}
	wishes := make([]wish, len(m.states))
	for i := range m.states {
		wishes[i] = m.states[i].wish
	}
	return members{m.plan, m.judge(up, wishes)}
}

// fallen answers one family of a pool by its when_all_down; last-good without a register is serve-all.
func (m members) fallen(f family, u use) inner {
	if !m.has[f] {
		return inner{cause: noFamily, group: -1}
	}
	up := m.asIfUp()
	best := ForcedDown
	for i := range up.states {
		best = max(best, up.states[i].by[f].class)
	}
	out := inner{cause: allDown, group: -1}
	switch {
	case best == ForcedDown:
		out.cause = allForced
		return out
	case m.Pool.WhenAllDown == NoData:
		return out
	case m.Pool.WhenAllDown == ServFail:
		out.result = DrawnServFail
		return out
	}
	out = up.choose(f, DownMember, up.ofClass(f, best), u, true)
	if out.cause == usual {
		out.cause = allDown
	}
	return out
}

// lastServed answers one family with those of the named members ("POOL/TARGET") that are not forced
// down; ok is false where the pool has none of them, or they have no address of the family.
func (m members) lastServed(f family, u use, names []string) (out inner, ok bool) {
	var of []int
	for i := range m.states {
		name := m.Pool.Name + "/" + m.Pool.Members[i].Name
		if m.states[i].wish.admin != checks.ForceDown && slices.Contains(names, name) {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return inner{}, false
	}
	out = m.asIfUp().choose(f, DownMember, of, u, true)
	out.cause = lastWasGood
	return out, out.result == DrawnServe
}

// groupAge is how long a group has had a member that is up; ok is false where it has none, or stale
// verdicts alone, whose age nobody knows.
func (m members) groupAge(f family, g int) (age time.Duration, ok bool) {
	for _, i := range m.groups[g].members {
		if c := m.states[i].by[f]; c.class == UpMember && !c.stale {
			age, ok = max(age, c.age), true
		}
	}
	return age, ok
}

func (m members) hasUp(f family, g group) bool {
	return slices.ContainsFunc(g.members, func(i int) bool { return m.states[i].by[f].class == UpMember })
}

// left reports whether a group is to be left: every member of it is down, drained or forced down.
// Unknown is not down.
func (m members) left(f family, g int) bool {
	return !slices.ContainsFunc(m.groups[g].members, func(i int) bool { return m.states[i].by[f].class > DrainedButUp })
}

// decided reports whether every member of the first n groups has a verdict, or needs none.
func (m members) decided(f family, n int) bool {
	for _, g := range m.groups[:n] {
		for _, i := range g.members {
			if m.states[i].by[f].class == UnknownMember {
				return false
			}
		}
	}
	return true
}
