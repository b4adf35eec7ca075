package dnsserver

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// Where members of a pool take turns, both paths answer alike, and count the same members of the same pool:
// whatever the pool, whichever members are down, and by whatever name and record a client comes to it.
func TestTwinsInTurn(t *testing.T) {
	names := []string{"web.", "www.", "www2.", "ecs.", "x.wild.", "n.", "to-n.", "alias.", "x.moved.", "x.cut.", "mx.", ""}
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeTXT, dns.TypeMX, dns.TypeNS}
	fast, some, moved := 0, 0, 0
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 9))
		table := turnTable(t, rng)
		if turn := table.Turn(0, dns.TypeA); turn.Members > 0 {
			if turn.Size < turn.Members {
				some++
			}
			if turn.Index(int(turn.Members)-1) >= int(turn.Members) {
				moved++
			}
		}
		for _, name := range names {
			for _, qtype := range types {
				_, q, space := anyWay([2]*zones.Table{}, rng.Uint64())
				m := dress(rng, name+"turn.test.", qtype)
				if compareTwins(t, table, q, wireOf(t, m), space) && table.Turn(0, dns.TypeA).Members > 0 {
					fast++
				}
			}
		}
	}
	if fast < 1000 || some < 10 || moved < 10 {
		t.Errorf("%d answers of members that take turns; %d pools answer with some of these, and in %d others stand before these", fast, some, moved)
	}
}

// turnTable is pools in which members take turns, or nearly so, and names that lead to them.
func turnTable(t *testing.T, rng *rand.Rand) *zones.Table {
	src := zonetest.Master(t, "turn.test.", `$TTL 60
@ SOA a h 1 2 3 4 5
@ NS web
@ MX 1 web
web TXT "beside"
www CNAME web
www2 CNAME www
to-n CNAME n
moved DNAME wild
cut NS web
mx MX 1 n
mx MX 2 x.wild`)
	now := time.Unix(1e9, 0)
	verdicts := map[checks.Target]checks.Verdict{}
	web := zones.Pool{
		Name: "web", Policy: []policy.Kind{policy.AllKind, policy.AllKind, policy.FailoverKind, policy.WeightedKind, policy.HashKind}[rng.IntN(5)],
		MaxAnswers: rng.IntN(4), TTL: zones.TTL{Min: 30, Max: 40}, Fallback: []string{"", "rest"}[rng.IntN(2)],
	}
	for i := range 1 + rng.IntN(7) {
		target := checks.Target{Host: fmt.Sprint("192.0.2.", i), Port: 80}
		verdicts[target] = checks.Verdict{State: [...]checks.State{checks.Up, checks.Up, checks.Down}[rng.IntN(3)], Need: 1, Count: 1}
		need := zones.Need{K: 1, Of: []checks.Target{target}}
		m := zones.Member{Name: fmt.Sprint("t", i), Weight: 1, Addrs: []zones.MemberAddr{{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), Need: need}}}
		if rng.IntN(4) > 0 {
			m.Addrs = append(m.Addrs, zones.MemberAddr{Addr: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}), Need: need})
		}
		web.Members = append(web.Members, m)
	}
	rest := zones.Pool{Name: "rest", Policy: policy.AllKind, TTL: web.TTL, Members: []zones.Member{
		{Name: "a", Weight: 1, Addrs: []zones.MemberAddr{{Addr: netip.MustParseAddr("203.0.113.200")}}},
		{Name: "b", Weight: 1, Addrs: []zones.MemberAddr{{Addr: netip.MustParseAddr("203.0.113.201")}}},
	}}
	n := zones.Pool{Name: "n", Policy: policy.WeightedKind, MaxAnswers: 1, TTL: web.TTL, Members: []zones.Member{
		{Name: "a", Weight: 1, CNAME: zonetest.Name(t, "rest.turn.test.")}, {Name: "b", Weight: 2, CNAME: zonetest.Name(t, "web.turn.test.")},
	}}
	src.Pools = []zones.Pool{web, rest, n}
	for _, d := range [][2]string{{"web", "web"}, {"ecs", "web"}, {"*.wild", "web"}, {"rest", "rest"}, {"n", "n"}} {
		src.Dynamic = append(src.Dynamic, zones.Dynamic{Owner: zonetest.Name(t, d[0]+".turn.test."), ECS: d[0] == "ecs", Rules: []zones.Rule{{Pool: d[1]}}})
	}
	src.Dynamic = append(src.Dynamic, zones.Dynamic{Owner: zonetest.Name(t, "alias.turn.test."), Alias: zonetest.Name(t, "web.turn.test."), TTL: 7})
	return zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now)})
}
