package zones

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"unsafe"

	"github.com/miekg/dns"
)

// A block is what stands at one name, in the bytes in which a lookup finds it side by side:
//
//	RRsets (2) | bytes of the name (1) | nodeFlags (1) | name, canonical | RRsets | up to 3 unused
//
// Numbers of its own are little-endian. As a value it begins with the block and may go on behind it.
type block []byte

// A packedSet is one RRset of a block, or the mark of a Dynamic, whose type is 0:
//
//	type (2) | records (2) | their bytes (4) | records, or the place of the Dynamic in Source.Dynamic (4)
//
// The records are in wire form, each owned by a compression pointer to the name of the question, so that they
// answer it as they stand. As a value it begins with the RRset and may go on behind it.
type packedSet []byte

const (
	blockHead  = 4
	setHead    = 8
	recordHead = 12        // of a record in wire form, up to its data
	blockUnit  = 4         // blocks begin at multiples of it in their arena
	maxCount   = 1<<16 - 1 // RRsets of a block and records of an RRset
)

// An OwnerID is where in the arena of its Builder or Records the block of an owner name begins, in units of
// blockUnit bytes.
type OwnerID uint32

type nodeFlags uint8

const (
	isCut       nodeFlags = 1 << iota // NS below the apex
	hasDNAME                          // everything below is redirected
	isOccluded                        // below a cut or a DNAME: reached only as glue
	hasWildcard                       // has a child "*"
	isPooled                          // its first RRset is the mark of a Dynamic
	isMoved                           // another block stands for it
)

// appendBlock appends a block without RRsets.
func appendBlock(b []byte, name string, flags nodeFlags) []byte {
	return append(append(b, 0, 0, byte(len(name)), byte(flags)), name...)
}

func (b block) count() int       { return int(binary.LittleEndian.Uint16(b)) }
func (b block) setCount(n int)   { binary.LittleEndian.PutUint16(b, uint16(n)) }
func (b block) flags() nodeFlags { return nodeFlags(b[3]) }
func (b block) mark(f nodeFlags) { b[3] |= byte(f) }

// is reports whether it is the block of a name.
func (b block) is(name string) bool {
	return int(b[2]) == len(name) && string(b[blockHead:blockHead+len(name)]) == name
}

// name is a view of the name, which never changes.
func (b block) name() Name {
	name := b[blockHead : blockHead+int(b[2])]
	return Name(unsafe.String(unsafe.SliceData(name), len(name)))
}

// find returns where in the block the RRset of a type is; 0: it has none. Type 0 is that of none.
func (b block) find(qtype uint16) int {
	at := blockHead + int(b[2])
	for range b.count() {
		s := packedSet(b[at:])
		if s.typ() == qtype && qtype != 0 {
			return at
		}
		at += s.len()
	}
	return 0
}

// sets yields where the RRsets are, marks of Dynamics among them.
func (b block) sets() iter.Seq[int] {
	return func(yield func(int) bool) {
		at := blockHead + int(b[2])
		for range b.count() {
			if !yield(at) {
				return
			}
			at += packedSet(b[at:]).len()
		}
	}
}

// len is how many bytes the block has without those that are unused.
func (b block) len() int {
	at := blockHead + int(b[2])
	for range b.count() {
		at += packedSet(b[at:]).len()
	}
	return at
}

// lowest returns where the static RRset of the lowest type is; 0: it has none.
func (b block) lowest() int {
	first := 0
	for at := range b.sets() {
		if s := packedSet(b[at:]); s.typ() != 0 && (first == 0 || s.typ() < packedSet(b[first:]).typ()) {
			first = at
		}
	}
	return first
}

// appendSets appends the static RRsets, by type.
func (b block) appendSets(sets []packedSet) []packedSet {
	for at := range b.sets() {
		if s := packedSet(b[at:]); s.typ() != 0 {
			sets = append(sets, s)
		}
	}
	slices.SortFunc(sets, func(s, t packedSet) int { return cmp.Compare(s.typ(), t.typ()) })
	return sets
}

// dynamic returns the place of the Dynamic in its Source, if the block has one.
func (b block) dynamic() (DynamicID, bool) {
	if b.flags()&isPooled == 0 {
		return 0, false
	}
	return DynamicID(binary.LittleEndian.Uint32(b[blockHead+int(b[2])+setHead:])), true
}

// appendMark appends the mark of a Dynamic.
func appendMark(b []byte, dynamic uint32) []byte {
	b = append(b, 0, 0, 0, 0, 4, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, dynamic)
}

// appendSet appends an RRset without records.
func appendSet(b []byte, typ uint16) []byte {
	return append(binary.LittleEndian.AppendUint16(b, typ), 0, 0, 0, 0, 0, 0)
}

// appendRecord appends a record in wire form.
func appendRecord(b []byte, typ uint16, ttl uint32, rdata []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, toQuestion)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	return append(b, rdata...)
}

func (s packedSet) typ() uint16 { return binary.LittleEndian.Uint16(s) }
func (s packedSet) count() int  { return int(binary.LittleEndian.Uint16(s[2:])) }
func (s packedSet) size() int   { return int(binary.LittleEndian.Uint32(s[4:])) }
func (s packedSet) len() int    { return setHead + s.size() }

// grow counts records that were appended, and the bytes that they have.
func (s packedSet) grow(records, bytes int) {
	binary.LittleEndian.PutUint16(s[2:], uint16(s.count()+records))
	binary.LittleEndian.PutUint32(s[4:], uint32(s.size()+bytes))
}

// records are the records of a static RRset. It has at least one.
func (s packedSet) records() []byte { return s[setHead:s.len():s.len()] }

// ttl is the one TTL of the records.
func (s packedSet) ttl() uint32 { return binary.BigEndian.Uint32(s[setHead+6:]) }

// rdata yields the data of the records.
func (s packedSet) rdata() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rest := s.records()
		for len(rest) > 0 {
			end := recordHead + int(binary.BigEndian.Uint16(rest[recordHead-2:]))
			if !yield(rest[recordHead:end:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}
