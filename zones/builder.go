package zones

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/miekg/dns"
)

// A Builder packs the records of one zone: Add what stands at its owners, in any order, look at it again
// with Sorted, and Build. Names and rdata go straight to where they stay.
type Builder struct {
	made    Records
	names   []byte // becomes made.names
	table   nameTable
	entries []Entry
	ordered int     // so many entries from the start are in order of owner and type
	indexed bool    // the nodes say where their entries begin
	parent  OwnerID // the one found last: neighbours in a file share it
}

// A Size is what a Builder makes room for at once, so that large zones are not copied while they grow.
type Size struct{ Names, NameBytes, Records, RdataBytes int }

// An OwnerID is the place of an owner name in its Builder.
type OwnerID uint32

// An Entry is one record on its way into a Records.
type Entry struct {
	Owner   OwnerID
	Type    uint16 // 0: a Dynamic
	Dropped bool   // it is to be left out
	TTL     uint32
	Place   uint32 // where it was written
	rdata   uint32 // place in the arena; of a Dynamic its place in Source.Dynamic
}

var errTooLarge = errors.New("the zone is too large: names and records must each fit in 4 GiB")

// NewBuilder begins a zone of a size that is expected; zeros: it grows.
func NewBuilder(origin Name, size Size) *Builder {
	b := &Builder{
		made:    Records{origin: origin, nodes: make([]node, 0, size.Names+1), rdata: make([]byte, 0, size.RdataBytes)},
		names:   make([]byte, 0, size.NameBytes+len(origin)),
		entries: make([]Entry, 0, size.Records),
	}
	b.table = newNameTable(&b.made, size.Names)
	b.append(string(origin))
	return b
}

// Owner returns the owner of a canonical name, which it makes where it is missing, with every name above it
// up to the apex: those are the empty non-terminals (RFC 4592 §2.2.2). It does not keep name.
func (b *Builder) Owner(name []byte) (OwnerID, error) {
	return b.owner(text(name))
}

func (b *Builder) owner(name string) (OwnerID, error) {
	if id, ok := b.table.find(&b.made, name); ok {
		return id, nil
	}
	if len(name) <= len(b.made.origin) {
		return 0, fmt.Errorf("zones: internal error: %s is not in zone %s", Name(name), b.made.origin)
	}
	rest := name[1+int(name[0]):]
	parent := b.parent
	if string(b.Name(parent)) != rest {
		var err error
		if parent, err = b.owner(rest); err != nil {
			return 0, err
		}
		b.parent = parent
	}
	if Name(name).IsWildcard() {
		b.made.nodes[parent].flags |= hasWildcard
	}
	if uint64(len(b.names)+len(name)) > math.MaxUint32 || len(b.made.nodes) >= math.MaxInt32 {
		return 0, errTooLarge
	}
	return b.append(name), nil
}

// append makes the node of a name.
func (b *Builder) append(name string) OwnerID {
	r := &b.made
	id := OwnerID(len(r.nodes))
	r.deepest = max(r.deepest, Name(name).Labels())
	r.nodes = append(r.nodes, node{name: uint32(len(b.names)), size: uint8(len(name))})
	b.names = append(b.names, name...)
	r.names = unsafe.String(unsafe.SliceData(b.names), len(b.names)) // what is written is not written again
	if 4*len(r.nodes) > 3*len(b.table) {
		b.table = newNameTable(r, 2*len(r.nodes))
	} else {
		b.table.insert(r, id)
	}
	return id
}

// Find returns the owner of a name, if it is there already; an empty non-terminal is.
func (b *Builder) Find(name Name) (OwnerID, bool) { return b.table.find(&b.made, string(name)) }

// Name returns the name of an owner.
func (b *Builder) Name(o OwnerID) Name { return b.made.name(&b.made.nodes[o]) }

