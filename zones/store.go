package zones

import (
	"hash/maphash"
	"iter"
	"unsafe"
)

// A store finds names among the Records of all zones. It is immutable once compiled.
type store struct {
	table []slot     // open addressing, a power of two
	pages []nodePage // the nodes of a zone fill pages of their own
}

// A slot of the table is the upper part of a name's hash, then slotForeign, and below it the node + 1; 0 is
// free. A name that is not the one looked for is told apart without a look at its node.
type slot uint64

const (
	slotNode    = 1<<32 - 1
	slotForeign = 1 << 32 // the name belongs to a deeper zone of the Set
	slotHash    = ^slot(slotNode | slotForeign)
)

// seed makes the hash of names differ from process to process.
var seed = maphash.MakeSeed()

func hash(name string) uint64 { return maphash.String(seed, name) }

// A nodeID is the page of a node and its place in it.
type nodeID uint32

const (
	pageBits  = 10
	pageNodes = 1 << pageBits
)

// A nodePage is up to pageNodes nodes of one zone.
type nodePage struct {
	nodes []node
	in    *Records
	zone  ZoneID
}

func (s *store) node(id nodeID) (*nodePage, *node) {
	p := &s.pages[id>>pageBits]
	return p, &p.nodes[id%pageNodes]
}

func (s *store) zoneOf(id nodeID) ZoneID { return s.pages[id>>pageBits].zone }

// itsOwn stands for the zone that a name belongs to, the deepest that holds it.
const itsOwn = ^ZoneID(0)

// find returns the node of a name in a zone. It does not keep name, so that callers may look up what
// stands in a buffer without allocating.
func (s *store) find(zone ZoneID, name string) (nodeID, bool) {
	if len(s.table) == 0 {
		return 0, false
	}
	h := hash(name)
	mask := uint64(len(s.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		at := s.table[i]
		if at == 0 {
			return 0, false
		}
		if (at^slot(h))&slotHash != 0 || zone == itsOwn && at&slotForeign != 0 {
			continue
		}
		id := nodeID(at&slotNode) - 1
		p, n := s.node(id)
		if zone != itsOwn && p.zone != zone {
			continue
		}
		if int(n.size) == len(name) && p.in.names[n.name:n.name+uint32(n.size)] == name {
			return id, true
		}
	}
}

// text is a view of a name in a buffer, to look it up.
func text(name []byte) string { return unsafe.String(unsafe.SliceData(name), len(name)) }

// add takes in the nodes of a zone and returns its apex.
func (s *store) add(zone ZoneID, r *Records) nodeID {
	apex := nodeID(len(s.pages) << pageBits)
	for nodes := r.nodes; len(nodes) > 0; {
		n := min(len(nodes), pageNodes)
		s.pages = append(s.pages, nodePage{nodes[:n:n], r, zone})
		nodes = nodes[n:]
	}
	return apex
}

// index makes the table. foreign says of a name in a zone whether it belongs to a deeper one.
func (s *store) index(names int, foreign func(zone ZoneID, name Name) bool) {
	slots := 16
	for slots < names+names/3 {
		slots *= 2
	}
	s.table = make([]slot, slots)
	mask := uint64(slots - 1)
	for at := range s.pages {
		p := &s.pages[at]
		for i := range p.nodes {
			name := p.in.name(&p.nodes[i])
			h := hash(string(name))
			entry := slot(h)&slotHash | slot(at<<pageBits+i+1)
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

// An RRsetID names a static RRset of a Set. The zero RRsetID is none.
type RRsetID uint64

// set returns the RRset of a type at a node, 0 if it has none.
func (p *nodePage) set(n *node, qtype uint16) RRsetID { return p.id(p.in.set(n, qtype)) }

// first returns the first static RRset of a node, 0 if it has none.
func (p *nodePage) first(n *node) RRsetID {
	at, count := n.sets, n.count
	if n.flags&isPooled != 0 {
		at, count = at+1, count-1
	}
	if count == 0 {
		return 0
	}
	return p.id(at + 1)
}

// id makes the id of an RRset from its place plus 1; 0 stays none.
func (p *nodePage) id(at uint32) RRsetID {
	if at == 0 {
		return 0
	}
	return RRsetID(p.zone)<<32 | RRsetID(at)
}

// at returns the records that an RRset is in, and its place.
func (s *Set) at(r RRsetID) (*Records, uint32) { return s.zones[r>>32].records, uint32(r) - 1 }

// Type returns the type of an RRset.
func (s *Set) Type(r RRsetID) uint16 {
	in, i := s.at(r)
	return in.sets[i].typ
}

// TTL returns the TTL of an RRset.
func (s *Set) TTL(r RRsetID) uint32 {
	in, i := s.at(r)
	return in.sets[i].ttl
}

// Rdata yields the rdata of an RRset in wire form. They are shared: read only.
func (s *Set) Rdata(r RRsetID) iter.Seq[[]byte] {
	in, i := s.at(r)
	return in.each(i)
}

// Bytes returns how much memory names, records and the table take; pools and what they answer take more.
func (s *Set) Bytes() int {
	n := cap(s.table) * int(unsafe.Sizeof(slot(0)))
	for i := range s.zones {
		n += s.zones[i].records.Bytes()
	}
	return n + cap(s.pages)*int(unsafe.Sizeof(nodePage{}))
}
