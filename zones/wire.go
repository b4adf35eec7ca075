package zones

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

// A Part is what one of the members of a choice adds to an answer.
type Part struct {
	Index uint32 // its place in the pool's file order
	End   uint32 // of its records, in FamilyAnswer.Records
	Count uint16 // of them
}

// pack fills in Records and Parts, once Choice, Rdata and TTL are there. Of names there are no Records.
func (a *FamilyAnswer) pack(f family) {
	a.Parts = make([]Part, len(a.Rdata))
	for i, rdata := range a.Rdata {
		for _, b := range rdata {
			if f == alias {
				break
			}
			a.Records = appendRecord(a.Records, familyTypes[f], a.TTL, b)
		}
		a.Parts[i] = Part{Index: uint32(a.Choice.Members[i].Index), End: uint32(len(a.Records)), Count: uint16(len(rdata))}
	}
}
