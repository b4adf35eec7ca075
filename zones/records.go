package zones

import (
	"iter"
	"unsafe"
)

// Records are what stands at the names of one zone: static RRsets, and marks where a Dynamic answers.
// Every owner name and every rdata is kept once, in wire form, in arenas without pointers: a name with one
// address costs about 60 bytes and nothing to the garbage collector. A Builder makes them; they are
// immutable, so a Source and the Set compiled of it share them. Nil Records are empty.
type Records struct {
	origin  Name
	names   string  // owner names, canonical
	nodes   []node  // a parent before its children; the apex first
	sets    []rrset // those of one node follow each other, by type
	rdata   []byte  // each rdata after its length in two bytes
	deepest int     // labels of the longest owner
	records int     // static ones
	marks   int     // of Dynamics
}

// A node is an owner name of a zone or an empty non-terminal above one.
type node struct {
	name  uint32 // place in names
	sets  uint32 // place of the first RRset
	count uint16 // RRsets
	size  uint8  // bytes of the name
	flags nodeFlags
}

type nodeFlags uint8

const (
	isCut       nodeFlags = 1 << iota // NS below the apex
	hasDNAME                          // everything below is redirected
	isOccluded                        // below a cut or a DNAME: reached only as glue
	hasWildcard                       // has a child "*"
	isPooled                          // its first RRset is a Dynamic
)

// An rrset is one type of one node. Type 0 stands for a Dynamic, whose place in Source.Dynamic is in rdata.
type rrset struct {
	rdata uint32 // place in the arena
	ttl   uint32
	typ   uint16
	count uint16
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
	return len(r.sets) - r.marks
}

// Bytes returns how much memory the records take.
func (r *Records) Bytes() int {
	if r == nil {
		return 0
	}
	return len(r.names) + cap(r.nodes)*int(unsafe.Sizeof(node{})) +
		cap(r.sets)*int(unsafe.Sizeof(rrset{})) + cap(r.rdata)
}

// All yields the static RRsets: owners in the order in which they, or names below them, came first, and by
// type at each. What is yielded is shared, and its Rdata is good until the next: read only.
func (r *Records) All() iter.Seq[RRset] {
	return func(yield func(RRset) bool) {
		if r == nil {
			return
		}
		var rdata [][]byte
		for id := range r.nodes {
			n := &r.nodes[id]
			for i := n.sets; i < n.sets+uint32(n.count); i++ {
				if r.sets[i].typ == 0 {
					continue
				}
				out := r.rrset(n, i, rdata[:0])
				rdata = out.Rdata
				if !yield(out) {
					return
				}
			}
		}
	}
}

// rrset is the i-th RRset, of this node; it is put into rdata.
func (r *Records) rrset(n *node, i uint32, rdata [][]byte) RRset {
	set := &r.sets[i]
	for b := range r.each(i) {
		rdata = append(rdata, b)
	}
	return RRset{Owner: r.name(n), Type: set.typ, TTL: set.ttl, Rdata: rdata}
}

func (r *Records) name(n *node) Name { return Name(r.names[n.name : n.name+uint32(n.size)]) }

// set returns the place of the RRset of a type at a node, plus 1; 0 if it has none.
func (r *Records) set(n *node, qtype uint16) uint32 {
	for i := range r.sets[n.sets : n.sets+uint32(n.count)] {
		if at := n.sets + uint32(i); r.sets[at].typ == qtype && qtype != 0 {
			return at + 1
		}
	}
	return 0
}

// each yields the rdata of the i-th RRset.
func (r *Records) each(i uint32) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		set := &r.sets[i]
		at := set.rdata
		for range set.count {
			n := uint32(r.rdata[at])<<8 | uint32(r.rdata[at+1])
			at += 2
			if !yield(r.rdata[at : at+n : at+n]) {
				return
			}
			at += n
		}
	}
}
