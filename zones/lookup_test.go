package zones_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// The zone of RFC 4592 §2.2.1 with a cut, its glue, aliases, and what they hide.
const lookupZone = `
$TTL 3600
@               SOA   ns1 hostmaster 7 3600 900 604800 300
@               NS    ns1
ns1             A     192.0.2.53
*               MX    10 host1
sub.*           TXT   "this is not a wildcard"
host1           A     192.0.2.1
_ssh._tcp.host1 SRV   0 0 22 host1
subdel          NS    ns1.subdel
subdel          DS    1 8 2 00
ns1.subdel      A     192.0.2.54
deep.cut.subdel NS    elsewhere.example.
alias           CNAME host1
*.dev           CNAME host1
moved           DNAME target.example.
hidden.moved    A     192.0.2.9
dots\.in.ent    A     192.0.2.10
`

func TestLookup(t *testing.T) {
	child := "$TTL 60\n@ SOA ns1 x 1 1 1 1 1\n@ NS ns1\nns1 A 192.0.2.3\nw A 192.0.2.4\n"
	set := zonetest.Compile(t, zonetest.Master(t, "example.", lookupZone), zonetest.Master(t, "child.example.", child))
	for _, tt := range []struct{ qname, qtype, want string }{
		{"example.", "SOA", "SOA example."},
		{"example.", "NS", "positive example."},
		{"example.", "A", "NODATA example."},
		{"example.", "DS", "NODATA example."},
		{"com.", "A", "not authoritative"},
		{"notexample.", "A", "not authoritative"},
		{"host1.example.", "A", "positive host1.example."},
		{"host1.example.", "MX", "NODATA host1.example."},
		{"host3.example.", "MX", "positive wildcard *.example."},
		{"host3.example.", "A", "NODATA wildcard *.example."},
		{"foo.bar.example.", "MX", "positive wildcard *.example."},
		{"sub.*.example.", "MX", "NODATA sub.*.example."},
		{"_telnet._tcp.host1.example.", "SRV", "NXDOMAIN _tcp.host1.example."},
		{"_tcp.host1.example.", "SRV", "NODATA _tcp.host1.example."},
		{"host.subdel.example.", "A", "referral subdel.example."},
		{"subdel.example.", "A", "referral subdel.example."},
		{"subdel.example.", "DS", "positive subdel.example."},
		{"ns1.subdel.example.", "A", "referral subdel.example."},
		{"x.deep.cut.subdel.example.", "A", "referral subdel.example."},
		{"ghost.*.example.", "MX", "NXDOMAIN *.example."},
		{"alias.example.", "A", "CNAME alias.example."},
		{"alias.example.", "CNAME", "positive alias.example."},
		{"alias.example.", "ANY", "positive alias.example."},
		{"x.dev.example.", "A", "CNAME wildcard *.dev.example."},
		{"dev.example.", "A", "NODATA dev.example."},
		{"moved.example.", "A", "NODATA moved.example."},
		{"moved.example.", "DNAME", "positive moved.example."},
		{"a.b.moved.example.", "A", "DNAME moved.example."},
		{"hidden.moved.example.", "A", "DNAME moved.example."},
		{"ent.example.", "A", "NODATA ent.example."},
		{"in.ent.example.", "A", "NXDOMAIN ent.example."},
		{`dots\.in.ent.example.`, "A", "positive dots\\.in.ent.example."},
		{"w.child.example.", "A", "positive w.child.example."},
		{"child.example.", "NS", "positive child.example."},
		{"child.example.", "DS", "NODATA wildcard *.example."}, // the parent's side answers
		{"x.child.example.", "MX", "NXDOMAIN child.example."},
	} {
		out := set.Lookup(zonetest.Name(t, tt.qname), dns.StringToType[tt.qtype])
		got := out.Kind.String()
		if out.Wildcard {
			got += " wildcard"
		}
		if out.Owner != "" {
			got += " " + out.Owner.String()
		}
		if got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.qname, tt.qtype, got, tt.want)
		}
	}
}

