package zones

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vitalns/checks"
)

// maxChanges bounds the targets whose change is looked at.
const maxChanges = 8

// changes looks ahead: at what has a known time, then at each target going the other way.
func (sc *scene) changes(s *solution, f family) []ExplainedChange {
	out := sc.returns(s, f)
	sc.eachWish(func(name string, w wish, try func(checks.Admin) *scene) {
		if w.over && w.left > 0 {
			out = append(out, ExplainedChange{
				In: w.left.Seconds(), When: "the override of " + name + " to " + w.admin.String() + " expires",
				Then: sc.then(s, f, try(checks.Auto)),
			})
		}
	})
	looked := 0
	for i, r := range sc.readings {
		if r.state == checks.Unknown || looked == maxChanges {
			continue
		}
		looked++
		what := "goes down"
		if r.state == checks.Down {
			what = "comes up"
		}
		then := sc.then(s, f, sc.flip(i))
		if then == unchanged && r.state == checks.Down {
			if old := sc.flip(i); !sc.after(old, i).by[f].equal(s.by[f]) {
				then = draw(sc.after(old, i), f) + " once it has been up for " + seconds(sc.plan.Pool.Failback.Hold)
			}
		}
		out = append(out, ExplainedChange{When: "if " + sc.plan.targets[i].String() + " " + what, Then: then})
	}
	return out
}

// after is the solution once a target that came up has been so for long.
func (sc *scene) after(flipped *scene, target int) *solution {
	flipped.readings[target].age = forever
	flipped.foresee = true
	s := flipped.solve()
	return &s
}

// returns tells of better choices that are waited for.
func (sc *scene) returns(s *solution, f family) []ExplainedChange {
	var out []ExplainedChange
	tell := func(d due, mode FailbackMode, what func(k int) string) {
		if d.next >= 0 {
			out = append(out, ExplainedChange{
				In: d.after.Seconds(), When: "the hold of a failback is over", Then: "return to " + what(d.next),
			})
		}
		if d.now >= 0 {
			out = append(out, ExplainedChange{When: "now", Then: "return to " + what(d.now) + ", once that is written"})
		}
		if mode == FailbackManual && d.now < 0 {
			out = append(out, ExplainedChange{When: "by `vitalns pool failback`", Then: "return to a better choice, if it is usable"})
		}
	}
	if s.inUse > 0 {
		tell(s.back, sc.plan.Pool.Failback.Mode, func(k int) string { return "pool " + s.links[k].Pool.Name })
	}
	if l := &s.links[s.place]; l.grouped() && l.has[f] {
		var d due
		if g := sc.use(l, f, &d).group; g > 0 {
			tell(s.groups[f], l.Pool.Failback.Mode, func(k int) string { return joined(l.groups[k].names) })
		}
	}
	return out
}

const unchanged = "no change"

// then is what another scene would answer.
func (sc *scene) then(s *solution, f family, other *scene) string {
	other.foresee = true
	o := other.solve()
	if o.by[f].equal(s.by[f]) {
		return unchanged
	}
	return draw(&o, f)
}

// draw names what a solution serves.
func draw(s *solution, f family) string {
	a := s.by[f]
	l := &s.links[a.place]
	if a.result != DrawnServe {
		return a.result.String()
	}
	var names []string
	for n, pm := range a.choice.Members {
		for _, at := range a.addrs[n] {
			names = append(names, l.Pool.Members[pm.Index].Name+" "+rdataString(l.plan.members[pm.Index].addrs[at]))
		}
	}
	text := strings.Join(names, ", ")
	if a.place > 0 {
		text += " of pool " + l.Pool.Name
	}
	return text
}

// ttlWhy says why the TTL is what it is.
func (sc *scene) ttlWhy(s *solution, f family) string {
	least, walked := s.ttlOf()
	if s.by[f].cause == noFamily {
		return "no address of that family"
	}
	why := "fixed"
	if t := least.Pool.TTL; t.Min < t.Max {
		window := time.Duration(0)
		for i := range walked {
			window = max(window, time.Duration(walked[i].Pool.TTL.Max)*time.Second)
		}
		why = sc.outlook(s, f, window).why(t)
	}
	if least.id != sc.plan.id {
		why += ", of pool " + least.Pool.Name
	}
	return why
}

// ttlOf returns the pools walked, and the one of them with the least TTL.
func (s *solution) ttlOf() (least *link, walked []link) {
	walked = s.walked()
	least = &walked[0]
	for i := range walked {
		if walked[i].Pool.TTL.Min < least.Pool.TTL.Min {
			least = &walked[i]
		}
	}
	return least, walked
}

func (p outlook) why(t TTL) string {
	window := time.Duration(t.Max) * time.Second
	switch {
	case p.doubt:
		return "least: a vote that could change the answer is in doubt or stale"
	case p.changed < window:
		return "least: the answer changed " + seconds(p.changed) + " ago"
	case p.left < window:
		return "the answer will change in " + seconds(p.left)
	}
	return "greatest: nothing is pending"
}

// seconds is a duration for people: "12s", "2h", "1.5s".
func seconds(d time.Duration) string {
	unit := time.Second
	if d < 10*time.Second {
		unit = time.Millisecond
	}
	text := d.Round(unit).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func joined(names []string) string { return strings.Join(names, ", ") }

func limited(how string, most, of int) string {
	if most > 0 && most < of {
		return fmt.Sprintf("%d of %d %s", most, of, how)
	}
	return how
}

// Line is the explanation in one line.
func (e Explanation) Line() string {
	if len(e.Steps) == 0 {
		return e.Result
	}
	s := e.Steps[len(e.Steps)-1]
	parts := []string{e.Question, e.Result}
	for _, p := range s.Pools {
		var up []string
		for _, t := range p.Targets {
			up = append(up, t.Target+" "+t.State)
		}
		parts = append(parts, fmt.Sprintf("pool %s: %s", p.Pool, strings.Join(up, ", ")))
	}
	for _, a := range e.Answer {
		fields := strings.Fields(a)
		parts = append(parts, fields[len(fields)-1])
	}
	if s.Note != "" {
		parts = append(parts, s.Note)
	}
	return strings.Join(slices.Compact(parts), "; ")
}
