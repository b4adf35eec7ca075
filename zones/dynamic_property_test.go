package zones_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// mesh draws a zone in which names lead to each other in all ways there are, and all that is up or down.
func mesh(t *rapid.T, tb testing.TB) (*zones.Source, *checks.Snapshot) {
	const names = 8
	name := func(i int) zones.Name { return zonetest.Name(tb, fmt.Sprintf("n%d.m.test.", i)) }
	any := func(what string) zones.Name {
		if rapid.IntRange(0, 20).Draw(t, "out") == 0 {
			return zonetest.Name(tb, "www.example.")
		}
		if rapid.IntRange(0, 8).Draw(t, "below") == 0 {
			return zonetest.Name(tb, fmt.Sprintf("x.n%d.m.test.", rapid.IntRange(0, names).Draw(t, what)))
		}
		return name(rapid.IntRange(0, names).Draw(t, what)) // the last does not exist
	}
	text := "$TTL 300\n@ SOA ns1 admin 5 7200 900 1209600 30\n@ NS ns1\nns1 A 192.0.2.61\n"
	var pools []zones.Pool
	var dynamic []zones.Dynamic
	verdicts := map[checks.Target]checks.Verdict{}
	need := func(host string) zones.Need {
		target := checks.Target{Host: host, Port: 80}
		state := rapid.SampledFrom([]checks.State{checks.Up, checks.Down, checks.Unknown}).Draw(t, "state")
		verdicts[target] = checks.Verdict{State: state, Need: 1, Count: 1}
		return zones.Need{K: 1, Of: []checks.Target{target}}
	}
	pool := func(i int, named bool) string {
		p := zones.Pool{
			Name: fmt.Sprintf("p%d", i), TTL: zones.TTL{Min: 10, Max: 10},
			WhenAllDown: rapid.SampledFrom([]zones.AllDown{zones.ServeAll, zones.NoData, zones.ServFail}).Draw(t, "down"),
		}
		if !named {
			p.Policy = rapid.SampledFrom([]policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind}).Draw(t, "policy")
		}
		for m := range rapid.IntRange(1, 3).Draw(t, "members") {
			member := zones.Member{Name: fmt.Sprint(m), Priority: m, Weight: 1}
			if host := fmt.Sprintf("192.0.2.%d", 10*i+m+1); named {
				member.CNAME, member.Need = any("cname"), need(host)
			} else {
				member.Addrs = []zones.MemberAddr{{Addr: netip.MustParseAddr(host), Need: need(host)}}
			}
			p.Members = append(p.Members, member)
		}
		pools = append(pools, p)
		return p.Name
	}
	for i := range names {
		owner := name(i)
		switch kind := rapid.IntRange(0, 8).Draw(t, "kind"); kind {
		case 0:
			text += fmt.Sprintf("n%d A 192.0.2.1\n", i)
		case 1:
			text += fmt.Sprintf("n%d AAAA 2001:db8::1\n", i)
		case 2:
			text += fmt.Sprintf("n%d CNAME %s\n", i, any("to"))
		case 3:
			text += fmt.Sprintf("*.n%d CNAME %s\n", i, any("to"))
		case 4:
			text += fmt.Sprintf("n%d DNAME %s\n", i, any("to"))
		case 5:
			dynamic = append(dynamic, zones.Dynamic{Owner: owner, Rules: []zones.Rule{{Pool: pool(i, rapid.Bool().Draw(t, "named"))}}})
		default:
			dynamic = append(dynamic, zones.Dynamic{Owner: owner, Alias: any("alias"), TTL: 300})
		}
	}
	src := zonetest.Master(tb, "m.test.", text)
	src.Pools = pools
	src.Dynamic = dynamic
	zonetest.Pack(tb, src)
	now := time.Unix(1e9, 0)
	return src, &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now)}
}

// An ALIAS without fault is never lost, whatever is up and whatever is drawn; and what is lost has a fault.
func TestFaultlessIsFollowed(t *testing.T) {
	followed := 0
	rapid.Check(t, func(rt *rapid.T) {
		src, snap := mesh(rt, t)
		set := zonetest.Compile(t, src)
		table := zones.NewTable(set, snap)
		faults := map[zones.Name]zones.Fault{}
		for _, f := range set.AliasFaults([]*zones.Source{src}) {
			faults[f.Owner] = f.What
			if len(f.Way) == 0 {
				rt.Fatalf("%s: fault %d without a way", f.Owner, f.What)
			}
		}
		draw := rapid.Uint64().Draw(rt, "draw")
		for _, d := range src.Dynamic {
			if d.Alias == "" {
				continue
			}
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				out := set.Lookup(d.Owner, qtype)
				if out.Kind != zones.Followed {
					rt.Fatalf("%s: %v", d.Owner, out.Kind)
				}
				trail := table.Follow(out.Dynamic, qtype, func(d zones.DynamicID) zones.Drawn {
					p, _ := table.Route(d, netip.Addr{})
					return table.Draw(p, qtype, draw, 0)
				})
				fault := faults[d.Owner]
				if trail.Lost != "" && fault != zones.Outside && fault != zones.Circle && fault != zones.TooFar {
					rt.Fatalf("%s: %s, with fault %d", d.Owner, trail.Lost, fault)
				}
				if trail.Lost == "" && fault == 0 {
					followed++
				}
				if trail.TTL > 300 || trail.Result == zones.DrawnServe && len(trail.Rdata) == 0 || len(trail.Names) > zones.MaxTrail {
					rt.Fatalf("%s: %+v", d.Owner, trail)
				}
			}
		}
	})
	if followed == 0 {
		t.Error("no ALIAS was followed to its end")
	}
}

