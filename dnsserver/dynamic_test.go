package dnsserver_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// leadZone has a record of each type that leads to names, and names for them.
const leadZone = `
$TTL 300
@     SOA ns1 admin 5 7200 900 1209600 30
@     NS ns1
@     TXT "beside an ALIAS"
ns1   A 192.0.2.1
ns1   AAAA 2001:db8::1
host  A 192.0.2.2
host  AAAA 2001:db8::2
cn    CNAME host
*.w   A 192.0.2.3
mx    MX 10 host
mx    MX 20 cn
mx    MX 30 x.w
mx    MX 40 host.sub
mx    MX 50 live
mx    MX 60 toalias
srv   SRV 1 1 1 host
naptr NAPTR 10 10 "a" "" "" host
naptr NAPTR 10 20 "S" "" "" srv
naptr NAPTR 10 20 "" "" "" mx
afsdb AFSDB 1 host
kx    KX 1 host
rt    RT 1 host
px    PX 1 host ns1
ptr   PTR host
mb    MB host
lp    LP 10 lpt
lpt   L32 10 10.1.2.0
lpt   L64 10 2001:0db8:1140:1000
lpt   A 192.0.2.4
own   SVCB 1 . alpn=h2
own   A 192.0.2.9
_8443._foo.own SVCB 1 .
svc   SVCB 1 host alpn=h2
svc   A 192.0.2.10
alias SVCB 0 mid
mid   SVCB 0 svc
https HTTPS 0 tohttps
tohttps CNAME h2
h2    HTTPS 1 cn
none  SVCB 0 .
ring1 HTTPS 0 ring2
ring2 HTTPS 0 ring1
live2 HTTPS 1 live
sub   NS ns.sub
ns.sub A 192.0.2.20
host.sub A 192.0.2.21
`

