package dnsserver_test

import (
	"bufio"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
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

var update = flag.Bool("update", false, "rewrite the golden files")

const childZone = `
$TTL 60
@     SOA  ns1 admin 5 7200 900 1209600 30
@     NS   ns1
ns1   A    192.0.2.61
www   A    192.0.2.62
back  CNAME alias.hard.test.
`

// pooledSource is a zone whose names lead to pools.
func pooledSource(t testing.TB) *zones.Source {
	src := zonetest.Master(t, "pool.test.", `
$TTL 3600
@    SOA   ns1 admin 9 7200 900 1209600 600
@    NS    ns1
@    MX    10 www
ns1  A     192.0.2.53
www  TXT   "beside a pool"
to   CNAME www
tofail CNAME fail
toecs MX 10 ecs
`)
	addrs := func(list ...string) (m []zones.MemberAddr) {
		for _, a := range list {
			m = append(m, zones.MemberAddr{Addr: netip.MustParseAddr(a)})
		}
		return m
	}
	ttl := zones.TTL{Min: 30, Max: 30}
	src.Pools = []zones.Pool{
		{Name: "web", Policy: policy.AllKind, TTL: ttl, Members: []zones.Member{{Name: "a", Weight: 1, Addrs: addrs("203.0.113.1", "2001:db8:1::1")}}},
		{Name: "v4", TTL: ttl, Members: []zones.Member{{Name: "a", Weight: 1, Addrs: addrs("203.0.113.4")}}},
		{Name: "v6", TTL: ttl, Members: []zones.Member{{Name: "a", Weight: 1, Addrs: addrs("2001:db8:1::6")}}},
		{Name: "cdn", TTL: ttl, Members: []zones.Member{{Name: "a", Weight: 1, CNAME: zonetest.Name(t, "x.cdn.example.")}}},
		{Name: "near", TTL: ttl, Members: []zones.Member{{Name: "a", Weight: 1, CNAME: zonetest.Name(t, "www.pool.test.")}}},
	}
	to := func(pool string, prefixes ...string) zones.Rule {
		r := zones.Rule{Pool: pool}
		for _, p := range prefixes {
			r.Subnets = append(r.Subnets, netip.MustParsePrefix(p))
		}
		return r
	}
	// Pools whose only target has a check, which is down.
	down := func(name string, members ...zones.MemberAddr) zones.Pool {
		for i := range members {
			members[i].Need = zones.Need{K: 1, Of: []checks.Target{downTarget}}
		}
		return zones.Pool{Name: name, TTL: ttl, Members: []zones.Member{{Name: "lon", Weight: 1, Addrs: members}}}
	}
	all, none, fail := down("all", addrs("203.0.113.7")...), down("none", addrs("203.0.113.8")...), down("fail", addrs("203.0.113.9")...)
	none.WhenAllDown, fail.WhenAllDown = zones.NoData, zones.ServFail
	src.Pools = append(src.Pools, all, none, fail)
	for owner, rules := range map[string][]zones.Rule{
		"www": {to("web")}, "v4": {to("v4")}, "v6": {to("v6")}, "cdn": {to("cdn")}, "near": {to("near")}, "*.any": {to("web")},
		"all": {to("all")}, "none": {to("none")}, "fail": {to("fail")},
		"ecs": {to("v4", "198.51.100.0/24"), to("web")}, "noecs": {to("v4", "198.51.100.0/24"), to("web")},
	} {
		src.Dynamic = append(src.Dynamic, zones.Dynamic{
			Owner: zonetest.Name(t, owner+".pool.test."), Rules: rules, ECS: owner == "ecs",
		})
	}
	slices.SortFunc(src.Dynamic, func(a, b zones.Dynamic) int { return a.Owner.Compare(b.Owner) })
	return src
}

// downTarget is a target that all nodes see down.
var downTarget = checks.Target{Host: "203.0.113.7", Port: 80}

// wideZone has RRsets whose additional records do not fit in a datagram.
func wideZone() string {
	var b strings.Builder
	b.WriteString("$TTL 60\n@ SOA ns1 admin 5 7200 900 1209600 30\n@ NS ns1\nns1 A 192.0.2.61\n")
	for i := range 12 {
		fmt.Fprintf(&b, "cut NS a-name-server-%d.cut\na-name-server-%d.cut A 192.0.2.%d\na-name-server-%d.cut AAAA 2001:db8::%d\n", i, i, i, i, i)
		fmt.Fprintf(&b, "@ MX %d mail%d\nmail%d A 192.0.2.%d\nmail%d AAAA 2001:db8::%d\n", i, i, i, i, i, i)
	}
	return b.String()
}

func testTable(t testing.TB) *zones.Table {
	t.Helper()
	child := zonetest.Master(t, "child.hard.test.", childZone)
	hard := zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone+"\ntochild CNAME back.child\nchild NS ns1.child\nchild DS 1 8 2 00\n")
	now := time.Unix(1e9, 0)
	verdicts := map[checks.Target]checks.Verdict{downTarget: {State: checks.Down, Need: 1, Downs: 1, Count: 1}}
	news := &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now)}
	return zones.NewTable(zonetest.Compile(t, hard, child, pooledSource(t), zonetest.Master(t, "wide.test.", wideZone())), news)
}

