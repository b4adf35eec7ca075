package zones_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// aliasSources are two zones whose names lead to each other.
func aliasSources(t testing.TB) []*zones.Source {
	name := func(s string) zones.Name { return zonetest.Name(t, s) }
	ttl := func(n uint32) zones.TTL { return zones.TTL{Min: n, Max: n} }
	addr := func(list ...string) (m []zones.MemberAddr) {
		for _, a := range list {
			m = append(m, zones.MemberAddr{Addr: netip.MustParseAddr(a)})
		}
		return m
	}
	to := func(owner, target string, ttl uint32) zones.Dynamic {
		return zones.Dynamic{Owner: name(owner), Alias: name(target), TTL: ttl}
	}
	pool := func(owner string, pools ...string) zones.Dynamic {
		d := zones.Dynamic{Owner: name(owner)}
		for i, p := range pools {
			r := zones.Rule{Pool: p}
			if i < len(pools)-1 {
				r.Subnets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			}
			d.Rules = append(d.Rules, r)
		}
		return d
	}
	src := zonetest.Master(t, "a.test.", `
$TTL 3600
@      SOA   ns1 admin 9 7200 900 1209600 600
@      NS    ns1
@      TXT   "beside an ALIAS"
ns1    A     192.0.2.53
www    300 A 192.0.2.80
www    200 AAAA 2001:db8::80
v4     A     192.0.2.4
none   TXT   "no address"
cn     100 CNAME www
*.wild 50 CNAME cn
dn     40 DNAME wild
sub    NS    ns.sub
ns.sub A     192.0.2.99
away   CNAME elsewhere.example.
loop1  CNAME loop2
loop2  CNAME loop1
`)
	src.Pools = []zones.Pool{
		{Name: "web", Policy: policy.AllKind, TTL: ttl(30), Members: []zones.Member{{Name: "a", Addrs: addr("203.0.113.1")}, {Name: "b", Addrs: addr("203.0.113.2")}}},
		{Name: "names", TTL: ttl(20), Members: []zones.Member{{Name: "a", CNAME: name("cn.a.test.")}, {Name: "b", Priority: 1, CNAME: name("out.example.")}}},
		{Name: "empty", TTL: ttl(15), WhenAllDown: zones.NoData, Members: []zones.Member{{Name: "a", Admin: checks.ForceDown, Addrs: addr("203.0.113.9")}}},
		{Name: "mail", Policy: policy.AllKind, TTL: ttl(25), Members: []zones.Member{
			{Name: "a", Weight: 5, CNAME: name("mx1.example.")}, {Name: "b", CNAME: name("mx2.example.")},
		}},
		{Name: "spare", TTL: ttl(35), Members: []zones.Member{{Name: "c", Weight: 1, CNAME: name("mx2.example.")}}},
		{Name: "gone", TTL: ttl(10), Members: []zones.Member{{Name: "x", Admin: checks.ForceDown, CNAME: name("mx3.example.")}}},
	}
	src.Dynamic = []zones.Dynamic{
		to("a.test.", "www.a.test.", 3600), to("tocn.a.test.", "cn.a.test.", 3600), to("towild.a.test.", "x.wild.a.test.", 3600),
		to("todn.a.test.", "y.dn.a.test.", 3600), to("topool.a.test.", "p.a.test.", 3600), to("toempty.a.test.", "e.a.test.", 3600),
		to("tonames.a.test.", "n.a.test.", 3600), to("tonone.a.test.", "none.a.test.", 3600), to("tonx.a.test.", "nx.a.test.", 3600),
		to("toalias.a.test.", "b.test.", 3600), to("short.a.test.", "www.a.test.", 7), to("tov4.a.test.", "v4.a.test.", 3600),
		to("tosub.a.test.", "x.sub.a.test.", 3600), to("toout.a.test.", "www.example.", 3600), to("toaway.a.test.", "away.a.test.", 3600),
		to("toloop.a.test.", "loop1.a.test.", 3600), to("self.a.test.", "self.a.test.", 3600), to("*.star.a.test.", "www.a.test.", 3600),
		pool("p.a.test.", "web"), pool("e.a.test.", "empty"), pool("n.a.test.", "names"), pool("ruled.a.test.", "empty", "web"),
		{Owner: name("mail.a.test."), Hosts: []zones.Hosts{
			{Type: dns.TypeMX, TTL: 300, Fixed: [][]byte{[]byte("\x00\x32\x04last\x07example\x00")}, Pools: []zones.HostPool{
				{Pool: "mail", Priority: 10}, {Pool: "spare", Priority: 10}, {Pool: "spare", Priority: 20}, {Pool: "gone", Priority: 30},
			}},
			{Type: dns.TypeSRV, Pools: []zones.HostPool{{Pool: "mail", Priority: 1, Port: 25}}},
		}},
		{Owner: name("gone.a.test."), Hosts: []zones.Hosts{{Type: dns.TypeMX, Pools: []zones.HostPool{{Pool: "gone", Priority: 1}}}}},
	}
	slices.SortFunc(src.Dynamic, func(a, b zones.Dynamic) int { return a.Owner.Compare(b.Owner) })
	other := zonetest.Master(t, "b.test.", "$TTL 60\n@ SOA ns1 admin 5 7200 900 1209600 30\n@ NS ns1\nns1 A 192.0.2.61\n")
	other.Dynamic = []zones.Dynamic{to("b.test.", "p.a.test.", 45)}
	return []*zones.Source{src, other}
}

