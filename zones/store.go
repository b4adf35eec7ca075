package zones

import (
	"hash/maphash"
	"iter"
	"unsafe"
)

// The store keeps every owner name and every rdata once, in wire form, in arenas without pointers: a
// node with one address costs about 75 bytes and nothing to the garbage collector. It is immutable once
// compiled.
type store struct {
	seed  maphash.Seed
	table []slot // open addressing, a power of two
	names string // owner names, canonical
	nodes []node
	sets  []rrset // those of one node follow each other, by type
	rdata []byte  // each rdata after its length in two bytes
}

// A slot of the table is the upper half of a name's hash, and below it the node + 1; 0 is free. A name that
// is not the one looked for is told apart without a look at its node.
type slot uint64

const slotNode = 1<<32 - 1

// A nodeID is the place of a node in its store.
type nodeID uint32

// A node is an owner name of a zone or an empty non-terminal above one.
type node struct {
	name  uint32 // place in names
	sets  uint32 // place of the first RRset
	zone  ZoneID
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
	isForeign                         // the name belongs to a deeper zone of the Set
)

// An rrset is one type of one node. Type 0 stands for a Dynamic, whose id is in rdata.
type rrset struct {
	rdata uint32 // place in the arena
	ttl   uint32
	typ   uint16
	count uint16
}

// An RRsetID names a static RRset of a Set. The zero RRsetID is none.
type RRsetID uint32

func (s *store) name(id nodeID) Name {
	n := &s.nodes[id]
	return Name(s.names[n.name : n.name+uint32(n.size)])
}

func (s *store) hash(name string) uint64 { return maphash.String(s.seed, name) }

// itsOwn stands for the zone that a name belongs to, the deepest that holds it.
const itsOwn = ^ZoneID(0)

// find returns the node of a name in a zone. It does not keep name, so that callers may look up what
// stands in a buffer without allocating.
func (s *store) find(zone ZoneID, name string) (nodeID, bool) {
	if len(s.table) == 0 {
		return 0, false
	}
	h := s.hash(name)
	mask := uint64(len(s.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		at := s.table[i]
		if at == 0 {
			return 0, false
		}
		if uint64(at)>>32 != h>>32 {
			continue
		}
		id := nodeID(at&slotNode) - 1
		n := &s.nodes[id]
		if n.zone != zone && (zone != itsOwn || n.flags&isForeign != 0) {
			continue
		}
		if int(n.size) == len(name) && s.names[n.name:n.name+uint32(n.size)] == name {
			return id, true
		}
	}
}

// text is a view of a name in a buffer, to look it up.
func text(name []byte) string { return unsafe.String(unsafe.SliceData(name), len(name)) }

// set returns the RRset of a type at a node, 0 if it has none.
func (s *store) set(id nodeID, qtype uint16) RRsetID {
	n := &s.nodes[id]
	for i := n.sets; i < n.sets+uint32(n.count); i++ {
		if s.sets[i].typ == qtype && qtype != 0 {
			return RRsetID(i + 1)
		}
	}
	return 0
}

// static returns the first static RRset of a node, 0 if it has none.
func (s *store) static(id nodeID) RRsetID {
	n := &s.nodes[id]
	first, count := n.sets, n.count
	if n.flags&isPooled != 0 {
		first, count = first+1, count-1
	}
	if count == 0 {
		return 0
	}
	return RRsetID(first + 1)
}

// Type returns the type of an RRset.
func (s *store) Type(r RRsetID) uint16 { return s.sets[r-1].typ }

// TTL returns the TTL of an RRset.
func (s *store) TTL(r RRsetID) uint32 { return s.sets[r-1].ttl }

// Rdata yields the rdata of an RRset in wire form. They are shared: read only.
func (s *store) Rdata(r RRsetID) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		set := &s.sets[r-1]
		at := set.rdata
		for range set.count {
			n := uint32(s.rdata[at])<<8 | uint32(s.rdata[at+1])
			at += 2
			if !yield(s.rdata[at : at+n : at+n]) {
				return
			}
			at += n
		}
	}
}
