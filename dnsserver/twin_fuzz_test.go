package dnsserver

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// boundZone goes up to the bounds of a response, and beyond them.
func boundZone() string {
	var b strings.Builder
	b.WriteString("$TTL 60\n@ SOA NS1 Admin.Else.test. 5 7200 900 1209600 30\n@ NS NS1\n@ NS ns.hard.test.\nNS1 A 192.0.2.61\n")
	for i := range 18 {
		fmt.Fprintf(&b, "c%d CNAME C%d\n", i, i+1)
	}
	b.WriteString("c18 A 192.0.2.18\nup CNAME LIVE.test.\n*.ser CNAME ww.serve.live.test.\nup2 CNAME Pool.Names.live.TEST.\nout CNAME elsewhere.\nroot MX 10 .\n")
	b.WriteString("*.a.b.ent A 192.0.2.19\n*.ent AAAA 2001:db8::19\nx.y.z.ent TXT \"t\"\n*.wc CNAME x.up\n*.wm MX 1 Y.wm\n*.wm A 192.0.2.20\n")
	b.WriteString("svc SVCB 1 .\nsvc AAAA 2001:db8::1\nsvc0 SVCB 0 .\nsvc2 HTTPS 1 a.live.test.\nto HTTPS 0 svc\n*.h HTTPS 1 .\n*.h A 192.0.2.30\n")
	for i := range 70 {
		fmt.Fprintf(&b, "many MX %d m%d\nmore SRV 0 0 %d M%d.more\n", i, i, i, i)
		if i < 40 {
			fmt.Fprintf(&b, "some MX %d m%d\nm%d A 192.0.2.%d\nm%d AAAA 2001:db8::%x\n", i, i, i, i, i, i)
		}
		if i < 60 { // to names beyond where a pointer can point
			fmt.Fprintf(&b, "huge SVCB 1 t%d key65280=%q\nt%d A 192.0.2.%d\n", i, strings.Repeat("p", 330+i%3), i, i)
		}
		if i < 12 {
			long := strings.Repeat(fmt.Sprintf("Long%d.", i), 30)
			fmt.Fprintf(&b, "long NS %s\nlong2 MX 1 %s%slong2\nlong3 MX 1 %slong3\n", long, long, "x.", strings.Repeat("a.b.", i+1))
			fmt.Fprintf(&b, "cut NS ns%d.cut\nns%d.cut A 192.0.2.%d\nns%d.cut AAAA 2001:db8::%d\n", i, i, i, i, i)
			fmt.Fprintf(&b, "cut2 NS ns%d.side\nns%d.side A 192.0.2.%d\n", i, i, i)
			fmt.Fprintf(&b, "big TXT %q\n", strings.Repeat("b", i*20))
		}
		if i < 4 {
			fmt.Fprintf(&b, "deep MX %d %sdeep\n", i, strings.Repeat(fmt.Sprintf("%c.", 'a'+i), 60))
		}
	}
	return b.String()
}

