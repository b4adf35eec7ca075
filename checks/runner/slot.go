package runner

import (
	"math/bits"
	"time"

	"vitalns/checks"
)

// A Rank is this node's place, by name, among the fresh nodes that hold a target: Rank of Of, counted
// from 0. The zero Rank is that of a node by itself.
type Rank struct{ Rank, Of int }

// A Placement says where this node's slots are on the wheel that all nodes share.
type Placement struct {
	// Base is when the wheel stood at 0: at the moment x its position is x.Sub(Base).
	Base time.Time
	// Others is the rank for every target that is not in Ranks.
	Others Rank
	Ranks  map[checks.Target]Rank // read only once handed over
}

func (p Placement) rank(t checks.Target) Rank {
	r, ok := p.Ranks[t]
	if !ok {
		r = p.Others
	}
	if r.Of < 1 || r.Rank < 0 || r.Rank >= r.Of {
		return Rank{0, 1}
	}
	return r
}

// A slot is one turn of a target's probe: the nominal moment, and the moment with jitter.
type slot struct{ nominal, at time.Time }

// A wheel finds the slots of one target on one node.
type wheel struct {
	base     time.Time
	interval time.Duration
	rank     Rank
	hash     uint64 // of the target
	seed     uint64 // of the node
}

// from returns the first slot whose nominal moment is not before t.
func (w wheel) from(t time.Time) slot {
	phase := w.phase()
	k := ceilDiv(t.Sub(w.base)-phase, w.interval)
	nominal := w.base.Add(phase + time.Duration(k)*w.interval)
	return slot{nominal, w.inStep(nominal, nominal.Add(w.jitter(k)))}
}

// step is the rhythm of the wheel that probes start in: those of one step wake the processor once, which
// of 2,000 a second halves the cost.
const step = 10 * time.Millisecond

// inStep returns the last moment of the rhythm that is not after at; or the one that follows, or at itself,
// where that would be more than the jitter before nominal.
func (w wheel) inStep(nominal, at time.Time) time.Time {
	most := Jitter(w.interval, w.rank.Of)
	past := at.Sub(w.base) % step
	if past < 0 {
		past += step
	}
	for _, beat := range []time.Time{at.Add(-past), at.Add(step - past)} {
		if beat.Sub(nominal).Abs() <= most {
			return beat
		}
	}
	return at
}

// phase returns (hash + rank/N) x interval, the hash taken as a fraction of 1.
func (w wheel) phase() time.Duration {
	part, _ := bits.Mul64(w.hash, uint64(w.interval))
	return (time.Duration(part) + share(w.interval, w.rank)) % w.interval
}

// jitter returns how far turn k is moved. It depends on nothing but the seed, the target and k, and so
// never accumulates.
func (w wheel) jitter(k int64) time.Duration {
	most := Jitter(w.interval, w.rank.Of)
	if most <= 0 {
		return 0
	}
	part, _ := bits.Mul64(mix(w.seed^mix(w.hash^mix(uint64(k)))), uint64(2*most+1))
	return time.Duration(part) - most
}

// Jitter returns the most that jitter moves a probe around its slot, either way, with that many nodes.
func Jitter(interval time.Duration, nodes int) time.Duration {
	return min(interval/10, interval/time.Duration(2*max(nodes, 1)))
}

// share returns rank/N of d.
func share(d time.Duration, r Rank) time.Duration {
	hi, lo := bits.Mul64(uint64(d), uint64(r.Rank))
	part, _ := bits.Div64(hi, lo, uint64(r.Of))
	return time.Duration(part)
}

func ceilDiv(a, b time.Duration) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return int64(q)
}

// mix is the finalizer of splitmix64: it spreads every bit of x over the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
