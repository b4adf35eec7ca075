package node

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"vitalns/zones"
	"vitalns/zones/policy"
	"vitalns/zones/zonefile"
)

// diffAnswers says which answers differ from one table to the next, as things stand: of the owners that
// have pools in both.
func diffAnswers(before, after *zones.Table, old, new []*zones.Source) []string {
	var c changeList
	was, is := answersOf(before, old), answersOf(after, new)
	owners := map[string]bool{}
	for key := range was {
		owner, _, _ := strings.Cut(key, " ")
		owners[owner] = true
	}
	for _, key := range union(was, is) {
		if owner, _, _ := strings.Cut(key, " "); owners[owner] && was[key] != is[key] {
			c.add("%s: %s -> %s", key, orNothing(was[key]), orNothing(is[key]))
		}
	}
	return c.all()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// answersOf draws what is answered now, by owner, type and, where there are rules, clients.
func answersOf(t *zones.Table, sources []*zones.Source) map[string]string {
	out := map[string]string{}
	for _, s := range sources {
		for _, d := range s.Dynamic {
			for rrtype, answer := range unruledAnswers(t, d) {
				out[text(d.Owner)+" "+rrtype] = answer
			}
			for _, rule := range d.Rules {
				id, ok := t.Set().PoolID(s.Origin, rule.Pool)
				if !ok {
					continue
				}
				clients := ""
				if len(d.Rules) > 1 {
					clients = " for all others"
				}
				if len(rule.Subnets) > 0 {
					clients = fmt.Sprintf(" for %v", rule.Subnets)
				}
				for rrtype, answer := range poolAnswers(t, id) {
					out[text(d.Owner)+" "+rrtype+clients] = answer
				}
			}
		}
	}
	return out
}

// unruledAnswers draws what an owner answers by its ALIAS, for clients that no rule on the way names, and by
// hosts that pools choose.
func unruledAnswers(t *zones.Table, d zones.Dynamic) map[string]string {
	out := map[string]string{}
	types := []uint16{dns.TypeMX, dns.TypeSRV}
	if d.Alias != "" {
		types = append(types, dns.TypeA, dns.TypeAAAA)
	}
	for _, qtype := range types {
		switch o := t.Set().Lookup(d.Owner, qtype); o.Kind {
		case zones.Followed:
			if answer := aliasAnswer(t, o.Dynamic, qtype); answer != "" {
				out[typeText(qtype)] = answer
			}
		case zones.Hosted:
			l := t.List(o.Hosts, func(p zones.PoolID) zones.Drawn { return t.All(p, dns.TypeCNAME) })
			out[typeText(qtype)] = answerText(l.Result, l.Rdata, qtype)
		}
	}
	return out
}

// aliasAnswer draws the addresses that an ALIAS leads to; "" where there are none of the type, ever.
func aliasAnswer(t *zones.Table, d zones.DynamicID, qtype uint16) string {
	var last zones.PoolID
	trail := t.Follow(d, qtype, func(d zones.DynamicID) zones.Drawn {
		last, _ = t.Route(d, netip.Addr{})
		return t.All(last, qtype)
	})
	switch {
	case trail.Result == zones.DrawnNoData && (trail.Drawn == nil || trail.Drawn.TTL == zones.NoLimit):
		return ""
	case trail.Result == zones.DrawnServe && trail.Drawn != nil:
		return choiceText(t.Answer(last, qtype), qtype)
	}
	return answerText(trail.Result, trail.Rdata, qtype)
}

func answerText(r zones.Result, rdata [][]byte, rrtype uint16) string {
	switch r {
	case zones.DrawnServFail:
		return "SERVFAIL"
	case zones.DrawnNoData:
		return "no data"
	}
	all := make([]string, len(rdata))
	for i, wire := range rdata {
		all[i] = zonefile.FormatRdata(rrtype, wire)
	}
	return some(all)
}

// poolAnswers draws what a pool answers to each type of question that it has something to say to.
func poolAnswers(t *zones.Table, id zones.PoolID) map[string]string {
	out := map[string]string{}
	members := t.Set().Pools()[id].Pool.Members
	alias := len(members) > 0 && members[0].CNAME != ""
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		rrtype := qtype
		if alias {
			rrtype = dns.TypeCNAME
		}
		a := t.Answer(id, qtype)
		switch {
		case a.TTL == zones.NoLimit:
		case a.Result == zones.DrawnServFail:
			out[typeText(rrtype)] = "SERVFAIL"
		case a.Result == zones.DrawnServe:
			out[typeText(rrtype)] = choiceText(a, rrtype)
		default:
			out[typeText(rrtype)] = "no data"
		}
	}
	return out
}

// choiceText draws what an answer is made from.
func choiceText(a *zones.FamilyAnswer, rrtype uint16) string {
	var all []string
	for _, rdata := range a.Rdata {
		for _, wire := range rdata {
			all = append(all, zonefile.FormatRdata(rrtype, wire))
		}
	}
	list := some(all)
	switch c := a.Choice; {
	case len(c.Members) == 1:
	case c.Mode == policy.Together && c.Max > 0 && c.Max < len(c.Members):
		list = fmt.Sprintf("%d of %s", c.Max, list)
	case c.Mode != policy.Together:
		list = fmt.Sprintf("%d of %s", max(c.Max, 1), list)
	}
	return list
}
