package zones

import "encoding/binary"

// A Heading is what the records of a static RRset have in common, and how many there are.
type Heading struct {
	Type, Count uint16
	TTL         uint32
}

// Packed returns the records of an RRset in wire form, each owned by a compression pointer to the name of the
// question. They are shared: read only.
func (s *Set) Packed(r RRsetID) (Heading, []byte) {
	set := s.at(r)
	return Heading{set.typ(), uint16(set.count()), set.ttl()}, set.records()
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