// liveSource is pools of every policy and state, reached in every way.
func liveSource(t testing.TB, target checks.Target) *zones.Source {
	src := zonetest.Master(t, "live.test.", `$TTL 60
@ SOA a.live.test. h 0 7200 900 1209600 300
@ NS all
@ NS ns.names
@ MX 1 all
@ MX 2 hash
sub NS w.sub
sub NS weighted
all TXT "beside"
down TXT "beside"
names TXT "hidden"
srv SRV 1 1 1 names
https HTTPS 1 all
https2 HTTPS 1 names
https3 HTTPS 0 alias
https4 HTTPS 1 alias
mx MX 1 names
mx MX 2 alias
mx MX 3 exchange
tw CNAME x.wild
tn CNAME names
d DNAME wild`)
	livePools(t, src, zones.Need{K: 1, Of: []checks.Target{target}})
	rules := []zones.Rule{
		{Subnets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25"), netip.MustParsePrefix("2001:db8:5::/48")}, Pool: "hash"},
		{Subnets: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Pool: "names"}, {Pool: "weighted"},
	}
	dynamic := func(owner string, d zones.Dynamic) {
		d.Owner = zonetest.Name(t, owner+".live.test.")
		src.Dynamic = append(src.Dynamic, d)
	}
	for _, p := range src.Pools {
		dynamic(p.Name, zones.Dynamic{Rules: []zones.Rule{{Pool: p.Name}}})
		dynamic("ecs."+p.Name, zones.Dynamic{Rules: []zones.Rule{{Pool: p.Name}}, ECS: true})
	}
	dynamic("ruled", zones.Dynamic{Rules: rules})
	dynamic("ecs.ruled", zones.Dynamic{Rules: rules, ECS: true})
	dynamic("*.wild", zones.Dynamic{Rules: rules, ECS: true})
	dynamic("*.serve", zones.Dynamic{Rules: []zones.Rule{{Pool: "serve"}}})
	dynamic("w.sub", zones.Dynamic{Rules: rules})
	dynamic("alias", zones.Dynamic{Alias: zonetest.Name(t, "all.live.test."), TTL: 7})
	dynamic("exchange", zones.Dynamic{Hosts: []zones.Hosts{{Type: dns.TypeMX, TTL: 9, Pools: []zones.HostPool{{Pool: "names", Priority: 1}}}}})
	return src
}

// livePools gives a source pools of every policy and state. What needs a check is down.
func livePools(t testing.TB, src *zones.Source, needs zones.Need) {
	addrs := func(need zones.Need, list ...string) (out []zones.MemberAddr) {
		for _, a := range list {
			out = append(out, zones.MemberAddr{Addr: netip.MustParseAddr(a), Need: need})
		}
		return out
	}
	pool := func(name string, p zones.Pool) {
		p.Name, p.TTL = name, zones.TTL{Min: 10, Max: 40}
		src.Pools = append(src.Pools, p)
	}
	for _, kind := range []policy.Kind{policy.AllKind, policy.FailoverKind, policy.WeightedKind, policy.HashKind} {
		pool(fmt.Sprint(kind), zones.Pool{Policy: kind, MaxAnswers: int(kind), Members: []zones.Member{
			{Name: "a", Weight: 3, Addrs: addrs(zones.Need{}, "203.0.113.1", "2001:db8::1", "2001:db8::2")},
			{Name: "b", Weight: 1, Addrs: addrs(zones.Need{}, "203.0.113.2", "203.0.113.3")},
			{Name: "c", Weight: 2, Addrs: addrs(needs, "203.0.113.4")},
			{Name: "d", Weight: 2, Priority: 1, Addrs: addrs(zones.Need{}, "2001:db8::3")},
		}})
	}
	for i, name := range []string{"serve", "good", "down", "fail"} {
		pool(name, zones.Pool{WhenAllDown: zones.AllDown(i), AllDownWritten: true, Members: []zones.Member{{Name: "a", Weight: 1, Addrs: addrs(needs, "203.0.113.9")}}})
	}
	pool("names", zones.Pool{Policy: policy.WeightedKind, MaxAnswers: 1, Members: []zones.Member{
		{Name: "a", Weight: 1, CNAME: zonetest.Name(t, "all.live.test.")}, {Name: "b", Weight: 1, CNAME: zonetest.Name(t, "nx.hard.test.")},
		{Name: "c", Weight: 1, CNAME: zonetest.Name(t, "moved.hard.test.")}, {Name: "d", Weight: 1, CNAME: zonetest.Name(t, "elsewhere.")},
	}})
	// From one name of the pool to another: it says the same of itself twice.
	pool("ring", zones.Pool{Members: []zones.Member{{Name: "a", Weight: 1, CNAME: zonetest.Name(t, "ecs.ring.live.test."), Need: needs}}})
	pool("fall", zones.Pool{Fallback: "hash", Members: []zones.Member{{Name: "a", Weight: 1, Addrs: addrs(needs, "203.0.113.9")}}})
	six := zones.Pool{Members: []zones.Member{{Name: "a", Weight: 1, Addrs: addrs(zones.Need{}, "2001:db8::6")}}}
	pool("six", six)
}

// twinTables are two states of the same zones, with verdicts and with none yet, and names in and near them.
func twinTables(t testing.TB) (tables [2]*zones.Table, names []string) {
	bad := zonetest.Master(t, "bad.test.", "$TTL 60\n@ SOA . . 5 7200 900 1209600 30\n@ NS .\n@ NS ns\n")
	for owner, set := range map[string]zones.RRset{
		"c": {Type: dns.TypeCNAME, Rdata: [][]byte{{5, 'a'}}}, "c2": {Type: dns.TypeCNAME, Rdata: [][]byte{{1, 'a', 0, 0}}},
		"m": {Type: dns.TypeMX, Rdata: [][]byte{{0, 1, 9, 'a'}}}, "h": {Type: dns.TypeHTTPS, Rdata: [][]byte{{0}}},
		"n": {Type: dns.TypeNS, Rdata: [][]byte{{3, 'a'}}}, "p": {Type: dns.TypePTR, Rdata: [][]byte{{0, 0}}}, "a": {Type: dns.TypeA, Rdata: [][]byte{{1}}},
		"s": {Type: dns.TypeSRV, Rdata: [][]byte{{1}}}, "p2": {Type: dns.TypePTR, Rdata: [][]byte{{}}}, "t": {Type: dns.TypeTXT, Rdata: [][]byte{{9}}},
	} {
		set.Owner, set.TTL = zonetest.Name(t, owner+".bad.test."), 60
		zonetest.Pack(t, bad, set)
	}
	down := checks.Target{Host: "203.0.113.4", Port: 80}
	sources := []*zones.Source{
		zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone), zonetest.Master(t, "bound.test.", boundZone()), liveSource(t, down), bad,
	}
	set := zonetest.Compile(t, sources...)
	now := time.Unix(1e9, 0)
	verdicts := map[checks.Target]checks.Verdict{down: {State: checks.Down, Need: 1, Downs: 1, Count: 1}}
	news := &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now), Serials: map[string]checks.Serial{"live.test": {Number: 77}}}
	return [2]*zones.Table{zones.NewTable(set, news), zones.NewTable(set, &checks.Snapshot{})}, namesNear(sources)
}

