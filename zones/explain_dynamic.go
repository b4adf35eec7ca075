package zones

import (
	"fmt"

	"github.com/miekg/dns"
)

// follow explains an ALIAS, and returns the name that it leads to.
func (x *explaining) follow(out Outcome, name Name, s *ExplainedStep) (next Name) {
	a := &x.set.aliases[x.set.dynamics[out.Dynamic].alias-1]
	s.Alias, s.TTL, s.TTLWhy = a.target.String(), a.ttl, "of the ALIAS, if nothing behind it has less"
	if x.alias == "" {
		x.alias, x.behind = name, len(x.e.Steps)-1
	}
	if x.q.Type == dns.TypeANY {
		x.q.Type = dns.TypeA
	}
	return a.target
}

// add adds a record to the answer. What an ALIAS leads through does not show there.
func (x *explaining) add(rr dns.RR) {
	if x.alias == "" || isAddress(rr.Header().Rrtype) {
		x.answer = append(x.answer, rr)
	}
}

// lost ends the way of an ALIAS where no address can be found.
func (x *explaining) lost() {
	if x.alias != "" {
		x.e.Result = "SERVFAIL"
	}
}

// end writes the answer. Addresses that an ALIAS led to are its owner's, with the least TTL of the way, and
// a name that does not exist is one without addresses.
func (x *explaining) end() {
	steps := x.e.Steps
	last := &steps[len(steps)-1]
	if x.alias != "" {
		if len(x.answer) == 0 && x.e.Result == "NXDOMAIN" {
			x.e.Result = "NODATA"
		}
		found := len(x.answer) > 0 && isAddress(x.answer[len(x.answer)-1].Header().Rrtype)
		if !found && x.e.Result != "NODATA" {
			x.e.Result = "SERVFAIL" // also in a circle
		}
		least := steps[x.behind].TTL
		for _, s := range steps[x.behind:] {
			if s.TTLWhy != "" && s.Zone != "" {
				least = min(least, s.TTL)
			}
		}
		for _, rr := range x.answer {
			if isAddress(rr.Header().Rrtype) {
				rr.Header().Name, rr.Header().Ttl = x.alias.String(), least
			}
		}
		if x.e.Result == "SERVFAIL" && last.Note == "" {
			why := lostOutside
			switch {
			case x.circle:
				why = lostCircle
			case len(steps) == maxExplained:
				why = lostFar
			}
			last.Note = "the ALIAS of " + x.alias.String() + " " + why
		}
	}
	for _, rr := range x.answer {
		x.e.Answer = append(x.e.Answer, record(rr))
	}
}

// hosts explains MX and SRV records whose hosts pools choose: a step for each pool.
func (x *explaining) hosts(out Outcome, name Name, s *ExplainedStep) {
	h := &x.set.hosts[out.Hosts]
	l := x.List(out.Hosts, func(p PoolID) Drawn { return x.All(p, dns.TypeCNAME) })
	x.e.Result = resultWords[l.Result]
	if l.TTL != NoLimit {
		s.TTL, s.TTLWhy = l.TTL, "the least of all its parts"
	}
	if l.Result == DrawnServe {
		for _, rdata := range l.Rdata {
			x.add(UnpackRdata(name.String(), l.Type, l.TTL, rdata))
		}
	}
	whole := *s
	for i, p := range h.Pools {
		part := ExplainedStep{Name: whole.Name, Zone: whole.Zone, Serial: whole.Serial, Record: whole.Record, Wildcard: whole.Wildcard}
		part.Outcome = fmt.Sprintf("preference %d from pool %s", p.Priority, p.Pool)
		if h.Type == dns.TypeSRV {
			part.Outcome = fmt.Sprintf("priority %d, port %d from pool %s", p.Priority, p.Port, p.Pool)
		}
		x.chosen(h.pools[i], alias, &part)
		x.e.Steps = append(x.e.Steps, part)
	}
}
