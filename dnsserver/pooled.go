package dnsserver

import (
	"net/netip"

	"github.com/miekg/dns"

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
	drawn := r.draw(out.Dynamic, pool, qtype)
	if at.qtype == dns.TypeANY && drawn.Result == zones.DrawnNoData {
		drawn = r.draw(out.Dynamic, pool, dns.TypeAAAA)
	}
	if drawn.Note.Text != "" || drawn.Note.Code != 0 {
		r.edns.explain(drawn.Note.Code, drawn.Note.Text)
	}
	switch {
	case drawn.Result == zones.DrawnServFail:
		return step{}, dns.RcodeServerFailure
	case drawn.Result == zones.DrawnNoData && at.qtype == dns.TypeANY && out.RRset != 0:
		return r.beside(at, out)
	case drawn.Result == zones.DrawnNoData:
		// Health has a part in this absence: it is believed no longer than the pool's answers are.
		r.negative(out.Zone, min(drawn.TTL, r.negativeTTL(out.Zone)))
		return step{}, dns.RcodeSuccess
	}
	r.trace.drawn = drawn
	rrs := unpackDrawn(at.owner, drawn)
	if drawn.Type == dns.TypeCNAME && at.qtype != dns.TypeCNAME && at.qtype != dns.TypeANY {
		return r.alias(at, fromPool, rrs)
	}
	r.answer(fromPool, rrs...)
	return step{}, dns.RcodeSuccess
}

// beside answers with what stands beside a pool: records of other types.
func (r *responder) beside(at step, out zones.Outcome) (next step, rcode int) {
	if out.RRset != 0 {
		r.answer(fromStatic, r.set.Unpack(out.RRset, at.owner)...)
	} else {
		r.negative(out.Zone, r.negativeTTL(out.Zone))
	}
	return step{}, dns.RcodeSuccess
}

// route returns the pool for this client.
func (r *responder) route(d zones.DynamicID) zones.PoolID {
	pool, scope := r.table.Route(d, r.client(d).Addr())
	if r.useSubnet(d) {
		r.edns.scope = max(r.edns.scope, scope)
	}
	return pool
}

// useSubnet reports whether the client subnet stands for the client (RFC 7871).
func (r *responder) useSubnet(d zones.DynamicID) bool {
	return r.Msg.Subnet.Family != 0 && r.set.ECS(d)
}

// client is the prefix that the hash policy looks at, and what an address in a rule is compared with.
func (r *responder) client(d zones.DynamicID) netip.Prefix {
	if r.useSubnet(d) {
		return r.Msg.Subnet.Prefix
	}
	addr := r.Client.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen())
}

// draw makes this query's answer of a pool.
func (r *responder) draw(d zones.DynamicID, pool zones.PoolID, qtype uint16) zones.Drawn {
	client := r.client(d)
	if r.useSubnet(d) && r.set.Pools()[pool].Pool.Policy == policy.HashKind {
		most := policy.ClientBits6
		if client.Addr().Is4() {
			most = policy.ClientBits4
		}
		r.edns.scope = max(r.edns.scope, min(client.Bits(), most))
	}
	return r.table.Draw(pool, qtype, r.Draw, policy.ClientKey(client))
}

// unpackDrawn returns the records of what was drawn.
func unpackDrawn(owner string, d zones.Drawn) []dns.RR {
	out := make([]dns.RR, 0, len(d.Rdata))
	for _, rdata := range d.Rdata {
		out = append(out, zones.UnpackRdata(owner, d.Type, d.TTL, rdata))
	}
	return out
}