// namesNear are all owners of some zones, and names above, below and beside them.
func namesNear(sources []*zones.Source) (names []string) {
	names = []string{".", "elsewhere."}
	add := func(owner zones.Name) {
		names = append(names, owner.String(), owner.Parent().String())
		if below := "nx." + strings.TrimPrefix(owner.String(), "*."); len(below) < 250 {
			names = append(names, below)
		}
	}
	for _, src := range sources {
		for set := range src.Records.All() {
			add(set.Owner)
		}
		for _, d := range src.Dynamic {
			add(d.Owner)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var twinClients = [...]netip.Addr{
	netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:5::1"), netip.MustParseAddr("127.0.0.1"),
}

// anyWay draws how a query comes, to which table, and how much space there is for the response.
func anyWay(tables [2]*zones.Table, how uint64) (table *zones.Table, q Query, space int) {
	rng := rand.New(rand.NewPCG(how, 0))
	q = Query{Client: twinClients[rng.IntN(4)], UDPSize: DefaultUDPSize, Draw: rng.Uint64(), NSID: [...]string{"ns1", "", strings.Repeat("n", 200)}[rng.IntN(3)]}
	if rng.IntN(2) == 0 {
		q.UDPSize = uint16(dns.MinMsgSize + rng.IntN(4096-dns.MinMsgSize+1))
	}
	space = int(q.UDPSize)
	if rng.IntN(3) == 0 {
		q.Via, q.Keepalive = Transport(1+rng.IntN(3)), time.Duration(rng.IntN(3))*10*time.Second
		space = [...]int{streamSpace, dns.MaxMsgSize, 12 + rng.IntN(1000)}[rng.IntN(3)]
	}
	if rng.IntN(2) == 0 {
		q.Cookie = edge.Cookie{Result: edge.ValidCookie, Answer: [24]byte{1, 2, 3}}
	}
	return tables[rng.IntN(2)], q, space
}

// compareTwins asks both paths: what the fast one answers has to be what Respond does, byte for byte, and to
// be counted alike. It reports whether the fast one answered.
func compareTwins(t *testing.T, table *zones.Table, q Query, wire []byte, space int) (fast bool) {
	q.Msg = new(edge.Query)
	if q.Verdict = edge.Read(wire, q.Msg); q.Verdict != edge.OK {
		return false
	}
	m, want := respond(table, q)
	reply, err := m.Pack()
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	out := make([]byte, space)
	n, got, ok := packed.New(q.NSID, q.UDPSize).Answer(table, q.Msg, &edge.Request{
		Client: q.Client, Stream: q.Via.stream(), Encrypted: q.Via.encrypted(), Keepalive: q.Keepalive, Draw: q.Draw, Cookie: q.Cookie,
	}, out)
	if !ok {
		return false
	}
	if !bytes.Equal(out[:n], reply) {
		other := new(dns.Msg)
		err := other.Unpack(out[:n])
		t.Fatalf("%x got:\n%v\n%x (%v)\nwant:\n%v\n%x", wire, other, out[:n], err, m, reply)
	}
	if len(want.Members) == 0 {
		want.Members, want.Pool = nil, 0
	}
	told := *got
	if len(told.Members) == 0 {
		told.Members, told.Pool = nil, 0
	}
	if !reflect.DeepEqual(told, want) {
		t.Fatalf("%x is counted as:\n%+v\nwant:\n%+v\nanswered: %v", wire, told, want, m)
	}
	return true
}

// dress makes a query out of a question and random options.
func dress(rng *rand.Rand, qname string, qtype uint16) *dns.Msg {
	name := []byte(qname)
	for i := range name {
		if rng.IntN(8) == 0 && 'a' <= name[i] && name[i] <= 'z' {
			name[i] -= 'a' - 'A'
		}
	}
	m := new(dns.Msg).SetQuestion(string(name), qtype)
	m.Id, m.RecursionDesired = uint16(rng.Uint32()), rng.IntN(2) == 0
	if rng.IntN(5) == 0 {
		return m
	}
	m.SetEdns0(uint16(rng.IntN(4097)), rng.IntN(2) == 0)
	opt := m.IsEdns0()
	for _, o := range []dns.EDNS0{
		&dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"},
		&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}, &dns.EDNS0_PADDING{Padding: make([]byte, rng.IntN(20))},
		subnet(rng), &dns.EDNS0_LOCAL{Code: 65001, Data: []byte{1}},
	} {
		if rng.IntN(3) == 0 {
			opt.Option = append(opt.Option, o)
		}
	}
	return m
}

func subnet(rng *rand.Rand) dns.EDNS0 {
	list := []string{"198.51.100.0/24", "198.51.100.128/32", "0.0.0.0/0", "203.0.113.0/28", "2001:db8:5::/56", "2001:db8::/30", "2001:db8:5::1/128", "::/0"}
	i := rng.IntN(len(list) + 1)
	if i == len(list) {
		return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET}
	}
	p := netip.MustParsePrefix(list[i])
	family := uint16(1)
	if p.Addr().Is6() {
		family = 2
	}
	return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
}

var twinTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeMX, dns.TypeTXT, dns.TypeSRV, dns.TypeCNAME, dns.TypeSOA, dns.TypeANY, dns.TypeDS,
	dns.TypeHTTPS, dns.TypeSVCB, dns.TypePTR, dns.TypeCAA, dns.TypeDNAME, 65300, dns.TypeAXFR, dns.TypeNone,
}