// Rows are an owner and what its ALIAS leads to now, and what is wrong with it whatever is up.
func TestFollow(t *testing.T) {
	sources := aliasSources(t)
	set := zonetest.Compile(t, sources...)
	table := zones.NewTable(set, &checks.Snapshot{})
	faults := map[string]zones.AliasFault{}
	for _, f := range set.AliasFaults(sources) {
		faults[f.Owner.String()] = f
	}
	rows := []struct {
		owner, a, aaaa string
		fault          zones.Fault
	}{
		{"a.test.", "192.0.2.80 ttl=300", "2001:db8::80 ttl=200", 0},
		{"tocn.a.test.", "192.0.2.80 ttl=100", "2001:db8::80 ttl=100", 0},
		{"towild.a.test.", "192.0.2.80 ttl=50", "2001:db8::80 ttl=50", 0},
		{"todn.a.test.", "192.0.2.80 ttl=40", "2001:db8::80 ttl=40", 0},
		{"topool.a.test.", "203.0.113.1 203.0.113.2 ttl=30", "NODATA ttl=3600", 0},
		{"toempty.a.test.", "NODATA ttl=15", "NODATA ttl=3600", 0},
		{"tonames.a.test.", "192.0.2.80 ttl=20", "2001:db8::80 ttl=20", zones.Outside},
		{"tonone.a.test.", "NODATA ttl=600", "NODATA ttl=600", zones.NoAddress},
		{"tonx.a.test.", "NODATA ttl=600", "NODATA ttl=600", zones.NoName},
		{"toalias.a.test.", "203.0.113.1 203.0.113.2 ttl=30", "NODATA ttl=45", 0},
		{"short.a.test.", "192.0.2.80 ttl=7", "2001:db8::80 ttl=7", 0},
		{"tov4.a.test.", "192.0.2.4 ttl=3600", "NODATA ttl=600", 0},
		{"tosub.a.test.", "leads to a name that is not served here", "leads to a name that is not served here", zones.Outside},
		{"toout.a.test.", "leads to a name that is not served here", "leads to a name that is not served here", zones.Outside},
		{"toaway.a.test.", "leads to a name that is not served here", "leads to a name that is not served here", zones.Outside},
		{"toloop.a.test.", "leads in a circle", "leads in a circle", zones.Circle},
		{"self.a.test.", "leads in a circle", "leads in a circle", zones.Circle},
		{"x.star.a.test.", "192.0.2.80 ttl=300", "2001:db8::80 ttl=200", 0},
	}
	for _, row := range rows {
		for qtype, want := range map[uint16]string{dns.TypeA: row.a, dns.TypeAAAA: row.aaaa} {
			out := set.Lookup(zonetest.Name(t, row.owner), qtype)
			if out.Kind != zones.Followed {
				t.Errorf("%s: got %v", row.owner, out.Kind)
				continue
			}
			trail := table.Follow(out.Dynamic, qtype, func(d zones.DynamicID) zones.Drawn {
				p, _ := table.Route(d, netip.Addr{})
				return table.All(p, qtype)
			})
			if got := trailText(trail); got != want {
				t.Errorf("%s %s: got %s, want %s", row.owner, dns.Type(qtype), got, want)
			}
		}
		if got := faults[row.owner].What; got != row.fault {
			t.Errorf("%s: got fault %d, want %d", row.owner, got, row.fault)
		}
	}
	if way := faults["toaway.a.test."].Way; len(way) != 2 || way[1] != zonetest.Name(t, "elsewhere.example.") {
		t.Errorf("toaway: got way %v", way)
	}
}

