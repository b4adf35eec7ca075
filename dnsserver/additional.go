package dnsserver

import (
	"github.com/miekg/dns"

	"vitalns/zones"
)

// additional adds the addresses of the names that the response leads to: glue of a referral, then those
// that save the client a question (RFC 1035 §3.3, 2782, 9460 §4.1).
func (r *responder) additional() {
	seen := map[zones.Name]bool{}
	if r.glue != nil {
		r.referralGlue(seen)
	}
	for _, rr := range r.msg.Answer {
		if rr.Header().Class != dns.ClassINET {
			continue
		}
		if target, ok := leadsTo(rr); ok && !seen[target] {
			seen[target] = true
			r.addresses(target)
			if out := r.set.Lookup(target, dns.TypeA); out.Kind == zones.Referral && rr.Header().Rrtype == dns.TypeNS {
				r.glueRecords(out.Zone, target)
			}
		}
	}
}

// referralGlue adds what the zone holds for the name servers of a referral, first those below the cut,
// without which the referral is of no use (RFC 9471 §3).
func (r *responder) referralGlue(seen map[zones.Name]bool) {
	var servers []zones.Name
	for _, rr := range r.msg.Ns {
		if target, ok := leadsTo(rr); ok && !seen[target] {
			seen[target] = true
			servers = append(servers, target)
		}
	}
	for _, below := range []bool{true, false} {
		for _, name := range servers {
			if name.IsSubdomainOf(r.glue.Owner) != below {
				continue
			}
			if !r.glueRecords(r.glue.Zone, name) && !below {
				r.addresses(name)
			}
		}
		if below {
			r.required = len(r.msg.Extra)
		}
	}
}

// glueRecords adds the addresses that a zone holds for a name, even below a zone cut, if it does.
func (r *responder) glueRecords(zone zones.ZoneID, name zones.Name) (found bool) {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if id := r.set.Glue(zone, name, qtype); id != 0 {
			r.msg.Extra = append(r.msg.Extra, r.set.Unpack(id, name.String())...)
			found = true
		}
	}
	return found
}

// addresses adds the addresses of a name that this node is authoritative for, pools included.
func (r *responder) addresses(name zones.Name) {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		switch out := r.set.Lookup(name, qtype); out.Kind {
		case zones.Positive:
			r.msg.Extra = append(r.msg.Extra, r.set.Unpack(out.RRset, name.String())...)
		case zones.Pooled:
			if drawn := r.draw(out.Dynamic, r.route(out.Dynamic), qtype); drawn.Result == zones.DrawnServe && drawn.Type == qtype {
				r.msg.Extra = append(r.msg.Extra, unpackDrawn(name.String(), drawn)...)
			}
		}
	}
}

// leadsTo returns the name that a client will ask for next, once it has this record.
func leadsTo(rr dns.RR) (zones.Name, bool) {
	var target string
	switch rr := rr.(type) {
	case *dns.NS:
		target = rr.Ns
	case *dns.MX:
		target = rr.Mx
	case *dns.SRV:
		target = rr.Target
	case *dns.SVCB:
		target = serviceTarget(rr)
	case *dns.HTTPS:
		target = serviceTarget(&rr.SVCB)
	}
	name, err := zones.ParseName(target)
	return name, err == nil && name != zones.Root
}

// serviceTarget returns the name a service is at: "." in service mode is the owner (RFC 9460 §2.5).
func serviceTarget(rr *dns.SVCB) string {
	if rr.Target == "." && rr.Priority > 0 {
		return rr.Hdr.Name
	}
	return rr.Target
}
