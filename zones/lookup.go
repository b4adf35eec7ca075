package zones

import "github.com/miekg/dns"

// An OutcomeKind says what a zone has for a question. The zero kind is NotAuthoritative.
type OutcomeKind uint8

const (
	NotAuthoritative OutcomeKind = iota
	Positive                     // RRset answers
	ApexSOA                      // the SOA of Zone answers
	Alias                        // RRset is a CNAME to follow
	Redirect                     // RRset is the DNAME of Owner, above the question (RFC 6672)
	Referral                     // RRset is the NS of the zone cut Owner
	Pooled                       // Dynamic answers; where its pool does not, RRset does
	NoSuchType                   // NODATA
	NoSuchName                   // NXDOMAIN
)

// String returns the kind in the words of RFC 9499.
func (k OutcomeKind) String() string {
	return [...]string{
		"not authoritative", "positive", "SOA", "CNAME", "DNAME", "referral", "pool", "NODATA", "NXDOMAIN",
	}[k]
}

// An Outcome is what the zones of a Set have for a question. Health has no part in it.
type Outcome struct {
	Kind     OutcomeKind
	Zone     ZoneID
	Owner    Name // of what answers, as the zone has it; the closest encloser where nothing does
	Wildcard bool // Owner is a wildcard that stands for the question's name (RFC 4592)
	RRset    RRsetID
	Dynamic  DynamicID
}

// Lookup finds what answers a question: the algorithm of RFC 1034 §4.3.2 with RFC 4592 and 6672, one
// step of a chain at a time. It is pure structure: it never consults health, and it does not allocate.
func (s *Set) Lookup(qname Name, qtype uint16) Outcome {
	zone, ok := s.zoneOf(qname, qtype)
	if !ok {
		return Outcome{}
	}
	id, exact := s.closest(zone, qname)
	n := &s.nodes[id]
	if n.flags&(isOccluded|isCut|hasDNAME) != 0 {
		if top, ok := s.occluder(zone, id, exact, qtype); ok {
			return s.leave(zone, top)
		}
	}
	if exact {
		return s.answer(zone, id, qtype)
	}
	if n.flags&hasWildcard != 0 {
		var buf [maxName + 2]byte
		wildcard := append(append(buf[:0], 1, '*'), s.name(id)...)
		if w, ok := s.findBytes(zone, wildcard); ok {
			out := s.answer(zone, w, qtype)
			out.Wildcard = true
			return out
		}
	}
	return Outcome{Kind: NoSuchName, Zone: zone, Owner: s.name(id)}
}

// zoneOf returns the deepest zone that holds a name. A DS at an apex belongs to the parent, where that
// is here too (RFC 4035 §3.1.4.1).
func (s *Set) zoneOf(qname Name, qtype uint16) (ZoneID, bool) {
	labels := qname.Labels()
	rest := qname
	for ; labels > s.most; labels-- {
		rest = rest.Parent()
	}
	at := ZoneID(0)
	found := false
	for ; labels >= s.fewest; labels-- {
		if id, ok := s.byOrigin[rest]; ok {
			if qtype != dns.TypeDS || rest != qname {
				return id, true
			}
			at, found = id, true
		}
		rest = rest.Parent()
	}
	return at, found
}

// closest returns the node of a name, or of its closest encloser.
func (s *Set) closest(zone ZoneID, qname Name) (id nodeID, exact bool) {
	rest := qname
	for labels := qname.Labels(); labels > s.deepest; labels-- {
		rest = rest.Parent()
	}
	for {
		if id, ok := s.find(zone, string(rest)); ok {
			return id, len(rest) == len(qname)
		}
		rest = rest.Parent()
	}
}

// occluder returns the topmost zone cut or DNAME that takes a question away from the node found for it,
// if there is one. The parent's side answers for DS at the cut itself.
func (s *Set) occluder(zone ZoneID, id nodeID, exact bool, qtype uint16) (top nodeID, ok bool) {
	flags := s.nodes[id].flags
	if flags&isCut != 0 && !(exact && qtype == dns.TypeDS) || flags&hasDNAME != 0 && !exact {
		top, ok = id, true
	}
	if flags&isOccluded == 0 {
		return top, ok
	}
	origin := s.zones[zone].Origin
	for name := s.name(id); name != origin; {
		name = name.Parent()
		if up, found := s.find(zone, string(name)); found && s.nodes[up].flags&(isCut|hasDNAME) != 0 {
			top, ok = up, true
		}
	}
	return top, ok
}

// leave answers for what lies at or below a zone cut, or below a DNAME.
func (s *Set) leave(zone ZoneID, id nodeID) Outcome {
	kind, qtype := Redirect, uint16(dns.TypeDNAME)
	if s.nodes[id].flags&isCut != 0 {
		kind, qtype = Referral, dns.TypeNS
	}
	return Outcome{Kind: kind, Zone: zone, Owner: s.name(id), RRset: s.set(id, qtype)}
}

// answer answers from a node that is authoritative here.
func (s *Set) answer(zone ZoneID, id nodeID, qtype uint16) Outcome {
	n := &s.nodes[id]
	out := Outcome{Zone: zone, Owner: s.name(id), RRset: s.set(id, qtype)}
	if qtype == dns.TypeANY {
		out.RRset = s.static(id) // RFC 8482 §4.1: one RRset stands for all
	}
	switch {
	case qtype == dns.TypeSOA && out.Owner == s.zones[zone].Origin:
		out.Kind = ApexSOA
	case n.flags&isPooled != 0 && (n.flags&pooledCNAME != 0 || isAddress(qtype) || qtype == dns.TypeANY):
		out.Kind, out.Dynamic = Pooled, DynamicID(s.sets[n.sets].rdata)
	case out.RRset != 0:
		out.Kind = Positive
	default:
		out.Kind = NoSuchType
		if out.RRset = s.set(id, dns.TypeCNAME); out.RRset != 0 {
			out.Kind = Alias
		}
	}
	return out
}

func isAddress(qtype uint16) bool { return qtype == dns.TypeA || qtype == dns.TypeAAAA }

// Glue returns the RRset of a type that a zone holds for a name, even below a zone cut; 0 if none.
func (s *Set) Glue(zone ZoneID, name Name, qtype uint16) RRsetID {
	if id, ok := s.find(zone, string(name)); ok {
		return s.set(id, qtype)
	}
	return 0
}