// Both paths answer alike to every type of every name of zones that are hard in every way, however it is
// asked.
func TestTwinsOnHardZones(t *testing.T) {
	tables, names := twinTables(t)
	rng := rand.New(rand.NewPCG(1, 2))
	ask := func(name string, qtype uint16) {
		table, q, space := anyWay(tables, rng.Uint64())
		compareTwins(t, table, q, wireOf(t, dress(rng, name, qtype)), space)
	}
	for _, name := range names {
		for _, qtype := range twinTypes {
			for range 4 {
				ask(name, qtype)
			}
		}
	}
	for range 500 {
		ask(strings.Repeat("l.", 80+rng.IntN(40))+"serve.live.test.", dns.TypeA)
		ask("huge.bound.test.", dns.TypeSVCB)
		ask("ring.live.test.", dns.TypeA)
	}
}

// Whatever a client has room for, both paths cut a response at the same place, and the fast one does it
// itself.
func TestTwinsAtManySizes(t *testing.T) {
	tables, _ := twinTables(t)
	m := new(dns.Msg).SetEdns0(0, true)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}}
	q := Query{Client: twinClients[0], UDPSize: 4096, NSID: strings.Repeat("n", 200), Cookie: edge.Cookie{Result: edge.ValidCookie}}
	for i, ask := range []dns.Question{
		{Name: "some.bound.test.", Qtype: dns.TypeMX}, {Name: "x.cut.bound.test.", Qtype: dns.TypeA}, {Name: "x.cut2.bound.test.", Qtype: dns.TypeA},
		{Name: "big.bound.test.", Qtype: dns.TypeTXT}, {Name: "c1.bound.test.", Qtype: dns.TypeA},
		{Name: strings.Repeat("l.", 118) + "ser.bound.test.", Qtype: dns.TypeA}, // with an extended error
	} {
		ask.Qclass = dns.ClassINET
		m.Question = []dns.Question{ask}
		for size := 500 + i; size <= 4100; size += 7 {
			m.IsEdns0().SetUDPSize(uint16(size))
			if !compareTwins(t, tables[0], q, wireOf(t, m), 4096) {
				t.Fatalf("%s at %d is left to Respond", ask.Name, size)
			}
		}
	}
}

