package dnsserver

import (
	"slices"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// maxChain bounds how many aliases one response follows. A resolver goes on from the last one.
const maxChain = 16

// A step is one name of the chain of aliases that a response follows.
type step struct {
	qname zones.Name
	owner string // the same name as it is to be spelt in the answer
	qtype uint16
}

// chain answers a question of class IN, following CNAME and DNAME as long as they stay in the zones of
// the table. It returns the response code, which is that of the last name (RFC 6604 §3).
func (r *responder) chain(qname zones.Name, q dns.Question) int {
	at := step{qname, q.Name, q.Qtype}
	var seen []zones.Name
	for len(seen) < maxChain && !slices.Contains(seen, at.qname) {
		out := r.set.Lookup(at.qname, at.qtype)
		if len(seen) == 0 {
			if out.Kind == zones.NotAuthoritative {
				r.edns.explain(dns.ExtendedErrorCodeNotAuthoritative, "")
				return dns.RcodeRefused
			}
			r.zone, r.trace.Zone = out.Zone, int(out.Zone)
			r.msg.Authoritative = out.Kind != zones.Referral
		}
		seen = append(seen, at.qname)
		next, rcode := r.outcome(at, out)
		if rcode != dns.RcodeSuccess || next.qname == "" {
			return rcode
		}
		at = next
	}
	return dns.RcodeSuccess
}

// outcome adds one outcome to the response and returns the step that follows, if one does.
func (r *responder) outcome(at step, out zones.Outcome) (next step, rcode int) {
	switch out.Kind {
	case zones.Positive:
		r.answer(edge.FromStatic, out.RRset.Unpack(at.owner)...)
	case zones.ApexSOA:
		soa := r.set.UnpackSOA(out.Zone, r.table.Serial(out.Zone), r.set.Zone(out.Zone).SOA.TTL)
		soa.Hdr.Name = at.owner
		r.answer(edge.FromStatic, soa)
	case zones.Alias:
		return r.alias(at, edge.FromStatic, out.RRset.Unpack(at.owner)[:1])
	case zones.Redirect:
		return r.redirect(at, out)
	case zones.Referral:
		r.refer(out)
	case zones.Pooled:
		return r.pooled(at, out)
	case zones.Followed:
		return r.followed(at, out)
	case zones.Hosted:
		return r.hosted(at, out)
	case zones.NoSuchType:
		r.negative(out.Zone, r.negativeTTL(out.Zone))
	case zones.NoSuchName:
		r.negative(out.Zone, r.negativeTTL(out.Zone))
		return step{}, dns.RcodeNameError
	}
	return step{}, dns.RcodeSuccess
}

func (r *responder) answer(from edge.Source, rrs ...dns.RR) {
	r.msg.Answer = append(r.msg.Answer, rrs...)
	r.trace.Source = max(r.trace.Source, from)
}

// alias answers with a CNAME and returns the name it leads to.
func (r *responder) alias(at step, from edge.Source, cname []dns.RR) (next step, rcode int) {
	r.answer(from, cname...)
	c, ok := cname[0].(*dns.CNAME)
	if !ok {
		return step{}, dns.RcodeServerFailure // rdata that is no name
	}
	target, err := zones.ParseName(c.Target)
	if err != nil {
		return step{}, dns.RcodeServerFailure
	}
	return step{target, c.Target, at.qtype}, dns.RcodeSuccess
}

// redirect answers with a DNAME and the CNAME it stands for (RFC 6672 §3.2).
func (r *responder) redirect(at step, out zones.Outcome) (next step, rcode int) {
	rrs := out.RRset.Unpack(out.Owner.String())[:1]
	d, ok := rrs[0].(*dns.DNAME)
	if !ok {
		return step{}, dns.RcodeServerFailure
	}
	target, err := zones.ParseName(d.Target)
	if err != nil {
		return step{}, dns.RcodeServerFailure
	}
	if !slices.ContainsFunc(r.msg.Answer, func(rr dns.RR) bool { return sameRRset(rr.Header(), &d.Hdr) }) {
		r.answer(edge.FromStatic, d) // a chain may pass the same DNAME again
	}
	below := at.qname[:len(at.qname)-len(out.Owner)] + zones.Root
	qname, err := below.Append(target)
	if err != nil {
		return step{}, dns.RcodeYXDomain // the name would be too long
	}
	// The labels below the DNAME keep the client's spelling.
	owner := dns.Fqdn(at.owner)
	if starts := dns.Split(at.owner); below.Labels() < len(starts) {
		owner = at.owner[:starts[below.Labels()]]
	}
	if target != zones.Root {
		owner += d.Target
	}
	r.answer(edge.FromStatic, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: at.owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl},
		Target: owner,
	})
	if at.qtype == dns.TypeCNAME || at.qtype == dns.TypeANY {
		return step{}, dns.RcodeSuccess
	}
	return step{qname, owner, at.qtype}, dns.RcodeSuccess
}

// refer adds the name servers of a zone cut. Their addresses follow in additional.
func (r *responder) refer(out zones.Outcome) {
	r.msg.Ns = append(r.msg.Ns, out.RRset.Unpack(out.Owner.String())...)
	r.glue = &out
	r.trace.Source = max(r.trace.Source, edge.FromStatic)
}

// negative adds the SOA of a zone, which says how long its absence may be believed (RFC 2308 §3).
func (r *responder) negative(zone zones.ZoneID, ttl uint32) {
	r.msg.Ns = append(r.msg.Ns, r.set.UnpackSOA(zone, r.table.Serial(zone), ttl))
	r.trace.Source = edge.FromNegative
}

func (r *responder) negativeTTL(zone zones.ZoneID) uint32 {
	soa := &r.set.Zone(zone).SOA
	return min(soa.TTL, soa.Minimum)
}