// Add adds a record. The rdata, in wire form with names uncompressed, is copied.
func (b *Builder) Add(e Entry, rdata []byte) error {
	if e.Type == 0 || len(rdata) > math.MaxUint16 {
		return fmt.Errorf("zones: internal error: %s has rdata of type %d and %d bytes", b.Name(e.Owner), e.Type, len(rdata))
	}
	if uint64(len(b.made.rdata)+len(rdata)+2) > math.MaxUint32 {
		return errTooLarge
	}
	e.rdata = uint32(len(b.made.rdata))
	b.made.rdata = append(append(b.made.rdata, byte(len(rdata)>>8), byte(len(rdata))), rdata...)
	b.push(e)
	return nil
}

// AddDynamic marks the owner of the i-th Dynamic of the Source.
func (b *Builder) AddDynamic(o OwnerID, i int) { b.push(Entry{Owner: o, rdata: uint32(i)}) }

func (b *Builder) push(e Entry) {
	if n := len(b.entries); b.ordered == n && (n == 0 || b.entries[n-1].compare(e) <= 0) {
		b.ordered++
	}
	b.entries, b.indexed = append(b.entries, e), false
}

// Rdata returns the rdata of a record that was added: read only.
func (b *Builder) Rdata(e Entry) []byte {
	at := e.rdata + 2
	return b.made.rdata[at:b.after(e):b.after(e)]
}

// after returns where in the arena the rdata of an entry ends.
func (b *Builder) after(e Entry) uint32 {
	return e.rdata + 2 + uint32(b.made.rdata[e.rdata])<<8 + uint32(b.made.rdata[e.rdata+1])
}

// Sorted returns what was added by owner, type, and order of arrival. TTLs may be changed in it and entries
// dropped, until more is added.
func (b *Builder) Sorted() []Entry {
	if b.ordered < len(b.entries) {
		b.sort()
	}
	if !b.indexed {
		for i := range b.made.nodes {
			b.made.nodes[i].sets = uint32(len(b.entries)) // none
		}
		for i, e := range b.entries {
			if i == 0 || b.entries[i-1].Owner != e.Owner {
				b.made.nodes[e.Owner].sets = uint32(i)
			}
		}
		b.indexed = true
	}
	return b.entries
}

// sort puts what is out of order into order. Files are in order most of the time, but for their end.
func (b *Builder) sort() {
	tail := slices.Clone(b.entries[b.ordered:])
	slices.SortFunc(tail, Entry.compare)
	at, out := b.ordered-1, len(b.entries)-1
	for i := len(tail) - 1; i >= 0; out-- {
		if at >= 0 && b.entries[at].compare(tail[i]) > 0 {
			b.entries[out] = b.entries[at]
			at--
		} else {
			b.entries[out] = tail[i]
			i--
		}
	}
	b.ordered = len(b.entries)
}

// compare orders entries by owner, type and arrival.
func (e Entry) compare(f Entry) int {
	switch {
	case e.Owner != f.Owner:
		return cmp.Compare(e.Owner, f.Owner)
	case e.Type != f.Type:
		return cmp.Compare(e.Type, f.Type)
	}
	return cmp.Compare(e.rdata, f.rdata)
}

// At returns the entries of an owner, by type and order of arrival, those that were dropped among them.
func (b *Builder) At(o OwnerID) []Entry {
	all := b.Sorted()
	from := int(b.made.nodes[o].sets)
	to := from
	for to < len(all) && all[to].Owner == o {
		to++
	}
	return all[from:to]
}

// Group returns how many entries at the start of a part of Sorted have one owner and type.
func Group(entries []Entry) int {
	n := 1
	for n < len(entries) && entries[n].Owner == entries[0].Owner && entries[n].Type == entries[0].Type {
		n++
	}
	return n
}

