package dnsserver

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// A lead is a name that a client will ask for next, and the types it will ask.
type lead struct {
	name  zones.Name
	types []uint16
	// zone is where it is looked for: what stands in another a client must not believe, for it could not
	// come from there either (RFC 5452 §6).
	zone zones.ZoneID
	// service: the types go with the name through its CNAMEs, and those of an AliasMode record lead on
	// (RFC 9460 §3).
	service bool
	glue    bool // it is a name server: an address below a zone cut will do
}

// A sought is a question that has been answered in the additional section.
type sought struct {
	name  zones.Name
	qtype uint16
}

var (
	addressTypes = []uint16{dns.TypeA, dns.TypeAAAA}
	svcbTypes    = []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSVCB}
	httpsTypes   = []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS}
	srvTypes     = []uint16{dns.TypeSRV}
	ilnpTypes    = []uint16{dns.TypeNID, dns.TypeL32, dns.TypeL64}
)

// additional adds what saves the client a question: glue of a referral, then what the records of the
// answer lead to (RFC 1035 §3.3, 1183, 2230, 2782, 3403 §4.1, 6742 §2.4, 9460 §4.1). Of name servers
// an address each comes before a second one: where there is room for few, it is worth more.
func (r *responder) additional() {
	r.courteous = true
	seen := map[sought]bool{}
	if r.glue != nil {
		r.referralGlue()
	}
	var leads []lead
	for _, rr := range r.msg.Answer {
		h := rr.Header()
		if h.Class != dns.ClassINET {
			continue
		}
		if owner, err := zones.ParseName(h.Name); err == nil {
			seen[sought{owner, h.Rrtype}] = true
		}
		if l, ok := leadsTo(rr); ok {
			l.glue, l.zone = h.Rrtype == dns.TypeNS, r.zone
			leads = append(leads, l)
		}
	}
	for _, qtype := range addressTypes {
		for _, l := range leads {
			if q := (sought{l.name, qtype}); l.glue && !seen[q] {
				seen[q] = true
				r.courtesy(l, qtype, seen)
			}
		}
	}
	for n, further := 0, 0; n < len(leads); n++ {
		for _, qtype := range leads[n].types {
			if q := (sought{leads[n].name, qtype}); !seen[q] {
				seen[q] = true
				next := r.courtesy(leads[n], qtype, seen)
				if further += len(next); further <= maxChain {
					leads = append(leads, next...)
				}
			}
		}
	}
}

// courtesy adds the records of one type of a name, if the zone is authoritative for it, pools included, and
// returns what they lead to where the lead goes on.
func (r *responder) courtesy(l lead, qtype uint16, seen map[sought]bool) (next []lead) {
	owner := l.name.String()
	var rrs []dns.RR
	out := r.set.Lookup(l.name, qtype)
	if out.Zone != l.zone {
		return nil
	}
	switch out.Kind {
	case zones.Positive:
		rrs = out.RRset.Unpack(owner)
	case zones.Referral:
		if held := r.set.Glue(out.Zone, l.name).Of(qtype); held != nil && l.glue {
			rrs = held.Unpack(owner)
		}
	case zones.Alias:
		if l.service {
			rrs = out.RRset.Unpack(owner)[:1]
		}
	case zones.Pooled:
		d := r.draw(r.set.ECS(out.Dynamic), r.route(out.Dynamic), qtype)
		if d.Result == zones.DrawnServe && (d.Type == qtype || l.service) {
			rrs = unpackRdata(owner, d.Type, d.TTL, d.Rdata)
		}
	case zones.Followed:
		if trail, _ := r.follow(out.Dynamic, qtype); trail.Result == zones.DrawnServe {
			rrs = unpackRdata(owner, qtype, trail.TTL, trail.Rdata)
		}
	case zones.Hosted:
		if l := r.list(out.Hosts); l.Result == zones.DrawnServe {
			rrs = unpackRdata(owner, l.Type, l.TTL, l.Rdata)
		}
	}
	for _, rr := range rrs {
		switch rr := rr.(type) {
		case *dns.CNAME:
			if seen[sought{l.name, dns.TypeCNAME}] {
				return nil
			}
			seen[sought{l.name, dns.TypeCNAME}] = true
			if target, err := zones.ParseName(rr.Target); err == nil {
				next = append(next, lead{name: target, types: l.types, zone: l.zone, service: true})
			}
		case *dns.SVCB, *dns.HTTPS:
			if on, ok := leadsTo(rr); ok {
				on.zone = l.zone
				next = append(next, on)
			}
		}
	}
	r.msg.Extra = append(r.msg.Extra, rrs...)
	return next
}

// referralGlue adds what the zone holds for the name servers of a referral, first those below the cut,
// without which the referral is of no use (RFC 9471 §3).
func (r *responder) referralGlue() {
	var servers []zones.Name
	for _, rr := range r.msg.Ns {
		if l, ok := leadsTo(rr); ok && !slices.Contains(servers, l.name) {
			servers = append(servers, l.name)
		}
	}
	for _, below := range []bool{true, false} {
		for _, qtype := range addressTypes {
			for _, name := range servers {
				if name.IsSubdomainOf(r.glue.Owner) == below {
					r.glueRecords(name, qtype)
				}
			}
		}
		if below {
			r.required = len(r.msg.Extra)
		}
	}
}

// glueRecords adds the addresses of one type that the zone of the referral holds for a name server, even
// below a zone cut; or those that it answers with.
func (r *responder) glueRecords(name zones.Name, qtype uint16) {
	glue := r.set.Glue(r.glue.Zone, name)
	if held := glue.Of(qtype); held != nil {
		r.msg.Extra = append(r.msg.Extra, held.Unpack(name.String())...)
		return
	}
	if !name.IsSubdomainOf(r.glue.Owner) && glue.None() {
		r.courtesy(lead{name: name, zone: r.glue.Zone}, qtype, nil)
	}
}

// leadsTo returns what a client will ask for next, once it has this record.
func leadsTo(rr dns.RR) (lead, bool) {
	l := lead{types: addressTypes}
	var target string
	switch rr := rr.(type) {
	case *dns.NS:
		target = rr.Ns
	case *dns.MX:
		target = rr.Mx
	case *dns.SRV:
		target = rr.Target
	case *dns.AFSDB:
		target = rr.Hostname
	case *dns.KX:
		target = rr.Exchanger
	case *dns.RT:
		target = rr.Host
	case *dns.MB:
		target = rr.Mb
	case *dns.MD:
		target = rr.Md
	case *dns.MF:
		target = rr.Mf
	case *dns.NAPTR:
		target = rr.Replacement
		switch strings.ToUpper(rr.Flags) {
		case "A":
		case "S":
			l.types = srvTypes
		default:
			return lead{}, false
		}
	case *dns.LP:
		target, l.types = rr.Fqdn, ilnpTypes
	case *dns.SVCB:
		target, l.types, l.service = serviceTarget(rr), svcbTypes, true
		if rr.Priority > 0 {
			l.types = addressTypes
		}
	case *dns.HTTPS:
		target, l.types, l.service = serviceTarget(&rr.SVCB), httpsTypes, true
		if rr.Priority > 0 {
			l.types = addressTypes
		}
	}
	var err error
	l.name, err = zones.ParseName(target)
	return l, err == nil && l.name != zones.Root
}

// serviceTarget returns the name a service is at: "." in service mode is the owner (RFC 9460 §2.5).
func serviceTarget(rr *dns.SVCB) string {
	if rr.Target == "." && rr.Priority > 0 {
		return rr.Hdr.Name
	}
	return rr.Target
}
