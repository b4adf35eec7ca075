package zones

import (
	"math"
	"slices"
	"time"

	"vitalns/checks"
)

// A want is a register that a pool's answer asks for.
type want struct {
	kind     checks.Kind
	key      string
	payload  []byte
	byWriter bool      // written by one node and followed by the others, not by all alike
	after    time.Time // not before; zero: at once
}

// settle is how long a choice stands before it is written over. Answers do not wait for it: it bounds
// the writes of nodes that do not see the same, as when their zone files differ during a rollout. It is
// shorter than it takes a target to fail and to come back, so that no hold is skipped by it.
const settle = 200 * time.Millisecond

// Writes returns the registers that this node is to write: choices that are left, failbacks that are
// due, what was last good. A side that hears fewer than half of the nodes writes nothing. in is the
// snapshot that the table was made from.
func Writes(t *Table, in *checks.Snapshot) []checks.Register {
	if !in.Majority {
		return nil
	}
	var out []checks.Register
	for _, id := range t.wanting {
		for _, w := range t.answers.at(id).wants {
			if w.after.After(in.At) || w.byWriter && t.writer(id, in) != in.Self {
				continue
			}
			out = append(out, checks.Register{Kind: w.kind, Key: w.key, Writer: in.Self, Payload: w.payload})
		}
	}
	return out
}

// writer is the node that writes what only one is to write: the lowest-named fresh node that holds the
// pool and does not abstain. Who holds it shows in the votes on its targets; one without checks is held
// by all.
func (t *Table) writer(id PoolID, in *checks.Snapshot) string {
	p := &t.set.plans.pools[id]
	if len(p.targets) == 0 && len(in.Voters) > 0 {
		return in.Voters[0]
	}
	writer := ""
	for _, target := range p.targets {
		for _, v := range in.Verdict(target).Votes {
			if (writer == "" || v.Node < writer) && slices.Contains(in.Voters, v.Node) {
				writer = v.Node
			}
		}
	}
	return writer
}

// wants returns what one pool asks to be written: the pool in use of its chain, its own groups in use,
// and the last good. What no register can hold (hundreds of targets in one group) is not remembered: the
// best is served at once, and when_all_down serves all.
func (sc *scene) wants(s *solution) []want {
	var out []want
	if len(s.links) > 1 {
		if to, kind := s.nextPlace(); kind != stay {
			c := checks.Choice{Pool: s.links[to].Pool.Name, Rank: rank(to)}
			out = append(out, sc.choose(sc.plan.walk, c, kind))
		}
	}
	own := &s.links[0]
	for f := range families {
		if own.has[f] && own.grouped() {
			var back due
			u := sc.use(own, f, &back)
			if to, kind := own.nextGroup(f, u.group, back); kind != stay {
				c := checks.Choice{Pool: own.Pool.Name, Names: own.groups[to].names, Rank: rank(to)}
				out = append(out, sc.choose(own.choices[f], c, kind))
			}
		}
		if own.has[f] && own.Pool.WhenAllDown == ServeLastGood {
			out = append(out, sc.lastGood(s, f)...)
		}
	}
	return slices.DeleteFunc(out, func(w want) bool { return len(w.key) > checks.MaxKey || len(w.payload) > checks.MaxPayload })
}

func rank(n int) uint16 { return uint16(min(n, math.MaxUint16)) }

// A move is why a choice is written.
type move uint8

const (
	stay  move = iota
	first      // there was none
	leave      // the one in use does not work any more
	back       // a better one has been usable for as long as it has to be
)

// choose is the write of a choice.
func (sc *scene) choose(key string, c checks.Choice, m move) want {
	w := want{kind: checks.KindChoice, key: key, byWriter: m == back}
	if last, ok := sc.in.Choices.Get(key); ok {
		c.Epoch = last.Epoch
		if until := last.Since.Add(settle); until.After(sc.in.At) {
			w.after = until
		}
	}
	c.Epoch++
	w.payload = checks.EncodeChoice(c)
	return w
}

// nextPlace is the pool of the chain to be written as the one in use. The first is written once every
// member of the better pools has a verdict.
func (s *solution) nextPlace() (to int, m move) {
	best := slices.IndexFunc(s.links, func(l link) bool { return l.fit() })
	switch {
	case best < 0:
		return 0, stay
	case s.inUse < 0:
		for k := range s.links[:best] {
			if s.links[k].unknown > 0 {
				return 0, stay
			}
		}
		return best, first
	case s.links[s.inUse].left():
		return best, leave
	case s.back.now >= 0:
		return s.back.now, back
	}
	return 0, stay
}

// nextGroup is the group of a family to be written as the one in use.
func (m members) nextGroup(f family, inUse int, d due) (to int, why move) {
	best := slices.IndexFunc(m.groups, func(g group) bool { return m.hasUp(f, g) })
	switch {
	case best < 0:
		return 0, stay
	case inUse < 0:
		if !m.decided(f, best) {
			return 0, stay
		}
		return best, first
	case m.left(f, inUse):
		return best, leave
	case d.now >= 0:
		return d.now, back
	}
	return 0, stay
}

// lastGood is the write of the targets served, where they are known to be good and were not last.
func (sc *scene) lastGood(s *solution, f family) []want {
	a := s.by[f]
	if a.result != DrawnServe || a.cause != usual || a.class != UpMember && a.class != DrainedButUp {
		return nil
	}
	p := s.links[a.place].Pool
	var names []string
	for _, pm := range a.choice.Members {
		names = append(names, p.Name+"/"+p.Members[pm.Index].Name)
	}
	slices.Sort(names)
	last, _ := sc.in.LastGoods.Get(s.links[0].choices[f])
	if slices.Equal(names, last.Names) {
		return nil
	}
	payload := checks.EncodeLastGood(checks.LastGood{Epoch: last.Epoch + 1, Names: names})
	return []want{{kind: checks.KindLastGood, key: s.links[0].choices[f], payload: payload, byWriter: true}}
}
