package zones

import "iter"

// Records are what stands at the names of one zone: static RRsets, and marks where a Dynamic answers. It is
// one arena without pointers, a block for each name: a name with one address costs about 50 bytes and
// nothing to the garbage collector. A Builder makes them; they are immutable, so a Source and the Set
// compiled of it share them. Nil Records are empty.
type Records struct {
	origin   Name
	arena    []byte    // blocks, a parent's before its children's, in the order of owners
	end      int       // of those in order; behind it are those that stand for others
	moved    []OwnerID // by their order, what stands for the blocks that are marked so
	owners   int       // names and empty non-terminals
	deepest  int       // labels of the longest owner
	records  int       // static ones
	rrsets   int       // of these
	dynamics int       // marks
}

// Len returns how many static records there are.
func (r *Records) Len() int {
	if r == nil {
		return 0
	}
	return r.records
}

// RRsets returns how many static RRsets there are.
func (r *Records) RRsets() int {
	if r == nil {
		return 0
	}
	return r.rrsets
}

// Bytes returns how much memory the records take.
func (r *Records) Bytes() int {
	if r == nil {
		return 0
	}
	return cap(r.arena)
}

// All yields the static RRsets: owners in the order in which they, or names below them, came first, and by
// type at each. What is yielded is shared, and its Rdata is good until the next: read only.
func (r *Records) All() iter.Seq[RRset] {
	return func(yield func(RRset) bool) {
		if r == nil {
			return
		}
		var sets []Packed
		var rdata [][]byte
		for id := range r.all() {
			b := r.block(id)
			sets = b.appendSets(sets[:0])
			for _, set := range sets {
				out := unpack(b.name(), set, rdata[:0])
				rdata = out.Rdata
				if !yield(out) {
					return
				}
			}
		}
	}
}

// unpack is an RRset at a name; its rdata are put into rdata.
func unpack(owner Name, set Packed, rdata [][]byte) RRset {
	for b := range set.Rdata() {
		rdata = append(rdata, b)
	}
	return RRset{Owner: owner, Type: set.Type(), TTL: set.TTL(), Rdata: rdata}
}

func (r *Records) block(id OwnerID) block { return r.arena[int(id)*blockUnit:] }

// all yields the owners, in their order.
func (r *Records) all() iter.Seq[OwnerID] {
	return func(yield func(OwnerID) bool) {
		moved := r.moved
		for at := 0; at < r.end; {
			id := OwnerID(at / blockUnit)
			b := r.block(id)
			at += align(b.len())
			if b.flags()&isMoved != 0 {
				id, moved = moved[0], moved[1:]
			}
			if !yield(id) {
				return
			}
		}
	}
}

// align is the next place where a block may begin.
func align(n int) int { return (n + blockUnit - 1) &^ (blockUnit - 1) }
