package dnsserver

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// pooled answers from a pool.
func (r *responder) pooled(at step, out zones.Outcome) (next step, rcode int) {
	pool := r.route(out.Dynamic)
	addresses := !r.set.Pools()[pool].Names
	if addresses && at.qtype != dns.TypeA && at.qtype != dns.TypeAAAA && at.qtype != dns.TypeANY {
		return r.beside(at, out)
	}
	qtype := at.qtype
	if qtype == dns.TypeANY {
		qtype = dns.TypeA
	}
	ecs := r.set.ECS(out.Dynamic)
	drawn := r.draw(ecs, pool, qtype)
	if at.qtype == dns.TypeANY && drawn.Result == zones.DrawnNoData {
		drawn = r.draw(ecs, pool, dns.TypeAAAA)
	}
	r.note(drawn)
	switch {
	case drawn.Result == zones.DrawnServFail:
		return step{}, dns.RcodeServerFailure
	case drawn.Result == zones.DrawnNoData && at.qtype == dns.TypeANY && out.RRset != nil:
		return r.beside(at, out)
	case drawn.Result == zones.DrawnNoData:
		// Health has a part in this absence: it is believed no longer than the pool's answers are.
		r.negative(out.Zone, min(drawn.TTL, r.negativeTTL(out.Zone)))
		return step{}, dns.RcodeSuccess
	}
	r.count(drawn)
	rrs := unpackRdata(at.owner, drawn.Type, drawn.TTL, drawn.Rdata)
	if drawn.Type == dns.TypeCNAME && at.qtype != dns.TypeCNAME && at.qtype != dns.TypeANY {
		return r.alias(at, edge.FromPool, rrs)
	}
	r.answer(edge.FromPool, rrs...)
	return step{}, dns.RcodeSuccess
}

// followed answers with the addresses that an ALIAS leads to, under the owner's name.
func (r *responder) followed(at step, out zones.Outcome) (next step, rcode int) {
	qtype := at.qtype
	if qtype == dns.TypeANY {
		qtype = dns.TypeA
	}
	trail, drawn := r.follow(out.Dynamic, qtype)
	if at.qtype == dns.TypeANY && trail.Result == zones.DrawnNoData {
		qtype = dns.TypeAAAA
		trail, drawn = r.follow(out.Dynamic, qtype)
	}
	for _, d := range drawn {
		r.note(d)
	}
	switch {
	case trail.Lost != "":
		r.edns.explain(dns.ExtendedErrorCodeOther, "the ALIAS of "+out.Owner.String()+" "+trail.Lost)
		return step{}, dns.RcodeServerFailure
	case trail.Result == zones.DrawnServFail:
		return step{}, dns.RcodeServerFailure
	case trail.Result == zones.DrawnNoData && at.qtype == dns.TypeANY && out.RRset != nil:
		return r.beside(at, out)
	case trail.Result == zones.DrawnNoData:
		r.negative(out.Zone, min(trail.TTL, r.negativeTTL(out.Zone)))
		return step{}, dns.RcodeSuccess
	}
	from := edge.FromStatic
	if len(drawn) > 0 {
		from = edge.FromPool
		r.count(drawn...)
	}
	r.answer(from, unpackRdata(at.owner, qtype, trail.TTL, trail.Rdata)...)
	return step{}, dns.RcodeSuccess
}

// follow walks from an ALIAS for this client. It returns what the pools on the way gave as well.
func (r *responder) follow(d zones.DynamicID, qtype uint16) (zones.Trail, []zones.Drawn) {
	var all []zones.Drawn
	trail := r.table.Follow(d, qtype, func(d zones.DynamicID) zones.Drawn {
		all = append(all, r.draw(r.set.ECS(d), r.route(d), qtype))
		return all[len(all)-1]
	})
	return trail, all
}