// A list has the fixed records, and each name that its pools serve once under each head, and no other; its
// TTL is the least; without any record it is SERVFAIL where a pool says so, else NODATA.
func TestListIsWhatPoolsServe(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src := zonetest.Master(t, "l.test.", "$TTL 300\n@ SOA ns1 admin 5 7200 900 1209600 30\n@ NS ns1\nns1 A 192.0.2.61\n")
		verdicts := map[checks.Target]checks.Verdict{}
		h := zones.Hosts{Type: rapid.SampledFrom([]uint16{dns.TypeMX, dns.TypeSRV}).Draw(rt, "type"), TTL: 300}
		for i := range rapid.IntRange(1, 3).Draw(rt, "pools") {
			p := zones.Pool{
				Name: fmt.Sprintf("p%d", i), TTL: zones.TTL{Min: uint32(10 + i), Max: uint32(10 + i)},
				Policy:      rapid.SampledFrom([]policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind}).Draw(rt, "policy"),
				MaxAnswers:  rapid.IntRange(0, 2).Draw(rt, "max"),
				WhenAllDown: rapid.SampledFrom([]zones.AllDown{zones.ServeAll, zones.NoData, zones.ServFail}).Draw(rt, "down"),
			}
			for m := range rapid.IntRange(1, 4).Draw(rt, "members") {
				target := checks.Target{Host: fmt.Sprint(i, m), Port: 25}
				verdicts[target] = checks.Verdict{State: rapid.SampledFrom([]checks.State{checks.Up, checks.Down}).Draw(rt, "state"), Need: 1, Count: 1}
				p.Members = append(p.Members, zones.Member{
					Name: fmt.Sprint(m), Priority: m / 2, Weight: rapid.IntRange(0, 65535).Draw(rt, "weight"),
					CNAME: zonetest.Name(t, fmt.Sprintf("mx%d.example.", rapid.IntRange(0, 3).Draw(rt, "host"))),
					Need:  zones.Need{K: 1, Of: []checks.Target{target}},
				})
			}
			src.Pools = append(src.Pools, p)
			h.Pools = append(h.Pools, zones.HostPool{Pool: p.Name, Priority: uint16(rapid.IntRange(0, 1).Draw(rt, "priority")), Port: 25})
		}
		src.Dynamic = []zones.Dynamic{{Owner: src.Origin, Hosts: []zones.Hosts{h}}}
		zonetest.Pack(t, src)
		set := zonetest.Compile(t, src)
		now := time.Unix(1e9, 0)
		table := zones.NewTable(set, &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now)})
		draw, key := rapid.Uint64().Draw(rt, "draw"), rapid.Uint64().Draw(rt, "key")
		l := table.List(set.Lookup(src.Origin, h.Type).Hosts, func(p zones.PoolID) zones.Drawn { return table.Draw(p, dns.TypeCNAME, draw, key) })

		want := map[string]bool{}
		ttl, failed := zones.NoLimit, false
		for i, hp := range h.Pools {
			id, _ := set.PoolID(src.Origin, hp.Pool)
			d := table.Draw(id, dns.TypeCNAME, draw, key)
			ttl, failed = min(ttl, d.TTL), failed || d.Result == zones.DrawnServFail
			for n, rdata := range d.Rdata {
				text := fmt.Sprintf("%d %s", hp.Priority, zones.Name(rdata))
				if h.Type == dns.TypeSRV {
					text = fmt.Sprintf("%d %d 25 %s", hp.Priority, src.Pools[i].Members[d.Members[n]].Weight, zones.Name(rdata))
				}
				want[text] = true
			}
		}
		result := zones.DrawnServe
		if len(want) == 0 {
			if result = zones.DrawnNoData; failed {
				result = zones.DrawnServFail
			}
		}
		if l.Result != result || l.TTL != ttl || len(l.Rdata) != len(want) {
			rt.Fatalf("got %+v, want %v of TTL %d with %v", l, result, ttl, want)
		}
		for _, rdata := range l.Rdata {
			rr := zones.UnpackRdata(".", h.Type, 0, rdata)
			if text := strings.TrimPrefix(rr.String(), rr.Header().String()); !want[text] {
				rt.Fatalf("got %s, want %v", text, want)
			}
		}
	})
}
