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
	Followed                     // Dynamic is an ALIAS (Table.Follow); where it has no answer to ANY, RRset does
	Hosted                       // Hosts has MX or SRV records whose hosts pools choose (Table.List)
	NoSuchType                   // NODATA
	NoSuchName                   // NXDOMAIN
)

// String returns the kind in the words of RFC 9499.
func (k OutcomeKind) String() string {
	return [...]string{
		"not authoritative", "positive", "SOA", "CNAME", "DNAME", "referral", "pool", "ALIAS", "pools of hosts", "NODATA", "NXDOMAIN",
	}[k]
}

// An Outcome is what the zones of a Set have for a question. Health has no part in it.
type Outcome struct {
	Kind     OutcomeKind
	Zone     ZoneID
	Owner    Name // of what answers, as the zone has it; the closest encloser where nothing does
	Wildcard bool // Owner is a wildcard that stands for the question's name (RFC 4592)
	RRset    Packed
	Dynamic  DynamicID
	Hosts    HostsID
}

// Lookup finds what answers a question: the algorithm of RFC 1034 §4.3.2 with RFC 4592 and 6672, one
// step of a chain at a time. It is pure structure: it never consults health, and it does not allocate.
func (s *Set) Lookup(qname Name, qtype uint16) (out Outcome) {
	s.Find(&out, qname, qtype)
	return out
}

// Find is Lookup where the caller has space for the Outcome, which is not copied then.
func (s *Set) Find(out *Outcome, qname Name, qtype uint16) {
	*out = Outcome{} // and then its fields one by one: a literal would be made elsewhere and copied
	n, exact := s.find(itsOwn, string(qname))
	switch {
	case !exact:
		var ok bool
		if n, ok = s.enclosing(qname.Parent()); !ok {
			return
		}
	case qtype == dns.TypeDS:
		n, exact = s.delegating(qname, n)
	}
	out.Zone = n.zone
	if n.flags()&(isOccluded|isCut|hasDNAME) != 0 {
		if top, ok := s.occluder(n, exact, qtype); ok {
			s.leave(out, top)
			return
		}
	}
	if exact {
		s.answer(out, n, qtype)
		return
	}
	if n.flags()&hasWildcard != 0 {
		var buf [maxName + 2]byte
		wildcard := append(append(buf[:0], 1, '*'), n.name()...)
		if w, ok := s.find(n.zone, text(wildcard)); ok {
			s.answer(out, w, qtype)
			out.Wildcard = true
			return
		}
	}
	out.Kind, out.Owner = NoSuchName, n.name()
}

// delegating returns the node that answers for the DS of a name, or its closest encloser. At an apex that is
// the parent's, where that is here too (RFC 4035 §3.1.4.1).
func (s *Set) delegating(qname Name, n node) (at node, exact bool) {
	if len(qname) != len(s.zones[n.zone].Origin) {
		return n, true
	}
	above, ok := s.enclosing(qname.Parent())
	if !ok {
		return n, true
	}
	if cut, ok := s.find(above.zone, string(qname)); ok {
		return cut, true
	}
	return above, false
}

// enclosing returns the deepest node at or above a name.
func (s *Set) enclosing(name Name) (n node, ok bool) {
	if len(name) < s.least {
		return n, false
	}
	for labels := name.Labels(); labels > s.deepest; labels-- {
		name = name.Parent()
	}
	for ; len(name) >= s.least; name = name.Parent() {
		if n, ok = s.find(itsOwn, string(name)); ok {
			return n, true
		}
	}
	return n, false
}

// occluder returns the topmost zone cut or DNAME that takes a question away from the node found for it,
// if there is one. The parent's side answers for DS at the cut itself.
func (s *Set) occluder(n node, exact bool, qtype uint16) (top node, ok bool) {
	flags := n.flags()
	if flags&isCut != 0 && !(exact && qtype == dns.TypeDS) || flags&hasDNAME != 0 && !exact {
		top, ok = n, true
	}
	if flags&isOccluded == 0 {
		return top, ok
	}
	for name := n.name(); name != s.zones[n.zone].Origin; {
		name = name.Parent()
		if up, found := s.find(n.zone, string(name)); found && up.flags()&(isCut|hasDNAME) != 0 {
			top, ok = up, true
		}
	}
	return top, ok
}

// leave answers for what lies at or below a zone cut, or below a DNAME.
func (s *Set) leave(out *Outcome, n node) {
	out.Owner = n.name()
	if n.flags()&isCut != 0 {
		out.Kind, out.RRset = Referral, n.set(dns.TypeNS)
	} else {
		out.Kind, out.RRset = Redirect, n.set(dns.TypeDNAME)
	}
}

// answer answers from a node of the Zone of out that is authoritative here.
func (s *Set) answer(out *Outcome, n node, qtype uint16) {
	out.Owner, out.RRset = n.name(), n.set(qtype)
	if qtype == dns.TypeANY {
		out.RRset = n.first() // RFC 8482 §4.1: one RRset stands for all
	}
	d, pooled := s.dynamicAt(n)
	switch {
	case qtype == dns.TypeSOA && len(out.Owner) == len(s.zones[n.zone].Origin): // its apex
		out.Kind = ApexSOA
	case pooled && s.claims(d, qtype, out):
	case out.RRset != nil:
		out.Kind = Positive
	default:
		out.Kind = NoSuchType
		if out.RRset = n.set(dns.TypeCNAME); out.RRset != nil {
			out.Kind = Alias
		}
	}
}

// dynamicAt returns the Dynamic of a node, if it has one.
func (s *Set) dynamicAt(n node) (DynamicID, bool) {
	id, ok := n.dynamic()
	if !ok {
		return 0, false
	}
	return s.zones[n.zone].dynamics + id, true
}

// dynamicOf returns the Dynamic of an owner of a zone.
func (s *Set) dynamicOf(zone ZoneID, owner Name) (DynamicID, bool) {
	n, ok := s.find(zone, string(owner))
	if !ok {
		return 0, false
	}
	return s.dynamicAt(n)
}

func isAddress(qtype uint16) bool { return qtype == dns.TypeA || qtype == dns.TypeAAAA }

// A Glue is the addresses that a zone holds for a name, even below a zone cut.
type Glue struct{ four, six Packed }

// None reports whether it holds none.
func (g Glue) None() bool { return g.four == nil && g.six == nil }

// Of returns the RRset of one address type; nil if there is none.
func (g Glue) Of(qtype uint16) Packed {
	switch qtype {
	case dns.TypeA:
		return g.four
	case dns.TypeAAAA:
		return g.six
	}
	return nil
}

// Glue returns what a zone holds for a name.
func (s *Set) Glue(zone ZoneID, name Name) (g Glue) {
	if n, ok := s.find(zone, string(name)); ok {
		g.four, g.six = n.set(dns.TypeA), n.set(dns.TypeAAAA)
	}
	return g
}