func trailText(trail zones.Trail) string {
	switch {
	case trail.Lost != "":
		return trail.Lost
	case trail.Result != zones.DrawnServe:
		return fmt.Sprintf("%v ttl=%d", trail.Result, trail.TTL)
	}
	var all []string
	for _, rdata := range trail.Rdata {
		addr, _ := netip.AddrFromSlice(rdata)
		all = append(all, addr.String())
	}
	return fmt.Sprintf("%s ttl=%d", strings.Join(all, " "), trail.TTL)
}

// An ALIAS that is longer than what is followed is lost, and told of; however its way branches, each name is
// looked at once.
func TestFollowFar(t *testing.T) {
	for _, names := range []int{16, 17, 3000} {
		var text strings.Builder
		text.WriteString("$TTL 60\n@ SOA ns1 admin 5 7200 900 1209600 30\n@ NS ns1\nns1 A 192.0.2.61\n")
		for i := 1; i < names; i++ {
			fmt.Fprintf(&text, "n%d CNAME n%d\n", i, i+1)
		}
		fmt.Fprintf(&text, "n%d A 192.0.2.1\n", names)
		src := zonetest.Master(t, "c.test.", text.String())
		src.Dynamic = []zones.Dynamic{{Owner: src.Origin, Alias: zonetest.Name(t, "n1.c.test."), TTL: 60}}
		set := zonetest.Compile(t, src)
		trail := zones.NewTable(set, &checks.Snapshot{}).Follow(set.Lookup(src.Origin, dns.TypeA).Dynamic, dns.TypeA, nil)
		faults := set.AliasFaults([]*zones.Source{src})
		if far := names > 16; (trail.Lost != "") != far || (len(faults) == 1 && faults[0].What == zones.TooFar) != far {
			t.Errorf("%d names: got %+v, %v", names, trail, faults)
		}
	}
}