func TestLookupPooled(t *testing.T) {
	src := zonetest.Master(t, "example.", lookupZone)
	src.Pools = []zones.Pool{
		{Name: "web", Members: []zones.Member{{Name: "a", Addrs: []zones.MemberAddr{{Addr: netip.MustParseAddr("192.0.2.1")}}}}},
		{Name: "cdn", Members: []zones.Member{{Name: "a", CNAME: zonetest.Name(t, "a.cdn.")}}},
	}
	everyone := func(pool string) []zones.Rule { return []zones.Rule{{Pool: pool}} }
	src.Dynamic = []zones.Dynamic{
		{Owner: zonetest.Name(t, "www.example."), Rules: everyone("web")},
		{Owner: zonetest.Name(t, "cdn.example."), Rules: everyone("cdn")},
		{Owner: zonetest.Name(t, "*.pool.example."), Rules: everyone("web")},
	}
	zonetest.Pack(t, src, zones.RRset{
		Owner: zonetest.Name(t, "www.example."), Type: dns.TypeTXT, TTL: 5, Rdata: [][]byte{[]byte("\x02hi")},
	})
	set := zonetest.Compile(t, src)
	for _, tt := range []struct {
		qname, qtype string
		want         zones.OutcomeKind
	}{
		{"www.example.", "A", zones.Pooled},
		{"www.example.", "AAAA", zones.Pooled},
		{"www.example.", "TXT", zones.Positive},
		{"www.example.", "ANY", zones.Pooled},
		{"www.example.", "MX", zones.NoSuchType},
		{"www.example.", "None", zones.NoSuchType},
		{"cdn.example.", "MX", zones.Pooled},
		{"x.pool.example.", "A", zones.Pooled},
		{"x.pool.example.", "TXT", zones.NoSuchType},
	} {
		if got := set.Lookup(zonetest.Name(t, tt.qname), dns.StringToType[tt.qtype]); got.Kind != tt.want {
			t.Errorf("%s %s: got %v, want %v", tt.qname, tt.qtype, got.Kind, tt.want)
		}
	}
	if id, ok := set.PoolID(src.Origin, "cdn"); !ok || set.Pools()[id].Pool.Name != "cdn" || !set.Pools()[id].Names {
		t.Errorf("pool cdn is %v, %v", id, ok)
	}
}

func TestMatch(t *testing.T) {
	src := zonetest.Master(t, "example.", lookupZone)
	src.Pools = []zones.Pool{{Name: "p"}}
	rule := func(prefixes ...string) zones.Rule {
		r := zones.Rule{Pool: "p"}
		for _, p := range prefixes {
			r.Subnets = append(r.Subnets, netip.MustParsePrefix(p))
		}
		return r
	}
	src.Dynamic = []zones.Dynamic{{Owner: src.Origin, Rules: []zones.Rule{
		rule("10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"), rule("10.0.0.0/7", "192.0.2.128/25"), rule(),
	}}}
	set := zonetest.Compile(t, src)
	for _, tt := range []struct {
		client      string
		rule, scope int
	}{
		{"10.1.2.3", 0, 8},
		{"11.1.2.3", 1, 8},
		{"192.0.2.1", 2, 25},
		{"192.0.2.200", 1, 25},
		{"192.0.3.1", 2, 24},
		{"128.0.0.1", 2, 2},
		{"::ffff:10.0.0.1", 0, 8},
		{"2001:db8:1::1", 0, 32},
		{"2001:db9::1", 2, 32},
	} {
		i, scope := set.Match(0, netip.MustParseAddr(tt.client))
		if i != tt.rule || scope != tt.scope {
			t.Errorf("%s: got rule %d by %d bits, want %d by %d", tt.client, i, scope, tt.rule, tt.scope)
		}
	}
	if i, _ := set.Match(0, netip.Addr{}); i != 2 {
		t.Errorf("a client without address got rule %d", i)
	}
}

