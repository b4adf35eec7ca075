package zones

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// Packed returns how many rdata an RRset has and where they stand in the store: from the start of what is
// returned, each after its length in two bytes. They are shared: read only.
func (s *Set) Packed(r RRsetID) (count int, rdata []byte) {
	in, i := s.at(r)
	set := &in.sets[i]
	return int(set.count), in.rdata[set.rdata:]
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
