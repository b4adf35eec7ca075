package zones

import (
	"bytes"
	"iter"
)

// Changes yields the RRsets in which next differs from r, as they were and as they are; the zero RRset
// stands for none. First come those that are gone or changed, in the order of r, then those that are new.
func (r *Records) Changes(next *Records) iter.Seq2[RRset, RRset] {
	return func(yield func(was, is RRset) bool) {
		if differing(r, next, yield) {
			differing(next, r, func(is, was RRset) bool { return was.Rdata != nil || yield(was, is) })
		}
	}
}

// differing yields the RRsets of a that b has otherwise, or not at all, until yield wants no more: then it
// returns false.
func differing(a, b *Records, yield func(inA, inB RRset) bool) bool {
	if a == nil {
		return true
	}
	if b == nil {
		b = &Records{}
	}
	table := newNameTable(b, len(b.nodes))
	for id := range a.nodes {
		n := &a.nodes[id]
		other, ok := table.find(b, string(a.name(n)))
		for i := n.sets; i < n.sets+uint32(n.count); i++ {
			set := &a.sets[i]
			at := uint32(0)
			if ok {
				at = b.set(&b.nodes[other], set.typ)
			}
			var inB RRset
			switch {
			case set.typ == 0:
				continue
			case at == 0:
			case set.ttl == b.sets[at-1].ttl && set.count == b.sets[at-1].count && bytes.Equal(a.packed(i), b.packed(at-1)):
				continue
			default:
				inB = b.rrset(&b.nodes[other], at-1, nil)
			}
			if !yield(a.rrset(n, i, nil), inB) {
				return false
			}
		}
	}
	return true
}

// packed is the rdata of the i-th RRset, each after its length.
func (r *Records) packed(i uint32) []byte {
	from := r.sets[i].rdata
	to := from
	for b := range r.each(i) {
		to += 2 + uint32(len(b))
	}
	return r.rdata[from:to]
}
