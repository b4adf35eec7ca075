package zones

import (
	"time"

	"vitalns/checks"
)

// A scene is all that the answer of one pool depends on, read from a snapshot once. What would be if a
// target changed is the same scene with another reading.
type scene struct {
	set      *Set
	in       *checks.Snapshot
	plan     *plan
	readings []reading // by plan.targets
	wishes   [][]wish  // by place in the chain and member
	// foresee: a return that is due takes place without the register that says so. A side that hears
	// fewer than half of the nodes moves for itself so, and so does a look ahead.
	foresee bool
}

func newScene(s *Set, in *checks.Snapshot, id PoolID) *scene {
	p := &s.plans.pools[id]
	sc := &scene{set: s, in: in, plan: p, foresee: !in.Majority}
	sc.readings = make([]reading, len(p.targets))
	for i, t := range p.targets {
		sc.readings[i] = read(in.Verdict(t))
	}
	sc.wishes = make([][]wish, len(p.chain))
	for k, link := range p.chain {
		lp := &s.plans.pools[link]
		sc.wishes[k] = make([]wish, len(lp.members))
		for i := range lp.members {
			sc.wishes[k][i] = lp.wish(in, i)
		}
	}
	return sc
}

// A link is one pool of a chain, counted.
type link struct {
	members
	need              int // members that have to be up for step 1
	up, unknown, idle int // idle: drained but up
	// age is for how long it has been fit, by members whose verdict is not stale; aged: they are enough.
	age  time.Duration
	aged bool
}

// fit reports whether the pool satisfies step 1.
func (l *link) fit() bool { return l.up >= l.need }

// left reports whether the pool is to be left: even if what is unknown were up it would not be fit.
func (l *link) left() bool { return l.up+l.unknown < l.need }

// link judges and counts the pool at a place of the chain.
func (sc *scene) link(place int) link {
	p := &sc.set.plans.pools[sc.plan.chain[place]]
	own := make([]reading, len(p.own))
	for i, at := range sc.plan.places[place] {
		own[i] = sc.readings[at]
	}
	l := link{members: members{p, p.judge(own, sc.wishes[place])}}
	var ages []time.Duration
	asked := 0 // neither drained nor forced down
	for i := range l.states {
		switch l.states[i].whole.class {
		case UpMember:
			l.up++
			if !l.states[i].whole.stale {
				ages = append(ages, l.states[i].whole.age)
			}
		case UnknownMember:
			l.unknown++
		case DrainedButUp:
			l.idle++
		}
		if a := l.states[i].wish.admin; a != checks.Drain && a != checks.ForceDown {
			asked++
		}
	}
	l.need = p.Pool.MinHealthy.of(asked)
	if len(ages) >= l.need {
		l.age, l.aged = oldest(ages, l.need), true
	}
	return l
}

// of is the share of n members, rounded up, and never less than 1.
func (s Share) of(n int) int {
	if s.Percent {
		return max(1, (s.N*n+99)/100)
	}
	return max(1, s.N)
}

// A solution is the answer of one pool.
type solution struct {
	links  []link
	step   int // of DESIGN 3.3: 1 to 5
	place  int // in the chain, of the pool that answers; 0 in step 5
	inUse  int // place of the pool in use by its register; -1
	back   due // among the pools of the chain
	groups [families]due
	by     [families]inner
}

// solve walks the chain once for all families and answers each inside the pool that was found.
func (sc *scene) solve() solution {
	s := solution{inUse: -1}
	for k := range sc.plan.chain {
		s.links = append(s.links, sc.link(k))
	}
	if c, ok := sc.in.Choices.Get(sc.plan.walk); ok && len(s.links) > 1 {
		s.inUse = sc.set.plans.placeOf(sc.plan, c)
	}
	s.back = sc.plan.Pool.Failback.due(s.inUse, func(k int) (time.Duration, bool) {
		return s.links[k].age, s.links[k].aged
	})
	s.step, s.place = sc.walk(&s)
	l := &s.links[s.place]
	for f := range families {
		u := sc.use(l, f, &s.groups[f])
		if s.step == 5 {
			s.by[f] = sc.fallen(&s, f, u)
			continue
		}
		s.by[f] = l.inside(f, u)
		if s.by[f].cause == noneUsable && l.Pool.AllDownWritten {
			s.by[f] = sc.familyFallen(l, f, u)
		}
		s.by[f].place = s.place
	}
	return s
}

// walk finds the pool of the chain that answers, and by which step.
func (sc *scene) walk(s *solution) (step, place int) {
	if s.inUse >= 0 && s.links[s.inUse].fit() {
		if sc.foresee && s.back.now >= 0 {
			return 1, s.back.now
		}
		return 1, s.inUse
	}
	steps := [...]func(l *link) bool{
		(*link).fit,
		func(l *link) bool { return l.up > 0 },
		func(l *link) bool { return l.unknown > 0 },
		func(l *link) bool { return l.idle > 0 },
	}
	for n, holds := range steps {
		for k := range s.links {
			if holds(&s.links[k]) {
				return n + 1, k
			}
		}
	}
	return 5, 0
}

// use reads the group in use of one family of a pool, and whether it may be returned from.
func (sc *scene) use(l *link, f family, back *due) use {
	*back = due{now: -1, next: -1}
	u := use{group: -1, to: -1}
	if !l.grouped() || !l.has[f] {
		return u
	}
	if c, ok := sc.in.Choices.Get(l.choices[f]); ok {
		u.group = l.groupOf(c)
	}
	*back = l.Pool.Failback.due(u.group, func(g int) (time.Duration, bool) { return l.groupAge(f, g) })
	if sc.foresee {
		u.to = back.now
	}
	return u
}

// fallen answers one family where no pool of the chain has a usable member: by the when_all_down of the
// pool itself.
func (sc *scene) fallen(s *solution, f family, u use) inner {
	own := &s.links[0]
	out := own.fallen(f, u)
	if out.cause != allDown || own.Pool.WhenAllDown != ServeLastGood {
		return out
	}
	last, _ := sc.in.LastGoods.Get(own.choices[f])
	for k := range s.links {
		l := &s.links[k]
		if good, ok := l.lastServed(f, sc.use(l, f, new(due)), last.Names); ok {
			good.place = k
			return good
		}
	}
	return out
}

// familyFallen answers a family that has no usable address in a pool whose when_all_down was written.
func (sc *scene) familyFallen(l *link, f family, u use) inner {
	if l.Pool.WhenAllDown == ServeLastGood {
		last, _ := sc.in.LastGoods.Get(l.choices[f])
		if good, ok := l.lastServed(f, u, last.Names); ok {
			return good
		}
	}
	return l.fallen(f, u)
}