// The rule of a client is the plain reading of the file, and all clients that share the scope share it.
func TestMatchProperty(t *testing.T) {
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		b := [4]byte{10, rapid.Byte().Draw(t, "b") & 3, rapid.Byte().Draw(t, "c") & 0xc1, rapid.Byte().Draw(t, "d")}
		if rapid.Bool().Draw(t, "six") {
			first := rapid.SampledFrom([]byte{0, 0x20, 0x40}).Draw(t, "first") // those of 0 are about where IPv4 is mapped
			return netip.AddrFrom16([16]byte{0: first, 3: b[1], 11: b[2], 15: b[3]})
		}
		return netip.AddrFrom4(b)
	})
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := addr.Draw(t, "addr")
		return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()
	})
	base := zonetest.Master(t, "example.", lookupZone)
	rapid.Check(t, func(rt *rapid.T) {
		src := *base
		src.Pools = []zones.Pool{{Name: "p"}}
		d := zones.Dynamic{Owner: src.Origin}
		for range rapid.IntRange(0, 3).Draw(rt, "rules") {
			d.Rules = append(d.Rules, zones.Rule{Pool: "p", Subnets: rapid.SliceOfN(prefix, 1, 5).Draw(rt, "subnets")})
		}
		d.Rules = append(d.Rules, zones.Rule{Pool: "p"})
		src.Dynamic = []zones.Dynamic{d}
		set := zonetest.Compile(t, &src)
		plain := func(a netip.Addr) int {
			for i, r := range d.Rules {
				for _, p := range r.Subnets {
					if p.Contains(a) {
						return i
					}
				}
			}
			return len(d.Rules) - 1
		}
		a, b := addr.Draw(rt, "a"), addr.Draw(rt, "b")
		i, scope := set.Match(0, a)
		if i != plain(a) {
			rt.Fatalf("%s: got rule %d, want %d", a, i, plain(a))
		}
		if netip.PrefixFrom(a, scope).Masked().Contains(b) && plain(b) != i {
			rt.Fatalf("%s and %s share %d bits, and not the rule", a, b, scope)
		}
	})
}

func TestLookupAllocs(t *testing.T) {
	set := zonetest.Compile(t, zonetest.Master(t, "example.", lookupZone))
	for _, qname := range []string{"host1.example.", "foo.bar.example.", "nx.host1.example.", "x.subdel.example.", "com."} {
		n := zonetest.Name(t, qname)
		if allocs := testing.AllocsPerRun(100, func() { set.Lookup(n, dns.TypeA) }); allocs != 0 {
			t.Errorf("%s: %v allocations", qname, allocs)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	src := func() *zones.Source { return zonetest.Master(t, "example.", lookupZone) }
	owner := zonetest.Name(t, "www.example.")
	for _, tt := range []struct {
		what, want string
		change     func(*zones.Source)
	}{
		{"records of another zone", "are those of zone", func(s *zones.Source) { s.Origin = owner }},
		{"a Dynamic without mark", "marks for 0 Dynamics of 1", func(s *zones.Source) {
			s.Dynamic = []zones.Dynamic{{Owner: owner, Rules: []zones.Rule{{}}}}
		}},
		{"a mark at another owner", "no mark for the Dynamic of other.example.", func(s *zones.Source) {
			s.Dynamic = []zones.Dynamic{{Owner: owner, Rules: []zones.Rule{{}}}}
			zonetest.Pack(t, s)
			s.Dynamic[0].Owner = zonetest.Name(t, "other.example.")
		}},
		{"a missing pool", "does not exist", func(s *zones.Source) {
			s.Dynamic = []zones.Dynamic{{Owner: owner, Rules: []zones.Rule{{Pool: "gone"}}}}
			zonetest.Pack(t, s)
		}},
		{"no catch-all", "do not end in one for everyone", func(s *zones.Source) {
			s.Dynamic = []zones.Dynamic{{Owner: owner}}
			zonetest.Pack(t, s)
		}},
	} {
		s := src()
		tt.change(s)
		if _, err := zones.Compile([]*zones.Source{s}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.what, err, tt.want)
		}
	}
	if _, err := zones.Compile([]*zones.Source{src(), src()}); err == nil || err.Error() != "zone example. stands in example.zone and in example.zone" {
		t.Errorf("twice the same zone: %v", err)
	}
	if set, err := zones.Compile(nil); err != nil || set.Lookup(owner, dns.TypeA).Kind != zones.NotAuthoritative {
		t.Errorf("no zone at all: %v", err)
	}
}

// What miekg/dns cannot read, or would change, comes back byte by byte.
func TestUnpackKeepsRdata(t *testing.T) {
	for _, tt := range []struct {
		typ   uint16
		rdata string
		want  string
	}{
		{dns.TypeA, "\xc0\x00\x02\x01", "o.\t5\tIN\tA\t192.0.2.1"},
		{dns.TypeTXT, "\x03a\"b\x01\xff", "o.\t5\tIN\tTXT\t\"a\\\"b\" \"\\255\""},
		{dns.TypeA, "\xc0\x00", "o.\t5\tCLASS1\tTYPE1\t\\# 2 c000"},
		{65300, "\x0a\x00", "o.\t5\tCLASS1\tTYPE65300\t\\# 2 0a00"},
		{dns.TypeSVCB, "\x00\x01\x00\x00\x03\x00\x02\x01\xbb\x00\x01\x00\x03\x02h2", // keys out of order
			"o.\t5\tCLASS1\tTYPE64\t\\# 16 0001000003000201bb00010003026832"},
	} {
		rr := zones.UnpackRdata("o.", tt.typ, 5, []byte(tt.rdata))
		if rr.String() != tt.want {
			t.Errorf("type %d: got %q, want %q", tt.typ, rr, tt.want)
		}
		buf := make([]byte, 512)
		end, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil || string(buf[13:end]) != tt.rdata {
			t.Errorf("type %d: packs to %x (%v), want %x", tt.typ, buf[13:end], err, tt.rdata)
		}
	}
}

// A large zone costs about 70 bytes a name, and next to nothing to the garbage collector.
func BenchmarkCompile(b *testing.B) {
	const names = 200_000
	var records []zones.RRset
	for i := range names {
		records = append(records, zones.RRset{
			Owner: zonetest.Name(b, fmt.Sprintf("host-%d.bulk.example.", i)), Type: dns.TypeA, TTL: 60, Rdata: [][]byte{{10, 0, 0, 1}},
		})
	}
	b.ReportAllocs()
	var set *zones.Set
	var before, after runtime.MemStats
	for b.Loop() {
		set = nil
		runtime.GC()
		runtime.ReadMemStats(&before)
		src := &zones.Source{Origin: zonetest.Name(b, "example.")}
		zonetest.Pack(b, src, records...)
		set = zonetest.Compile(b, src)
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/names, "bytes/name")
	runtime.KeepAlive(set)
}

func BenchmarkLookup(b *testing.B) {
	set := zonetest.Compile(b, zonetest.Master(b, "example.", lookupZone))
	for _, qname := range []string{"host1.example.", "foo.bar.example."} {
		n := zonetest.Name(b, qname)
		b.Run(qname, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Lookup(n, dns.TypeMX)
			}
		})
	}
}

