package packed

import (
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// maxChain bounds how many aliases one response follows, as Respond does.
const maxChain = 16

// A step is one name of the chain of aliases that a response follows.
type step struct {
	qname zones.Name
	owner owner // the same name as it is spelt in the answer
	qtype uint16
}

// chain answers a question of class IN. It returns the response code, which is that of the last name
// (RFC 6604 §3).
func (a *Answerer) chain() (rcode int) {
	out := &a.out
	qname := a.question()
	if out.Kind == zones.NotAuthoritative {
		a.note(dns.ExtendedErrorCodeNotAuthoritative, "")
		return dns.RcodeRefused
	}
	if qname == zones.Root { // nothing points to it: its records are owned otherwise than those of other names
		a.w.lost = true
		return dns.RcodeSuccess
	}
	a.trace.Zone = int(out.Zone)
	a.aa = out.Kind != zones.Referral
	var at step // field by field, since a literal would be made elsewhere and copied
	at.qname, at.qtype = qname, a.q.Type
	at.owner.name, at.owner.at = a.q.Name, toQuestion
	if out.Kind == zones.Positive { // the most frequent by far
		a.positive(&at, out.RRset)
		return dns.RcodeSuccess
	}
	for a.passed = a.passed[:0]; ; a.set.Find(out, at.qname, at.qtype) {
		a.passed = append(a.passed, at.qname)
		next, rcode := a.outcome(&at)
		if rcode != dns.RcodeSuccess || next == nil || a.w.lost {
			return rcode
		}
		at.qname = a.canonical(next)
		at.owner.name, at.owner.at = next, 0
		if len(a.passed) == maxChain || slices.Contains(a.passed, at.qname) {
			return dns.RcodeSuccess
		}
	}
}

// question looks up the question and returns its name in lower case. As the client spelt it comes first: where
// that is a name of a zone, it is in lower case.
func (a *Answerer) question() (qname zones.Name) {
	out := &a.out
	qname = text(a.q.Name)
	a.set.Find(out, qname, a.q.Type)
	if len(out.Owner) == len(qname) && !out.Wildcard || isLower(a.q.Name) {
		return qname
	}
	qname = a.canonical(a.q.Name)
	a.set.Find(out, qname, a.q.Type)
	return qname
}

// outcome adds one outcome to the response and returns the name that follows, if one does.
func (a *Answerer) outcome(at *step) (next []byte, rcode int) {
	out := &a.out
	switch out.Kind {
	case zones.NotAuthoritative: // where the chain leads out
	case zones.Positive:
		a.positive(at, out.RRset)
	case zones.ApexSOA:
		a.soa(&at.owner, out.Zone, a.set.Zone(out.Zone).SOA.TTL)
		a.answered(edge.FromStatic, 1)
	case zones.Alias:
		cname, _ := first(out.RRset.Records())
		a.w.named(&at.owner, dns.TypeCNAME, out.RRset.TTL(), cname, layout{0, true})
		a.answered(edge.FromStatic, 1)
		return a.target(cname), dns.RcodeSuccess
	case zones.Referral:
		a.refer()
	case zones.Pooled:
		return a.pooled(at)
	case zones.NoSuchType:
		a.negative(out.Zone, a.negativeTTL(out.Zone))
	case zones.NoSuchName:
		a.negative(out.Zone, a.negativeTTL(out.Zone))
		return nil, dns.RcodeNameError
	default:
		a.w.lost = true
	}
	return nil, dns.RcodeSuccess
}

// positive answers with a static RRset.
func (a *Answerer) positive(at *step, set zones.Packed) {
	a.answered(edge.FromStatic, set.Count())
	typ := set.Type()
	kind, l := kindOf(typ)
	if kind == plain { // leads nowhere
		a.w.plain(&at.owner, set.Records())
		return
	}
	a.w.rrset(&at.owner, set)
	if !leads(typ) {
		return
	}
	for rest := set.Records(); len(rest) > 0; {
		var one []byte
		one, rest = first(rest)
		a.lead(at, typ, one, l.before)
	}
}

// answered counts records of the answer section.
func (a *Answerer) answered(from edge.Source, n int) {
	a.answers += n
	a.trace.Source = max(a.trace.Source, from)
}

// target returns the name that the data of a CNAME are.
func (a *Answerer) target(rdata []byte) []byte {
	if name, ok := nameIn(rdata, 0); !ok || len(name) != len(rdata) {
		a.w.lost = true
		return nil
	}
	return rdata
}

// refer adds the name servers of a zone cut. Their addresses follow in additional.
func (a *Answerer) refer() {
	a.referral = true
	cut := owner{name: view(a.out.Owner)}
	a.authorities += a.w.rrset(&cut, a.out.RRset)
	a.trace.Source = max(a.trace.Source, edge.FromStatic)
}

// negative adds the SOA of a zone, which says how long its absence may be believed (RFC 2308 §3).
func (a *Answerer) negative(zone zones.ZoneID, ttl uint32) {
	apex := owner{name: view(a.set.Zone(zone).Origin)}
	a.soa(&apex, zone, ttl)
	a.authorities++
	a.trace.Source = edge.FromNegative
}

func (a *Answerer) negativeTTL(zone zones.ZoneID) uint32 {
	soa := &a.set.Zone(zone).SOA
	return min(soa.TTL, soa.Minimum)
}

// soa writes the SOA record of a zone.
func (a *Answerer) soa(o *owner, zone zones.ZoneID, ttl uint32) {
	soa := &a.set.Zone(zone).SOA
	a.w.begin(o, dns.TypeSOA, ttl, 0)
	from := a.w.n
	a.w.name(view(soa.MName), true)
	a.w.name(view(soa.RName), true)
	if b := a.w.room(5 * 4); b != nil {
		for i, v := range [...]uint32{a.table.Serial(zone), soa.Refresh, soa.Retry, soa.Expire, soa.Minimum} {
			binary.BigEndian.PutUint32(b[4*i:], v)
		}
	}
	a.w.end(from)
}
