package zones

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// A Heading is what the records of a static RRset have in common, and how many there are.
type Heading struct {
	Type, Count uint16
	TTL         uint32
}

// Packed returns an RRset as it stands in the store: from the start of what is returned its rdata, each after
// its length in two bytes. They are shared: read only.
func (s *Set) Packed(r RRsetID) (Heading, []byte) {
	in, i := s.at(r)
	set := &in.sets[i]
	return Heading{set.typ, set.count, set.ttl}, in.rdata[set.rdata:]
}

// toQuestion is a compression pointer to the name of the question (RFC 1035 §4.1.4).
const toQuestion = 0xc000 | 12

// packMembers returns the records that members add, in wire form and owned by the name of the question, and
// where those of each end.
func packMembers(typ uint16, ttl uint32, rdata [][][]byte) (records []byte, ends []int) {
	ends = make([]int, len(rdata))
	for i, member := range rdata {
		for _, b := range member {
			records = binary.BigEndian.AppendUint16(records, toQuestion)
			records = binary.BigEndian.AppendUint16(records, typ)
			records = binary.BigEndian.AppendUint16(records, dns.ClassINET)
			records = binary.BigEndian.AppendUint32(records, ttl)
			records = binary.BigEndian.AppendUint16(records, uint16(len(b)))
			records = append(records, b...)
		}
		ends[i] = len(records)
	}
	return records, ends
}
