package zones

import (
	"encoding/binary"
	"iter"
)

// A Packed is a static RRset as it stands in memory, among what else stands at its name:
//
//	type (2) | records (2) | their bytes (4) | records, or the place of a Dynamic in Source.Dynamic (4)
//
// Numbers of its own are little-endian. The records are in wire form, each owned by a compression pointer to the
// name of the question, so that they answer it as they stand. The mark of a Dynamic has type 0. As a value it
// begins with the RRset and may go on behind it; it is shared: read only. Nil is none.
type Packed []byte

const (
	setHead    = 8
	recordHead = 12 // of a record in wire form, up to its data
)

// Type returns the type of the records.
func (s Packed) Type() uint16 { return binary.LittleEndian.Uint16(s) }

// Count returns how many records there are.
func (s Packed) Count() int { return int(binary.LittleEndian.Uint16(s[2:])) }

func (s Packed) size() int { return int(binary.LittleEndian.Uint32(s[4:])) }
func (s Packed) len() int  { return setHead + s.size() }

// grow counts records that were appended, and the bytes that they have.
func (s Packed) grow(records, bytes int) {
	binary.LittleEndian.PutUint16(s[2:], uint16(s.Count()+records))
	binary.LittleEndian.PutUint32(s[4:], uint32(s.size()+bytes))
}

// Records returns the records in wire form. There is at least one.
func (s Packed) Records() []byte { return s[setHead:s.len():s.len()] }

// TTL returns the one TTL of the records.
func (s Packed) TTL() uint32 { return binary.BigEndian.Uint32(s[setHead+6:]) }

// Rdata yields the data of the records, in wire form.
func (s Packed) Rdata() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rest := s.Records()
		for len(rest) > 0 {
			end := recordHead + int(binary.BigEndian.Uint16(rest[recordHead-2:]))
			if !yield(rest[recordHead:end:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// toQuestion is a compression pointer to the name of the question (RFC 1035 §4.1.4).
const toQuestion = 0xc000 | 12

// A Body is what all members of a choice add to an answer, in one piece: a Part for each, by its place in
// Choice.Members, and then records owned by the name of the question, one body for every name of a pool.
type Body []byte

// A Part is what one of the members of a choice adds to an answer.
type Part struct {
	Begin, End uint32 // of its records in the Body
	Index      uint32 // its place in the pool's file order
	Count      uint32 // of records
}

const partSize = 16

// Part returns the part of the member at a place of Choice.Members.
func (b Body) Part(i int) Part {
	p := b[i*partSize:][:partSize]
	return Part{
		binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint32(p[8:]), binary.LittleEndian.Uint32(p[12:]),
	}
}

// pack fills in Body, once Choice, Rdata and TTL are there.
func (a *FamilyAnswer) pack(f family) {
	size := 0
	for _, rdata := range a.Rdata {
		size += partSize
		for _, b := range rdata {
			size += recordHead + len(b)
		}
	}
	body := make([]byte, len(a.Rdata)*partSize, size)
	for i, rdata := range a.Rdata {
		begin := len(body)
		for _, b := range rdata {
			if f != alias {
				body = appendRecord(body, familyTypes[f], a.TTL, b)
			}
		}
		for n, v := range [...]int{begin, len(body), a.Choice.Members[i].Index, len(rdata)} {
			binary.LittleEndian.PutUint32(body[i*partSize+4*n:], uint32(v))
		}
	}
	a.Body = body
}