// hosted answers with MX or SRV records whose hosts pools choose.
func (r *responder) hosted(at step, out zones.Outcome) (next step, rcode int) {
	l := r.list(out.Hosts)
	for _, d := range l.Drawn {
		r.note(d)
	}
	switch l.Result {
	case zones.DrawnServFail:
		return step{}, dns.RcodeServerFailure
	case zones.DrawnNoData:
		r.negative(out.Zone, min(l.TTL, r.negativeTTL(out.Zone)))
		return step{}, dns.RcodeSuccess
	}
	r.count(l.Drawn...)
	for _, d := range l.Drawn {
		counted := int(d.From) == r.trace.Pool || slices.ContainsFunc(r.trace.Others, func(o edge.Drawn) bool { return o.Pool == int(d.From) })
		if !counted && len(d.Members) > 0 {
			r.trace.Others = append(r.trace.Others, edge.Drawn{Pool: int(d.From), Members: d.Members})
		}
	}
	r.answer(edge.FromPool, unpackRdata(at.owner, l.Type, l.TTL, l.Rdata)...)
	return step{}, dns.RcodeSuccess
}

// list makes the records of hosts for this client.
func (r *responder) list(h zones.HostsID) zones.Listed {
	return r.table.List(h, func(p zones.PoolID) zones.Drawn {
		return r.draw(r.set.HostsECS(h), p, dns.TypeCNAME)
	})
}

// count remembers what the first of the pools of an answer gave, for metrics.
func (r *responder) count(drawn ...zones.Drawn) {
	for _, d := range drawn {
		if len(r.trace.Members) == 0 {
			r.trace.Pool, r.trace.Members = int(d.From), d.Members
		}
	}
}

// note adds what is unusual about what a pool gave.
func (r *responder) note(d zones.Drawn) {
	if d.Note.Text != "" || d.Note.Code != 0 {
		r.edns.explain(d.Note.Code, d.Note.Text)
	}
}

// beside answers with what stands beside a pool: records of other types.
func (r *responder) beside(at step, out zones.Outcome) (next step, rcode int) {
	if out.RRset != nil {
		r.answer(edge.FromStatic, out.RRset.Unpack(at.owner)...)
	} else {
		r.negative(out.Zone, r.negativeTTL(out.Zone))
	}
	return step{}, dns.RcodeSuccess
}

// route returns the pool for this client.
func (r *responder) route(d zones.DynamicID) zones.PoolID {
	ecs := r.set.ECS(d)
	pool, scope := r.table.Route(d, r.client(ecs).Addr())
	if r.useSubnet(ecs) {
		r.edns.scope = max(r.edns.scope, scope)
	}
	return pool
}

// useSubnet reports whether the client subnet stands for the client (RFC 7871), for a record that looks at
// it or not: not where it says nothing, and not for additional records, which nobody keeps for one subnet
// (§7.3.1).
func (r *responder) useSubnet(ecs bool) bool {
	return ecs && !r.courteous && r.Msg.Subnet.Tells()
}

// client is the prefix that the hash policy looks at, and what an address in a rule is compared with.
func (r *responder) client(ecs bool) netip.Prefix {
	if r.useSubnet(ecs) {
		return r.Msg.Subnet.Prefix
	}
	addr := r.Client.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen())
}

// draw makes this query's answer of a pool.
func (r *responder) draw(ecs bool, pool zones.PoolID, qtype uint16) zones.Drawn {
	client := r.client(ecs)
	if r.useSubnet(ecs) && r.table.Answer(pool, qtype).ByHash {
		most := policy.ClientBits6
		if client.Addr().Is4() {
			most = policy.ClientBits4
		}
		r.edns.scope = max(r.edns.scope, min(client.Bits(), most))
	}
	return r.table.Draw(pool, qtype, r.Draw, policy.ClientKey(client))
}

// unpackRdata returns the records of what was drawn.
func unpackRdata(owner string, typ uint16, ttl uint32, rdata [][]byte) []dns.RR {
	out := make([]dns.RR, 0, len(rdata))
	for _, b := range rdata {
		out = append(out, zones.UnpackRdata(owner, typ, ttl, b))
	}
	return out
}
