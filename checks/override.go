package checks

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// Limits of an override; longer texts are cut.
const (
	MaxOverrideReason = 200
	MaxOverrideOwner  = 64
	maxClock          = 64 // writers in one clock
)

// EncodeOverride returns the payload of one write of an override: its Clock is that write's own, and
// what it conflicts with, its age and its time left are not in it.
func EncodeOverride(o Override) []byte {
	flags := byte(o.Admin & 3)
	if o.Expired {
		flags |= 4
	}
	b := []byte{payloadVersion, flags}
	b = appendText(b, cut(o.Reason, MaxOverrideReason))
	b = appendText(b, cut(o.Owner, MaxOverrideOwner))
	nodes := slices.Sorted(maps.Keys(o.Clock))
	nodes = nodes[:min(len(nodes), maxClock)]
	b = binary.AppendUvarint(b, uint64(len(nodes)))
	for _, n := range nodes {
		b = appendText(b, cut(n, maxText))
		b = binary.AppendUvarint(b, o.Clock[n])
	}
	return b
}

// DecodeOverride reads what EncodeOverride wrote.
func DecodeOverride(b []byte) (Override, error) {
	return decode("override", b, func(r *reader) (o Override) {
		flags := r.byte()
		o.Admin, o.Expired = Admin(flags&3), flags&4 != 0
		o.Reason, o.Owner = r.text(MaxOverrideReason), r.text(MaxOverrideOwner)
		n := int(r.uint(maxClock))
		if n == 0 || r.bad {
			return o
		}
		o.Clock = make(map[string]uint64, n)
		for range n {
			node := r.text(maxText)
			o.Clock[node] = r.uint(math.MaxUint64)
		}
		return o
	}, EncodeOverride)
}

// strictness orders what writes ask for where none has seen the other: down, drain, auto, up.
func strictness(o Override) int {
	switch {
	case o.Expired:
		return 0
	case o.Admin == ForceUp:
		return 1
	case o.Admin == Auto:
		return 2
	case o.Admin == Drain:
		return 3
	}
	return 4
}

// atMost reports whether clock a is at most b in every place. A zero is as good as no entry.
func atMost(a, b map[string]uint64) bool {
	for n, c := range a {
		if c > b[n] {
			return false
		}
	}
	return true
}

// clockLess reports whether the write of b had seen the one of a. It is a partial order.
func clockLess(a, b map[string]uint64) bool { return atMost(a, b) && !atMost(b, a) }

// clockEqual reports whether two clocks are of one write.
func clockEqual(a, b map[string]uint64) bool { return atMost(a, b) && atMost(b, a) }

// A write is one write of an override with its payload, which breaks ties.
type write struct {
	Override
	payload []byte
}

// overtakes reports whether a replaces b: it had seen b, or is the same write and expired since. Two
// contents under one clock, which no node that keeps its state makes, go by their bytes.
func (a write) overtakes(b write) bool {
	switch {
	case clockLess(b.Clock, a.Clock):
		return true
	case !clockEqual(a.Clock, b.Clock):
		return false
	case a.Expired != b.Expired:
		return a.Expired
	}
	return bytes.Compare(a.payload, b.payload) > 0
}

// compareWrites orders writes none of which had seen another: the one that holds comes first.
func compareWrites(a, b write) int {
	if c := cmp.Compare(strictness(b.Override), strictness(a.Override)); c != 0 {
		return c
	}
	return bytes.Compare(b.payload, a.payload)
}

// nextClock returns the clock of a write by node that has seen all of these. The node's own count is at
// least its incarnation, so that a node which lost its state never repeats itself.
func nextClock(node string, incarnation uint64, seen []map[string]uint64) map[string]uint64 {
	next := map[string]uint64{}
	for _, clock := range seen {
		for n, c := range clock {
			next[n] = max(next[n], c)
		}
	}
	next[node] = max(next[node]+1, incarnation)
	return next
}