// Build packs what was added and not dropped. The Builder is not to be used again.
func (b *Builder) Build() (*Records, error) {
	r := &b.made
	sets, whole := b.survey()
	from := r.rdata
	if !whole {
		r.rdata = make([]byte, 0, len(from))
	}
	r.sets = make([]rrset, 0, sets)
	for i := range r.nodes {
		r.nodes[i].sets = 0
	}
	b.indexed = false
	for rest := b.entries; len(rest) > 0; {
		n := Group(rest)
		if err := b.place(rest[:n], from, whole); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	b.entries = nil
	b.occlude()
	b.table = nil
	b.trim()
	return r, nil
}

// survey counts the RRsets, and reports whether the rdata of each of them stands together already.
func (b *Builder) survey() (sets int, whole bool) {
	whole = true
	for rest := b.Sorted(); len(rest) > 0; {
		n := Group(rest)
		sets++
		for i, e := range rest[:n] {
			whole = whole && !e.Dropped && (i == 0 || e.rdata == b.after(rest[i-1]))
		}
		rest = rest[n:]
	}
	return sets, whole
}

// place gives the records of one owner and type their place behind those before them.
func (b *Builder) place(group []Entry, from []byte, whole bool) error {
	r := &b.made
	n := &r.nodes[group[0].Owner]
	if group[0].Type == 0 {
		if len(group) > 1 {
			return fmt.Errorf("zones: internal error: %s has two Dynamics", b.Name(group[0].Owner))
		}
		n.flags |= isPooled
		r.marks++
		r.hang(n, rrset{rdata: group[0].rdata})
		return nil
	}
	set := rrset{rdata: group[0].rdata, typ: group[0].Type}
	if !whole {
		set.rdata = uint32(len(r.rdata))
	}
	kept := 0
	for _, e := range group {
		if e.Dropped {
			continue
		}
		kept++
		set.ttl = e.TTL
		if !whole {
			size := uint32(from[e.rdata])<<8 + uint32(from[e.rdata+1])
			r.rdata = append(r.rdata, from[e.rdata:e.rdata+2+size]...)
		}
	}
	if kept > math.MaxUint16 {
		return fmt.Errorf("%s has %d records of type %s: more than %d", b.Name(group[0].Owner), kept, dns.Type(set.typ), math.MaxUint16)
	}
	if kept == 0 {
		return nil
	}
	set.count = uint16(kept)
	r.records += kept
	switch {
	case set.typ == dns.TypeNS && group[0].Owner != 0:
		n.flags |= isCut
	case set.typ == dns.TypeDNAME:
		n.flags |= hasDNAME
	}
	r.hang(n, set)
	return nil
}

// hang appends an RRset to a node, the last that has any.
func (r *Records) hang(n *node, set rrset) {
	if n.count == 0 {
		n.sets = uint32(len(r.sets))
	}
	n.count++
	r.sets = append(r.sets, set)
}

// trim gives back what the arenas do not use, where that is much.
func (b *Builder) trim() {
	r := &b.made
	if wasteful(len(b.names), cap(b.names)) {
		r.names = strings.Clone(r.names)
	}
	b.names = nil
	if wasteful(len(r.nodes), cap(r.nodes)) {
		r.nodes = slices.Clone(r.nodes)
	}
	if wasteful(len(r.rdata), cap(r.rdata)) {
		r.rdata = slices.Clone(r.rdata)
	}
	if wasteful(len(r.sets), cap(r.sets)) {
		r.sets = slices.Clone(r.sets)
	}
}

func wasteful(used, taken int) bool { return taken-used > used/16 }

// occlude marks what lies below a zone cut or a DNAME. A parent's node is made before its children's.
func (b *Builder) occlude() {
	nodes := b.made.nodes
	if !slices.ContainsFunc(nodes, func(n node) bool { return n.flags&(isCut|hasDNAME) != 0 }) {
		return
	}
	for id := 1; id < len(nodes); id++ {
		parent, _ := b.Find(b.Name(OwnerID(id)).Parent())
		if nodes[parent].flags&(isCut|hasDNAME|isOccluded) != 0 {
			nodes[id].flags |= isOccluded
		}
	}
}