// Beside other zones, a question gets what the deepest zone that holds its name has by itself; a DS at an
// origin gets what the zone above has.
func TestLookupAmongZones(t *testing.T) {
	origins := []string{"test.", "a.test.", "b.a.test.", "c.b.a.test."}
	rapid.Check(t, func(rt *rapid.T) {
		var all []*zones.Source
		alone := map[string]*zones.Set{}
		for _, origin := range origins {
			if !rapid.Bool().Draw(rt, origin) {
				continue
			}
			text := "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n@ NS ns.other.\n"
			for range rapid.IntRange(0, 6).Draw(rt, "records") {
				owner := rapid.SampledFrom([]string{"a", "b.a", "c.b.a", "x", "*", "*.b", "x.b", "b", "c.b", "x.c.b", "c"}).Draw(rt, "owner")
				text += owner + rapid.SampledFrom([]string{" A 192.0.2.1\n", " NS ns.other.\n", " TXT x\n", " DS 1 8 2 00\n"}).Draw(rt, "record")
			}
			src := zonetest.Master(t, origin, text)
			alone[origin] = zonetest.Compile(t, src)
			all = append(all, src)
		}
		set := zonetest.Compile(t, all...)
		for range 20 {
			qname := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a.", "b.", "c.", "x.", "*."}), 0, 4).Draw(rt, "labels"), "") +
				rapid.SampledFrom(origins).Draw(rt, "below")
			qtype := rapid.SampledFrom([]uint16{dns.TypeA, dns.TypeDS, dns.TypeNS}).Draw(rt, "type")
			from, found := "", false
			for above := qname; above != ""; _, above, _ = strings.Cut(above, ".") {
				if alone[above] != nil && (!found || from == qname && qtype == dns.TypeDS) {
					from, found = above, true
				}
			}
			var want zones.Outcome
			if found {
				want = alone[from].Lookup(zonetest.Name(t, qname), qtype)
			}
			got := set.Lookup(zonetest.Name(t, qname), qtype)
			if got.Kind != want.Kind || got.Owner != want.Owner || got.Wildcard != want.Wildcard ||
				found && set.Zone(got.Zone).Origin.String() != from {
				rt.Fatalf("%s %d: got %v from %v, want %v from %s", qname, qtype, got.Kind, got, want.Kind, from)
			}
		}
	})
}
