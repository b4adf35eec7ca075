package zones

import (
	"hash/maphash"
	"unsafe"
)

// A store finds names among the Records of all zones. It is immutable once compiled.
type store struct {
	table []slot   // open addressing, a power of two
	pages []extent // the blocks of a zone fill pages of their own
}

// A slot of the table is the upper part of a name's hash, then slotForeign, and below it the nodeID + 1; 0 is
// free. A name that is not the one looked for is told apart without a look at its block.
type slot uint64

const (
	slotNode    = 1<<32 - 1
	slotForeign = 1 << 32 // the name belongs to a deeper zone of the Set
	slotHash    = ^slot(slotNode | slotForeign)
)

// seed makes the hash of names differ from process to process.
var seed = maphash.MakeSeed()

func hash(name string) uint64 { return maphash.String(seed, name) }

// A nodeID names a block among those of all zones: its page and its place there, in units of blockUnit.
type nodeID uint32

const (
	pageBits  = 12
	pageUnits = 1 << pageBits
)

// An extent is one page: pageUnits units of the blocks of a zone, from base on.
type extent struct {
	in   *Records
	base OwnerID
	zone ZoneID
}

// A node is a name of a zone.
type node struct {
	block
	zone ZoneID
}

func (s *store) node(id nodeID) node {
	p := &s.pages[id>>pageBits]
	return node{p.in.block(p.base + OwnerID(id%pageUnits)), p.zone}
}

// itsOwn stands for the zone that a name belongs to, the deepest that holds it.
const itsOwn = ^ZoneID(0)

// find returns the node of a name in a zone. It does not keep name, so that callers may look up what
// stands in a buffer without allocating.
func (s *store) find(zone ZoneID, name string) (n node, ok bool) {
	if len(s.table) == 0 {
		return n, false
	}
	h := hash(name)
	mask := uint64(len(s.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		at := s.table[i]
		if at == 0 {
			return n, false
		}
		if (at^slot(h))&slotHash != 0 || zone == itsOwn && at&slotForeign != 0 {
			continue
		}
		if n = s.node(nodeID(at&slotNode) - 1); (zone == itsOwn || n.zone == zone) && n.is(name) {
			return n, true
		}
	}
}

// text is a view of a name in a buffer, to look it up.
func text(name []byte) string { return unsafe.String(unsafe.SliceData(name), len(name)) }

// pagesFor is how many pages some blocks fill.
func pagesFor(r *Records) int { return (len(r.arena)/blockUnit + pageUnits) / pageUnits }

// add takes in the blocks of a zone.
func (s *store) add(zone ZoneID, r *Records) {
	for i := range pagesFor(r) {
		s.pages = append(s.pages, extent{r, OwnerID(i << pageBits), zone})
	}
}

// index makes the table. foreign says of a name in a zone whether it belongs to a deeper one.
func (s *store) index(names int, foreign func(zone ZoneID, name Name) bool) {
	slots := 16
	for slots < names+names/3 {
		slots *= 2
	}
	s.table = make([]slot, slots)
	mask := uint64(slots - 1)
	for first := range s.pages {
		p := &s.pages[first]
		if p.base > 0 {
			continue // of a zone that came with its first page
		}
		for id := range p.in.all() {
			name := p.in.block(id).name()
			h := hash(string(name))
			entry := slot(h)&slotHash | slot(first<<pageBits+int(id)+1)
			if foreign(p.zone, name) {
				entry |= slotForeign
			}
			j := h & mask
			for s.table[j] != 0 {
				j = (j + 1) & mask
			}
			s.table[j] = entry
		}
	}
}

// Bytes returns how much memory names, records and the table take; pools and what they answer take more.
func (s *Set) Bytes() int {
	n := cap(s.table) * int(unsafe.Sizeof(slot(0)))
	for i := range s.zones {
		n += s.zones[i].records.Bytes()
	}
	return n + cap(s.pages)*int(unsafe.Sizeof(extent{}))
}