// What stands beside an ALIAS, and beside hosts of pools, is answered as ever.
func TestLookupDynamic(t *testing.T) {
	set := zonetest.Compile(t, aliasSources(t)...)
	for _, row := range []struct {
		qname string
		qtype uint16
		want  zones.OutcomeKind
	}{
		{"a.test.", dns.TypeTXT, zones.Positive}, {"a.test.", dns.TypeSOA, zones.ApexSOA}, {"a.test.", dns.TypeMX, zones.NoSuchType},
		{"a.test.", dns.TypeANY, zones.Followed}, {"a.test.", dns.TypeCNAME, zones.NoSuchType},
		{"mail.a.test.", dns.TypeMX, zones.Hosted}, {"mail.a.test.", dns.TypeSRV, zones.Hosted}, {"mail.a.test.", dns.TypeA, zones.NoSuchType},
		{"mail.a.test.", dns.TypeANY, zones.Hosted}, {"x.mail.a.test.", dns.TypeMX, zones.NoSuchName},
	} {
		if out := set.Lookup(zonetest.Name(t, row.qname), row.qtype); out.Kind != row.want {
			t.Errorf("%s %s: got %v, want %v", row.qname, dns.Type(row.qtype), out.Kind, row.want)
		}
	}
	name := zonetest.Name(t, "mail.a.test.")
	if n := testing.AllocsPerRun(100, func() { set.Lookup(name, dns.TypeMX) }); n > 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

// Fixed records and those of pools make one set: one TTL, nothing twice; weights are the targets'.
func TestList(t *testing.T) {
	set := zonetest.Compile(t, aliasSources(t)...)
	table := zones.NewTable(set, &checks.Snapshot{})
	for _, row := range []struct {
		qname string
		qtype uint16
		want  string
	}{
		{"mail.a.test.", dns.TypeMX, "serve ttl=10: 50 last.example. 10 mx1.example. 10 mx2.example. 20 mx2.example."},
		{"mail.a.test.", dns.TypeSRV, "serve ttl=25: 1 5 25 mx1.example. 1 0 25 mx2.example."},
		{"gone.a.test.", dns.TypeMX, "NODATA ttl=10:"},
	} {
		out := set.Lookup(zonetest.Name(t, row.qname), row.qtype)
		l := table.List(out.Hosts, func(p zones.PoolID) zones.Drawn { return table.All(p, dns.TypeCNAME) })
		got := fmt.Sprintf("%v ttl=%d:", l.Result, l.TTL)
		for _, rdata := range l.Rdata {
			fields := strings.Split(zones.UnpackRdata(".", l.Type, 0, rdata).String(), "\t")
			got += " " + fields[4]
		}
		if got != row.want {
			t.Errorf("%s: got %s, want %s", row.qname, got, row.want)
		}
	}
}

// The golden file has questions, and below each what is explained.
func TestExplainDynamic(t *testing.T) {
	const path = "testdata/explain_dynamic.txt"
	set := zonetest.Compile(t, aliasSources(t)...)
	snap := &checks.Snapshot{}
	table := zones.NewTable(set, snap)
	var out strings.Builder
	for _, q := range []struct {
		name   string
		qtype  uint16
		client string
	}{
		{"a.test.", dns.TypeA, ""}, {"topool.a.test.", dns.TypeA, "192.0.2.1"}, {"toalias.a.test.", dns.TypeAAAA, ""}, {"x.star.a.test.", dns.TypeA, ""},
		{"toempty.a.test.", dns.TypeA, ""}, {"tonx.a.test.", dns.TypeA, ""}, {"toaway.a.test.", dns.TypeA, ""}, {"toloop.a.test.", dns.TypeA, ""},
		{"todn.a.test.", dns.TypeA, ""}, {"a.test.", dns.TypeTXT, ""},
		{"mail.a.test.", dns.TypeMX, ""}, {"mail.a.test.", dns.TypeSRV, ""}, {"gone.a.test.", dns.TypeMX, ""},
	} {
		client, _ := netip.ParseAddr(q.client)
		fmt.Fprintf(&out, "%s\n", zones.Explain(table, snap, zones.Question{Name: zonetest.Name(t, q.name), Type: q.qtype, Client: client}))
	}
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != out.String() {
		t.Errorf("%v, got:\n%s", err, out.String())
	}
}

// What is explained is what is answered: the same code, and the same records with the same TTL.
func TestExplainAsFollowed(t *testing.T) {
	set := zonetest.Compile(t, aliasSources(t)...)
	snap := &checks.Snapshot{}
	table := zones.NewTable(set, snap)
	for _, src := range aliasSources(t) {
		for _, d := range src.Dynamic {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				out := set.Lookup(d.Owner, qtype)
				if out.Kind != zones.Followed {
					continue
				}
				trail := table.Follow(out.Dynamic, qtype, func(d zones.DynamicID) zones.Drawn {
					p, _ := table.Route(d, netip.Addr{})
					return table.All(p, qtype)
				})
				var want []string
				if trail.Result == zones.DrawnServe {
					for _, rdata := range trail.Rdata {
						want = append(want, strings.Join(strings.Fields(zones.UnpackRdata(d.Owner.String(), qtype, trail.TTL, rdata).String()), " "))
					}
				}
				e := zones.Explain(table, snap, zones.Question{Name: d.Owner, Type: qtype})
				result := map[zones.Result]string{zones.DrawnServe: "NOERROR", zones.DrawnNoData: "NODATA", zones.DrawnServFail: "SERVFAIL"}[trail.Result]
				if e.Result != result || !slices.Equal(e.Answer, want) && len(e.Answer)+len(want) > 0 {
					t.Errorf("%s %s: explained %s %v, answered %s %v", d.Owner, dns.Type(qtype), e.Result, e.Answer, result, want)
				}
			}
		}
	}
}