func typeOf(s string) uint16 {
	if t, ok := dns.StringToType[s]; ok {
		return t
	}
	var t uint16
	fmt.Sscanf(s, "TYPE%d", &t)
	return t
}

// parseQuery reads a line of a golden file: NAME TYPE [CLASS] and flags.
func parseQuery(t testing.TB, line string) dnsserver.Query {
	t.Helper()
	m, rest := parseMessage(t, line)
	q, err := dnsserver.NewQuery(m)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	rest.Msg, rest.Verdict = q.Msg, q.Verdict
	return rest
}

// parseMessage is parseQuery before the message is packed.
func parseMessage(t testing.TB, line string) (*dns.Msg, dnsserver.Query) {
	t.Helper()
	f := strings.Fields(line)
	m := new(dns.Msg)
	m.Id = 4711
	m.Question = []dns.Question{{Name: f[0], Qtype: typeOf(f[1]), Qclass: dns.ClassINET}}
	q := dnsserver.Query{
		Client: netip.MustParseAddr("192.0.2.200"), NSID: "ns1", Version: "vitalns 0",
		Explain: func(n zones.Name) string { return "explanation of " + n.String() + ` with "quotes" and \ in it` },
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(4096)
	for _, word := range f[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "CH":
			m.Question[0].Qclass = dns.ClassCHAOS
		case "HS":
			m.Question[0].Qclass = dns.ClassHESIOD
		case "rd":
			m.RecursionDesired = true
		case "cd":
			m.CheckingDisabled = true
		case "tcp":
			q.Via = dnsserver.TCP
		case "edns":
			m.Extra = []dns.RR{opt}
		case "do":
			opt.SetDo()
		case "nsid":
			opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
		case "version":
			opt.SetVersion(1)
		case "unknown":
			opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")})
		case "twice":
			m.Extra = append(m.Extra, dns.Copy(opt))
		case "ecs":
			p := netip.MustParsePrefix(value)
			family := uint16(1)
			if p.Addr().Is6() {
				family = 2
			}
			opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{
				Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice(),
			})
		case "from":
			q.Client = netip.MustParseAddr(value)
		case "size":
			var n uint16
			fmt.Sscan(value, &n)
			opt.SetUDPSize(n)
		case "opcode":
			m.Opcode = dns.StringToOpcode[value]
		case "noquestion":
			m.Question = nil
		case "twoquestions":
			m.Question = append(m.Question, m.Question[0])
		case "answer":
			m.Answer = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: 1}, Ns: "."}}
		case "tsig":
			m.Extra = append(m.Extra, &dns.TSIG{
				Hdr:       dns.RR_Header{Name: "Key.test.", Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
				Algorithm: dns.HmacSHA256, TimeSigned: 1e9, Fudge: 300, MACSize: 4, MAC: "01020304", OrigId: 4711,
			})
		case "response":
			m.Response = true
		default:
			t.Fatalf("%s: unknown word %q", line, word)
		}
	}
	return m, q
}

// draw prints a response: code and flags, then a line for each record.
func draw(m *dns.Msg) string {
	if m == nil {
		return "dropped\n"
	}
	var b strings.Builder
	if m.Rcode == dns.RcodeBadVers {
		b.WriteString("BADVERS") // miekg/dns has TSIG's name for 16
	} else {
		b.WriteString(dns.RcodeToString[m.Rcode])
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{{"aa", m.Authoritative}, {"tc", m.Truncated}, {"rd", m.RecursionDesired}, {"ra", m.RecursionAvailable}, {"cd", m.CheckingDisabled}} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	if len(m.Question) > 0 {
		b.WriteString(" " + m.Question[0].Name)
	}
	b.WriteString("\n")
	for _, section := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		for _, rr := range section.rrs {
			text := strings.ReplaceAll(rr.String(), "\t", " ")
			if sig, ok := rr.(*dns.TSIG); ok {
				text = fmt.Sprintf("TSIG %s %s time %d mac %d error %d", sig.Hdr.Name, sig.Algorithm, sig.TimeSigned, sig.MACSize, sig.Error)
			}
			if o, ok := rr.(*dns.OPT); ok {
				text = fmt.Sprintf("OPT version %d size %d do %v", o.Version(), o.UDPSize(), o.Do())
				for _, opt := range o.Option {
					text += fmt.Sprintf(" [%d %s]", opt.Option(), opt)
				}
			}
			fmt.Fprintf(&b, "  %s %s\n", section.name, text)
		}
	}
	return b.String()
}

// TestRespond runs testdata/respond.txt: prose, a query, dashes, and the response. -update rewrites what
// stands below the dashes.
func TestRespond(t *testing.T) {
	const path = "testdata/respond.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := testTable(t)
	var out strings.Builder
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for more := lines.Scan(); more; {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			out.WriteString(line + "\n")
			more = lines.Scan()
			continue
		}
		var want strings.Builder
		if more = lines.Scan(); more && lines.Text() == "----" {
			for more = lines.Scan(); more && lines.Text() != ""; more = lines.Scan() {
				want.WriteString(lines.Text() + "\n")
			}
		}
		got := draw(onBothPaths(t, table, parseQuery(t, line)))
		if got != want.String() && !*update {
			t.Errorf("%s\ngot:\n%swant:\n%s", line, got, want.String())
		}
		fmt.Fprintf(&out, "%s\n----\n%s", line, got)
	}
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
