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
	table := newNameTable(b, b.owners)
	var sets []Packed
	for id := range a.all() {
		own := a.block(id)
		other, ok := table.find(b, string(own.name()))
		sets = own.appendSets(sets[:0])
		for _, set := range sets {
			var same Packed
			if ok {
				same = b.block(other).set(set.Type())
			}
			var inB RRset
			if same != nil {
				if bytes.Equal(set.Records(), same.Records()) {
					continue
				}
				inB = unpack(own.name(), same, nil)
			}
			if !yield(unpack(own.name(), set, nil), inB) {
				return false
			}
		}
	}
	return true
}
