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

const (
	blockHead = 4
	blockUnit = 4         // blocks begin at multiples of it in their arena
	maxCount  = 1<<16 - 1 // RRsets of a block and records of an RRset
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

// set returns the RRset of a type; nil: it has none. Type 0 is that of none.
func (b block) set(qtype uint16) Packed {
	s := Packed(b[blockHead+int(b[2]):])
	for n := b.count(); n > 0; n-- {
		if s.Type() == qtype && qtype != 0 {
			return s
		}
		s = s[s.len():]
	}
	return nil
}

// sets yields the RRsets, the mark of a Dynamic among them.
func (b block) sets() iter.Seq[Packed] {
	return func(yield func(Packed) bool) {
		s := Packed(b[blockHead+int(b[2]):])
		for range b.count() {
			if !yield(s) {
				return
			}
			s = s[s.len():]
		}
	}
}

// len is how many bytes the block has without those that are unused.
func (b block) len() int {
	n := blockHead + int(b[2])
	for s := range b.sets() {
		n += s.len()
	}
	return n
}

// first returns the static RRset of the lowest type; nil: it has none.
func (b block) first() (lowest Packed) {
	for s := range b.sets() {
		if s.Type() != 0 && (lowest == nil || s.Type() < lowest.Type()) {
			lowest = s
		}
	}
	return lowest
}

// appendSets appends the static RRsets, by type.
func (b block) appendSets(sets []Packed) []Packed {
	for s := range b.sets() {
		if s.Type() != 0 {
			sets = append(sets, s)
		}
	}
	slices.SortFunc(sets, func(s, t Packed) int { return cmp.Compare(s.Type(), t.Type()) })
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
