package zonefile

import (
	"bytes"
	"encoding/binary"
	"slices"

	"vitalns/zones"
)

const (
	// arenaPiece is how much rdata is kept in one piece of memory.
	arenaPiece = 64 << 10
	// fewRecords is how many records of a set are compared one by one to find duplicates.
	fewRecords = 8
)

// A master is what a master file and those it includes hold, to be shown as it is: owners in order of
// first appearance.
type master struct {
	origin zones.Name
	soa    *zones.SOA
	owners []masterOwner
	index  map[zones.Name]int32 // of owners
	notes  []string             // where owners are from: "" the file itself, a $GENERATE, an included file
	arena  []byte               // rdata is kept in pieces of this
}

// A masterOwner is a name with its sets of records.
type masterOwner struct {
	name zones.Name
	note int32 // of the record that named it first
	sets []masterSet
}

// A masterSet is the records of one owner and type; those that are signatures, of one type covered.
type masterSet struct {
	typ, covered uint16
	ttl          uint32
	rdata        [][]byte
	seen         map[string]bool // canonical rdata; nil while there are few
}

// find returns the records of an owner and type, nil if there are none.
func (m *master) find(owner zones.Name, typ uint16) *masterSet {
	i, ok := m.index[owner]
	if !ok {
		return nil
	}
	for j := range m.owners[i].sets {
		if set := &m.owners[i].sets[j]; set.typ == typ {
			return set
		}
	}
	return nil
}

func (m *master) name(owner int32) zones.Name { return m.owners[owner].name }

func (m *master) owner(_ *masterFile, name []byte, _ token, note int32) int32 {
	i, ok := m.index[zones.Name(name)]
	if !ok {
		i = int32(len(m.owners))
		m.index[zones.Name(name)] = i
		m.owners = append(m.owners, masterOwner{name: zones.Name(name), note: note})
	}
	return i
}

func (m *master) record(f *masterFile, r *masterRecord, ttl uint32, wire []byte) {
	owner := &m.owners[f.owner]
	set := owner.set(r.typ, coveredBy(r.typ, wire))
	if len(set.rdata) == 0 {
		set.ttl = ttl
	} else if set.ttl != ttl { // RFC 2181 §5.2
		f.warnAt(r.at, "TTL %d where the records of %s %s before it have %d: the least counts", ttl, owner.name, FormatType(r.typ), set.ttl)
		set.ttl = min(set.ttl, ttl)
	}
	if set.has(wire) {
		f.warnAt(r.at, "this record of %s is there already", owner.name)
		return
	}
	if cap(m.arena)-len(m.arena) < len(wire) {
		m.arena = make([]byte, 0, max(arenaPiece, len(wire)))
	}
	start := len(m.arena)
	m.arena = append(m.arena, wire...)
	set.rdata = append(set.rdata, m.arena[start:len(m.arena):len(m.arena)])
}

// coveredBy returns the type that a signature covers, 0 for other records.
func coveredBy(typ uint16, wire []byte) uint16 {
	if typ == typeRRSIG || typ == typeSIG {
		return binary.BigEndian.Uint16(wire)
	}
	return 0
}

func (o *masterOwner) set(typ, covered uint16) *masterSet {
	for i := range o.sets {
		if o.sets[i].typ == typ && o.sets[i].covered == covered {
			return &o.sets[i]
		}
	}
	o.sets = append(o.sets, masterSet{typ: typ, covered: covered})
	return &o.sets[len(o.sets)-1]
}

// has reports whether the set holds rdata already, but for the case of names.
func (s *masterSet) has(wire []byte) bool {
	if len(s.rdata) == 0 {
		return false
	}
	canonical := canonicalRdata(s.typ, wire)
	if len(s.rdata) < fewRecords {
		return slices.ContainsFunc(s.rdata, func(b []byte) bool {
			return len(b) == len(wire) && bytes.Equal(canonicalRdata(s.typ, b), canonical)
		})
	}
	if s.seen == nil {
		s.seen = make(map[string]bool, 2*len(s.rdata))
		for _, b := range s.rdata {
			s.seen[string(canonicalRdata(s.typ, b))] = true
		}
	}
	if s.seen[string(canonical)] {
		return true
	}
	s.seen[string(canonical)] = true
	return false
}