// A zone may be the root.
func TestTwinsAtRoot(t *testing.T) {
	src := zonetest.Master(t, ".", "$TTL 60\n@ SOA a. b. 1 2 3 4 5\n@ NS a.\n@ MX 1 .\na. A 192.0.2.1\nc. CNAME .\nd. CNAME a.\nnet. NS a.\n")
	table := zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{})
	rng := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{".", "a.", "c.", "d.", "nx.", "x.net."} {
		for _, qtype := range twinTypes {
			_, q, space := anyWay([2]*zones.Table{}, rng.Uint64())
			compareTwins(t, table, q, wireOf(t, dress(rng, name, qtype)), space)
		}
	}
}

// A pool that does not choose by hash, and is served from one that does, depends on the client subnet too.
func TestScopeOfFallback(t *testing.T) {
	tables, _ := twinTables(t)
	m := new(dns.Msg).SetQuestion("ecs.fall.live.test.", dns.TypeA).SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IP{198, 51, 100, 0}}}
	for _, fast := range []func() Fast{nil, newFast} {
		reply := parse(t, bareServer(tables[0], fast).handle(packet{wire: wireOf(t, m), client: twinClients[1]}))
		if o := reply.IsEdns0().Option[0].(*dns.EDNS0_SUBNET); o.SourceScope != 24 {
			t.Errorf("scope %d, want 24: %v", o.SourceScope, reply)
		}
	}
}

// Whatever follows a response, limits and counters, does so on both paths alike.
func TestWorkersOfBothPaths(t *testing.T) {
	tables, names := twinTables(t)
	now := time.Now()
	var all [2][]string
	for i, fast := range []func() Fast{nil, newFast} {
		s := bareServer(tables[0], fast)
		s.began = now
		s.cfg.Limiter = edge.NewLimiter(edge.Table{Accounts: edge.DefaultAccounts, IPv4: 24, IPv6: 56}, rates(20, 2))
		w, out, rng := s.newWorker(), make([]byte, DefaultUDPSize), rand.New(rand.NewPCG(7, 8))
		for range 2000 {
			m := dress(rng, names[rng.IntN(len(names))], twinTypes[rng.IntN(len(twinTypes))])
			w.begin(now)
			reply := w.answer(&packet{wire: wireOf(t, m), client: twinClients[rng.IntN(4)], via: Transport(max(rng.IntN(6)-2, 0))}, out)
			w.end(now)
			all[i] = append(all[i], fmt.Sprintf("%x", reply))
		}
		st := s.Stats()
		all[i] = append(all[i], fmt.Sprint(st.Targets, st.Requests, st.Responses, st.Sizes, st.ECS, st.Truncated, st.Cookies, st.Dropped, s.cfg.Limiter.Stats()))
	}
	for i, want := range all[0] {
		if got := all[1][i]; got != want {
			t.Fatalf("%d on the fast path: %s\nwant: %s", i, got, want)
		}
	}
	if !slices.Contains(all[1], "") {
		t.Error("nothing was withheld")
	}
}

// FuzzTwins: whatever is asked, and however, both paths answer alike.
func FuzzTwins(f *testing.F) {
	tables, names := twinTables(f)
	rng := rand.New(rand.NewPCG(3, 4))
	for _, name := range names {
		f.Add(wireOf(f, dress(rng, name, twinTypes[rng.IntN(len(twinTypes))])), rng.Uint64())
	}
	f.Fuzz(func(t *testing.T, wire []byte, how uint64) {
		table, q, space := anyWay(tables, how)
		compareTwins(t, table, q, wire, space)
	})
}