// dynamicTable has leadZone with pools, ALIASes, and MX and SRV records that list pools.
func dynamicTable(t testing.TB) *zones.Table {
	name := func(s string) zones.Name { return zonetest.Name(t, s+".lead.test.") }
	src := zonetest.Master(t, "lead.test.", leadZone)
	need := func(down bool) zones.Need {
		if !down {
			return zones.Need{}
		}
		return zones.Need{K: 1, Of: []checks.Target{downTarget}}
	}
	mail := func(pool, a, b string, down bool) zones.Pool {
		return zones.Pool{Name: pool, Policy: policy.AllKind, TTL: zones.TTL{Min: 20, Max: 20}, Members: []zones.Member{
			{Name: "a", Weight: 7, CNAME: zonetest.Name(t, a), Need: need(down)}, {Name: "b", CNAME: zonetest.Name(t, b), Need: need(true)},
		}}
	}
	addr := func(s string, down bool) []zones.MemberAddr {
		return []zones.MemberAddr{{Addr: netip.MustParseAddr(s), Need: need(down)}}
	}
	src.Pools = []zones.Pool{
		{Name: "web", TTL: zones.TTL{Min: 10, Max: 10}, Members: []zones.Member{{Name: "a", Addrs: addr("203.0.113.1", false)}}},
		{Name: "dead", TTL: zones.TTL{Min: 10, Max: 10}, WhenAllDown: zones.NoData, Members: []zones.Member{{Name: "a", Addrs: addr("203.0.113.9", true)}}},
		{Name: "fail", TTL: zones.TTL{Min: 10, Max: 10}, WhenAllDown: zones.ServFail, Members: []zones.Member{{Name: "a", CNAME: name("host"), Need: need(true)}}},
		mail("mail", "host.lead.test.", "mx2.example.", false),
		{Name: "near", Policy: policy.HashKind, TTL: zones.TTL{Min: 20, Max: 20}, Members: []zones.Member{
			{Name: "a", CNAME: zonetest.Name(t, "near1.example.")}, {Name: "b", CNAME: zonetest.Name(t, "near2.example.")},
		}},
		mail("late", "mx3.example.", "mx4.example.", true),
	}
	to := func(owner, target string) zones.Dynamic {
		return zones.Dynamic{Owner: name(owner), Alias: name(target), TTL: 300}
	}
	src.Dynamic = []zones.Dynamic{
		{Owner: zonetest.Name(t, "lead.test."), Alias: name("live"), TTL: 300},
		to("toalias", "cn"), to("todead", "dead"), to("toout", "x.sub"), to("*.star", "host"), to("toecs", "ruled"),
		{Owner: name("live"), Rules: []zones.Rule{{Pool: "web"}}},
		{Owner: name("dead"), Rules: []zones.Rule{{Pool: "dead"}}},
		{Owner: name("ruled"), ECS: true, Rules: []zones.Rule{{Pool: "dead", Subnets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, {Pool: "web"}}},
		{Owner: name("exchange"), Hosts: []zones.Hosts{
			{Type: dns.TypeMX, TTL: 300, Fixed: [][]byte{[]byte("\x00\x32\x04last\x07example\x00")}, Pools: []zones.HostPool{{Pool: "mail", Priority: 10}, {Pool: "late", Priority: 20}}},
		}},
		{Owner: name("_sip._tcp"), Hosts: []zones.Hosts{{Type: dns.TypeSRV, Pools: []zones.HostPool{{Pool: "mail", Priority: 1, Port: 5060}}}}},
		{Owner: name("near"), ECS: true, Hosts: []zones.Hosts{{Type: dns.TypeSRV, Pools: []zones.HostPool{{Pool: "near", Port: 1}}}}},
		{Owner: name("far"), Hosts: []zones.Hosts{{Type: dns.TypeSRV, Pools: []zones.HostPool{{Pool: "near", Port: 1}}}}},
		{Owner: name("failing"), Hosts: []zones.Hosts{{Type: dns.TypeMX, Pools: []zones.HostPool{{Pool: "fail", Priority: 1}}}}},
		{Owner: name("half"), Hosts: []zones.Hosts{{Type: dns.TypeMX, Pools: []zones.HostPool{{Pool: "fail", Priority: 1}, {Pool: "mail", Priority: 2}}}}},
	}
	now := time.Unix(1e9, 0)
	verdicts := map[checks.Target]checks.Verdict{downTarget: {State: checks.Down, Need: 1, Downs: 1, Count: 1}}
	return zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now)})
}

// TestDynamic runs testdata/dynamic.txt as TestRespond does: additional records, ALIAS, and hosts that pools
// choose.
func TestDynamic(t *testing.T) {
	const path = "testdata/dynamic.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := dynamicTable(t)
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		input, _, _ := strings.Cut(block, "\n----\n")
		lines := strings.Split(input, "\n")
		line := lines[len(lines)-1]
		if strings.HasPrefix(line, "#") {
			out = append(out, input)
			continue
		}
		got := input + "\n----\n" + strings.TrimSpace(draw(onBothPaths(t, table, parseQuery(t, line))))
		if got != block && !*update {
			t.Errorf("got:\n%s\nwant:\n%s", got, block)
		}
		out = append(out, got)
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every target of every pool that has hosts for an answer is counted, and those that an ALIAS leads to.
func TestCountTargets(t *testing.T) {
	table := dynamicTable(t)
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}, Table: func() *zones.Table { return table }})
	for _, q := range []struct {
		name  string
		qtype uint16
	}{{"exchange.lead.test.", dns.TypeMX}, {"toecs.lead.test.", dns.TypeA}, {"todead.lead.test.", dns.TypeA}} {
		exchange(t, "udp", s.Addrs()[0].String(), q.name, q.qtype)
	}
	want := "[{lead.test late a 1} {lead.test late b 1} {lead.test mail a 1} {lead.test web a 1}]"
	if got := fmt.Sprint(s.Stats().Targets); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
