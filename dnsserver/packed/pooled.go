package packed

import (
	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// pooled answers from a pool.
func (a *Answerer) pooled(at *step) (next []byte, rcode int) {
	out := &a.out
	pool := a.route(out.Dynamic)
	names := a.names(out.Dynamic, pool)
	qtype := at.qtype
	switch {
	case names:
	case qtype == dns.TypeANY:
		qtype = dns.TypeA
	case qtype != dns.TypeA && qtype != dns.TypeAAAA:
		a.beside(at)
		return nil, dns.RcodeSuccess
	}
	if !names {
		if t := a.table.Turn(pool, qtype); t.Members != 0 {
			a.turn(at, t)
			return nil, dns.RcodeSuccess
		}
	}
	drawn, result := a.draw(out.Dynamic, pool, qtype)
	if at.qtype == dns.TypeANY && result == zones.DrawnNoData {
		drawn, result = a.draw(out.Dynamic, pool, dns.TypeAAAA)
	}
	if note := &drawn.Note; note.Text != "" || note.Code != 0 {
		a.note(note.Code, note.Text)
	}
	switch {
	case result == zones.DrawnServFail:
		return nil, dns.RcodeServerFailure
	case result == zones.DrawnNoData && at.qtype == dns.TypeANY && out.RRset != nil:
		a.beside(at)
		return nil, dns.RcodeSuccess
	case result == zones.DrawnNoData:
		// Health has a part in this absence: it is believed no longer than the pool's answers are.
		a.negative(out.Zone, min(drawn.TTL, a.negativeTTL(out.Zone)))
		return nil, dns.RcodeSuccess
	}
	a.drawnMembers(drawn)
	if !names {
		a.answered(edge.FromPool, a.records(&at.owner, drawn))
		return nil, dns.RcodeSuccess
	}
	rdata := drawn.Rdata[a.picked[0]][0]
	a.w.begin(&at.owner, dns.TypeCNAME, drawn.TTL, 0)
	from := a.w.n
	a.w.name(rdata, true)
	a.w.end(from)
	a.answered(edge.FromPool, 1)
	if at.qtype == dns.TypeCNAME || at.qtype == dns.TypeANY {
		return nil, dns.RcodeSuccess
	}
	return a.target(rdata), dns.RcodeSuccess
}

// turn answers with members that take turns.
func (a *Answerer) turn(at *step, t *zones.Turn) {
	from := policy.Turn(int(t.Members), a.in.Draw)
	if len(a.trace.Members) == 0 {
		a.trace.Pool = int(t.From)
		for i, left := from, t.Size; left > 0; left-- {
			a.trace.Members = append(a.trace.Members, t.Index(i))
			if i++; i == int(t.Members) {
				i = 0
			}
		}
	}
	first, rest := t.Records(from)
	a.w.plain(&at.owner, first)
	a.w.plain(&at.owner, rest)
	a.answered(edge.FromPool, int(t.Size))
}

// beside answers with what stands beside a pool: records of other types.
func (a *Answerer) beside(at *step) {
	if a.out.RRset != nil {
		a.positive(at, a.out.RRset)
	} else {
		a.negative(a.out.Zone, a.negativeTTL(a.out.Zone))
	}
}

// names reports whether a pool that a Dynamic leads to is one of names.
func (a *Answerer) names(d zones.DynamicID, pool zones.PoolID) bool {
	return a.set.HasNames(d) && a.set.Pools()[pool].Names
}

// draw makes this query's answer of a pool. What it picks, by place in Choice.Members, is in picked until the
// next draw.
func (a *Answerer) draw(id zones.DynamicID, pool zones.PoolID, qtype uint16) (*zones.FamilyAnswer, zones.Result) {
	d := a.table.Answer(pool, qtype)
	key := uint64(0)
	if d.ByHash {
		client := a.client(id)
		key = policy.ClientKey(client)
		if a.useSubnet(id) {
			most := policy.ClientBits6
			if client.Addr().Is4() {
				most = policy.ClientBits4
			}
			a.scope = max(a.scope, min(client.Bits(), most))
		}
	}
	if d.Result != zones.DrawnServe {
		return d, d.Result
	}
	a.picked = policy.AppendPick(a.picked[:0], &d.Choice, a.in.Draw, key)
	for _, i := range a.picked {
		if d.Body.Part(i).Count > 0 {
			return d, zones.DrawnServe
		}
	}
	return d, zones.DrawnNoData // those drawn have no address of the family
}

// records writes the records of the addresses drawn and counts them.
func (a *Answerer) records(o *owner, d *zones.FamilyAnswer) (count int) {
	for picked := a.picked; len(picked) > 0; {
		first := d.Body.Part(picked[0])
		last := first
		count += int(first.Count)
		for picked = picked[1:]; len(picked) > 0; picked = picked[1:] {
			next := d.Body.Part(picked[0])
			if next.Begin != last.End {
				break
			}
			last = next // they stand together
			count += int(next.Count)
		}
		a.w.plain(o, d.Body[first.Begin:last.End])
	}
	return count
}

// route returns the pool for this client.
func (a *Answerer) route(d zones.DynamicID) zones.PoolID {
	if a.useSubnet(d) {
		pool, scope := a.table.Route(d, a.q.Subnet.Prefix.Addr())
		a.scope = max(a.scope, scope)
		return pool
	}
	pool, _ := a.table.Route(d, a.in.Client.Unmap())
	return pool
}

// drawnMembers takes note of whom an answer sends the client to, by the first of the pools that made it.
func (a *Answerer) drawnMembers(d *zones.FamilyAnswer) {
	if len(a.trace.Members) > 0 {
		return
	}
	a.trace.Pool = int(d.From)
	members := a.trace.Members
	for _, i := range a.picked {
		members = append(members, int(d.Body.Part(i).Index))
	}
	a.trace.Members = members
}
