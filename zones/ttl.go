package zones

import (
	"cmp"
	"slices"
	"time"

	"vitalns/checks"
)

// An outlook is what bears on the TTL of an answer (DESIGN 3.4). It is computed from verdicts and registers
// alone, so nodes agree on it.
type outlook struct {
	doubt   bool          // a vote that could change the answer is in doubt or stale
	changed time.Duration // since the answer changed; forever: longer than anyone asks
	left    time.Duration // until a change whose time is known; forever: none is
}

// maxFlips bounds the looks at what would be. Where more targets are in doubt, or young, than that, the
// answer is taken to depend on one of them.
const maxFlips = 32

// at returns the TTL while this is pending, and how long until it is another one without any news.
func (t TTL) at(p outlook) (ttl uint32, until time.Duration) {
	window := time.Duration(t.Max) * time.Second
	switch {
	case t.Min >= t.Max:
		return t.Max, forever
	case p.doubt:
		return t.Min, forever
	case p.changed < window:
		return t.Min, window - p.changed
	case p.left > window:
		if p.left == forever {
			return t.Max, forever
		}
		return t.Max, p.left - window
	}
	seconds := uint32((p.left + time.Second - 1) / time.Second)
	if seconds <= t.Min {
		return t.Min, forever
	}
	return seconds, p.left - time.Duration(seconds-1)*time.Second
}

// ttl returns the TTL of one family's answer, the least of the pools walked to find it, and how long
// until it is another one.
func (sc *scene) ttl(s *solution, f family) (ttl uint32, until time.Duration) {
	walked := s.walked()
	window := uint32(0)
	for i := range walked {
		if t := walked[i].Pool.TTL; t.Min < t.Max {
			window = max(window, t.Max)
		}
	}
	p := outlook{changed: forever, left: forever}
	if window > 0 {
		p = sc.outlook(s, f, time.Duration(window)*time.Second)
	}
	until = forever
	for i := range walked {
		t, next := walked[i].Pool.TTL.at(p)
		if i == 0 || t < ttl {
			ttl = t
		}
		until = min(until, next)
	}
	return ttl, until
}

// walked are the pools that were walked to find the one that answers.
func (s *solution) walked() []link {
	if s.step == 1 {
		return s.links[:s.place+1]
	}
	return s.links
}

// outlook looks at what would be if each target in doubt were the other way, and at what would have
// been without each change younger than window.
func (sc *scene) outlook(s *solution, f family, window time.Duration) outlook {
	p := outlook{changed: forever, left: forever}
	ahead := *sc
	ahead.foresee = true
	base := ahead.solve().by[f]
	differs := func(other *scene) bool { return !other.solve().by[f].equal(base) }
	if !base.equal(s.by[f]) {
		p.left = 0 // a return that is due, and not yet written
	}
	p.doubt = ahead.doubtful(differs)
	if p.doubt {
		return p
	}
	p.changed = min(ahead.youngest(window, differs), sc.chosen(s, f, window))
	ahead.eachWish(func(_ string, w wish, try func(checks.Admin) *scene) {
		if w.left > 0 && w.left < p.left && differs(try(checks.Auto)) {
			p.left = w.left
		}
		if w.age >= min(window, p.changed) {
			return
		}
		if w.over && differs(try(checks.Auto)) ||
			w.undone && (differs(try(checks.ForceUp)) || differs(try(checks.ForceDown))) {
			p.changed = w.age
		}
	})
	for _, d := range []due{s.back, s.groups[f]} {
		if d.next >= 0 {
			p.left = min(p.left, d.after)
		}
	}
	return p
}

// doubtful reports whether the answer would differ if a target in doubt were the other way, or all were.
func (sc *scene) doubtful(differs func(*scene) bool) bool {
	var flips []int
	for i, r := range sc.readings {
		if r.state != checks.Unknown && (r.doubt || r.stale) {
			flips = append(flips, i)
		}
	}
	if len(flips) == 0 {
		return false
	}
	return len(flips) > maxFlips || differs(sc.flip(flips...)) ||
		slices.ContainsFunc(flips, func(i int) bool { return differs(sc.flip(i)) })
}

// youngest returns the age of the youngest verdict without which the answer would differ.
func (sc *scene) youngest(window time.Duration, differs func(*scene) bool) time.Duration {
	var young []int
	for i, r := range sc.readings {
		if r.state != checks.Unknown && !r.stale && r.age < window {
			young = append(young, i)
		}
	}
	slices.SortStableFunc(young, func(a, b int) int { return cmp.Compare(sc.readings[a].age, sc.readings[b].age) })
	for n, i := range young {
		if n == maxFlips || differs(sc.flip(i)) {
			return sc.readings[i].age
		}
	}
	return forever
}

// chosen returns how long ago the choices that the answer follows were changed.
func (sc *scene) chosen(s *solution, f family, window time.Duration) time.Duration {
	keys := []string{sc.plan.walk}
	if l := &s.links[s.place]; l.grouped() {
		keys = append(keys, l.choices[f])
	}
	youngest := forever
	for _, k := range keys {
		c, ok := sc.in.Choices.Get(k)
		if age := sc.in.At.Sub(c.Since); ok && c.Epoch > 1 && age < window {
			youngest = min(youngest, max(age, 0))
		}
	}
	return youngest
}

// flip returns the scene with these targets the other way, since this moment.
func (sc *scene) flip(targets ...int) *scene {
	other := *sc
	other.readings = slices.Clone(sc.readings)
	for _, i := range targets {
		r := &other.readings[i]
		r.age, r.stale, r.doubt = 0, false, false
		if r.state == checks.Up {
			r.state = checks.Down
		} else {
			r.state = checks.Up
		}
	}
	return &other
}

// eachWish calls look for every member of the chain that has an override, or had, with its name
// (POOL/TARGET), its wish and a way to try another one.
func (sc *scene) eachWish(look func(name string, w wish, try func(checks.Admin) *scene)) {
	for k := range sc.wishes {
		p := sc.set.plans.pools[sc.plan.chain[k]].Pool
		for i, w := range sc.wishes[k] {
			if w.over || w.undone {
				look(p.Name+"/"+p.Members[i].Name, w, func(admin checks.Admin) *scene { return sc.wishing(k, i, admin) })
			}
		}
	}
}

// wishing returns the scene with another wish of an operator for one member.
func (sc *scene) wishing(place, member int, admin checks.Admin) *scene {
	other := *sc
	other.wishes = slices.Clone(sc.wishes)
	other.wishes[place] = slices.Clone(sc.wishes[place])
	p := &sc.set.plans.pools[sc.plan.chain[place]]
	other.wishes[place][member] = sc.wishes[place][member].with(p, member, admin)
	return &other
}
