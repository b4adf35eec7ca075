package zones

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Builder packs the records of one zone: Add what stands at its owners, in any order, look at it again
// with Sorted, and Build. What comes owner by owner goes straight to where it stays.
type Builder struct {
	made    Records
	last    OwnerID // the owner made last: its block can grow
	open    int     // where in that block the RRset is that can grow; 0: none
	apart   []byte  // rdata that came when the block of their owner could not grow, each after its length in two bytes
	table   nameTable
	entries []Entry
	ordered int     // so many entries from the start are in order of owner and type
	parent  OwnerID // the one found last: neighbours in a file share it
}

// A Size is what a Builder makes room for at once, so that large zones are not copied while they grow.
type Size struct{ Names, NameBytes, Records, RdataBytes int }

// An Entry is one record on its way into a Records.
type Entry struct {
	Owner   OwnerID
	Type    uint16 // 0: a Dynamic
	Dropped bool   // it is to be left out
	apart   bool   // its rdata is not in the block of its owner
	TTL     uint32
	Place   uint32 // where it was written
	rdata   uint32 // where its length is, which is followed by the rdata; of a Dynamic its place in Source.Dynamic
}

// maxArena is the most bytes that an arena may have: places in it, plus 1, fit in 32 bits.
const maxArena = min(math.MaxUint32-blockUnit, math.MaxInt)

var errTooLarge = errors.New("the zone is too large: names and records must fit in 4 GiB")

// NewBuilder begins a zone of a size that is expected; zeros: it grows.
func NewBuilder(origin Name, size Size) *Builder {
	room := size.NameBytes + size.Names*(blockHead+blockUnit-1) + size.RdataBytes + size.Records*(setHead+recordHead)
	b := &Builder{
		made:    Records{origin: origin, arena: make([]byte, 0, room+blockHead+len(origin))},
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
		b.made.block(parent).mark(hasWildcard)
	}
	if !b.hasRoom(blockHead + len(name)) {
		return 0, errTooLarge
	}
	return b.append(name), nil
}

// hasRoom reports whether places of what is appended, n bytes with what belongs to them, fit in 32 bits.
func (b *Builder) hasRoom(n int) bool { return max(len(b.made.arena), len(b.apart))+n <= maxArena }

// append makes the block of a name.
func (b *Builder) append(name string) OwnerID {
	r := &b.made
	r.deepest, r.owners = max(r.deepest, Name(name).Labels()), r.owners+1
	b.last, b.open = r.append(name, 0), 0
	if 4*r.owners > 3*len(b.table) {
		r.end = len(r.arena)
		b.table = newNameTable(r, 2*r.owners)
	} else {
		b.table.insert(r, b.last)
	}
	return b.last
}

// Find returns the owner of a name, if it is there already; an empty non-terminal is.
func (b *Builder) Find(name Name) (OwnerID, bool) { return b.table.find(&b.made, string(name)) }

// Name returns the name of an owner.
func (b *Builder) Name(o OwnerID) Name { return b.made.block(o).name() }

// Add adds a record. The rdata, in wire form with names uncompressed, is copied.
func (b *Builder) Add(e Entry, rdata []byte) error {
	if e.Type == 0 || len(rdata) > math.MaxUint16 {
		return fmt.Errorf("zones: internal error: %s has rdata of type %d and %d bytes", b.Name(e.Owner), e.Type, len(rdata))
	}
	if !b.hasRoom(setHead + recordHead + len(rdata)) {
		return errTooLarge
	}
	if e.Owner == b.last && b.grows(e.Type) {
		r := &b.made
		r.arena = appendRecord(r.arena, e.Type, e.TTL, rdata)
		Packed(r.block(b.last)[b.open:]).grow(1, recordHead+len(rdata))
		e.rdata = uint32(len(r.arena) - len(rdata) - 2)
	} else {
		e.apart, e.rdata = true, uint32(len(b.apart))
		b.apart = append(binary.BigEndian.AppendUint16(b.apart, uint16(len(rdata))), rdata...)
	}
	b.push(e)
	return nil
}

// maxGrown is the most RRsets of a block that grows, since each new type is looked for among them. Types beyond
// these come apart.
const maxGrown = 64

// grows reports whether a record of a type can be appended to the block made last, and opens its RRset.
func (b *Builder) grows(typ uint16) bool {
	last := b.made.block(b.last)
	if b.open > 0 {
		if s := Packed(last[b.open:]); s.Type() == typ {
			return s.Count() < maxCount
		}
	}
	if last.count() >= maxGrown || last.set(typ) != nil {
		return false
	}
	b.open = b.made.begin(b.last, typ)
	return true
}

// AddDynamic marks the owner of the i-th Dynamic of the Source.
func (b *Builder) AddDynamic(o OwnerID, i int) {
	b.push(Entry{Owner: o, apart: true, rdata: uint32(i)})
}

func (b *Builder) push(e Entry) {
	if n := len(b.entries); b.ordered == n && (n == 0 || b.entries[n-1].compare(e) <= 0) {
		b.ordered++
	}
	b.entries = append(b.entries, e)
}

// Rdata returns the rdata of a record that was added: read only.
func (b *Builder) Rdata(e Entry) []byte { return b.rdata(b.made.arena, e) }

// rdata is Rdata where the blocks are in another arena.
func (b *Builder) rdata(from []byte, e Entry) []byte {
	if e.apart {
		from = b.apart
	}
	at := int(e.rdata) + 2
	end := at + int(binary.BigEndian.Uint16(from[e.rdata:]))
	return from[at:end:end]
}

// Sorted returns what was added by owner, type, and order of arrival. TTLs may be changed in it and entries
// dropped, until more is added.
func (b *Builder) Sorted() []Entry {
	if b.ordered < len(b.entries) {
		b.sort()
	}
	return b.entries
}

// sort puts what is out of order into order. Files are in order most of the time, but for their end.
func (b *Builder) sort() {
	tail := slices.Clone(b.entries[b.ordered:])
	slices.SortStableFunc(tail, Entry.compare)
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

// compare orders entries by owner and type.
func (e Entry) compare(f Entry) int {
	if e.Owner != f.Owner {
		return cmp.Compare(e.Owner, f.Owner)
	}
	return cmp.Compare(e.Type, f.Type)
}

// At returns the entries of an owner, by type and order of arrival, those that were dropped among them.
func (b *Builder) At(o OwnerID) []Entry {
	all := b.Sorted()
	from, _ := slices.BinarySearchFunc(all, o, func(e Entry, o OwnerID) int { return cmp.Compare(e.Owner, o) })
	return all[from : from+ownedBy(all[from:], o)]
}

// ownedBy returns how many entries at the start of a part of Sorted are those of an owner.
func ownedBy(entries []Entry, o OwnerID) int {
	n := 0
	for n < len(entries) && entries[n].Owner == o {
		n++
	}
	return n
}

// Group returns how many entries at the start of a part of Sorted have one owner and type.
func Group(entries []Entry) int {
	n := 1
	for n < len(entries) && entries[n].Owner == entries[0].Owner && entries[n].Type == entries[0].Type {
		n++
	}
	return n
}
