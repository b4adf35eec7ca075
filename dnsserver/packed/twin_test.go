package packed_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// A world is zones and pools made by chance, and what nodes think of their targets.
type world struct {
	*rand.Rand
	testing.TB
	table *zones.Table
	names []string
}

var (
	origins = []string{"a.test.", "b.a.test.", "test.", "Other.example."}
	labels  = []string{"a", "b", "c", "ns", "www", "_tcp", "*", "x-y", `\000\255`, `d\.d`, strings.Repeat("l", 63)}
	types   = []uint16{
		dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeMX, dns.TypeTXT, dns.TypeSRV, dns.TypeCNAME, dns.TypeSOA, dns.TypeANY, dns.TypeDS,
		dns.TypeHTTPS, dns.TypePTR, dns.TypeCAA, dns.TypeDNAME, dns.TypeNAPTR, 65300, dns.TypeAXFR, dns.TypeDNSKEY,
	}
)

func one[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

// name makes a name in or near the zones.
func (w *world) name() string {
	if len(w.names) > 0 && w.IntN(3) > 0 {
		return one(w, w.names)
	}
	name := one(w, origins)
	for range w.IntN(4) {
		if label := one(w, labels); len(label)+len(name) < 240 {
			name = label + "." + name
		}
	}
	return name
}

// record makes the text of a record without its owner.
func (w *world) record() string {
	switch w.IntN(14) {
	case 0, 1, 2:
		return fmt.Sprintf("A 192.0.2.%d", w.IntN(256))
	case 3:
		return fmt.Sprintf("AAAA 2001:db8::%x", w.IntN(256))
	case 4, 5:
		return "NS " + w.name()
	case 6:
		return fmt.Sprintf("MX %d %s", w.IntN(3), w.name())
	case 7:
		return "CNAME " + w.name()
	case 8:
		return fmt.Sprintf("SRV 0 %d 80 %s", w.IntN(3), w.name())
	case 9:
		return fmt.Sprintf("HTTPS %d %s", w.IntN(2), one(w, []string{".", w.name()}))
	case 10:
		return fmt.Sprintf("TXT %q", strings.Repeat("t", w.IntN(255)))
	case 11:
		return "PTR " + w.name()
	case 12:
		return one(w, []string{"DNAME " + w.name(), "DS 1 8 2 00", `CAA 0 issue "x"`, `NAPTR 1 1 "" "" "" .`})
	}
	return `TYPE65300 \# 4 0a000001`
}

func (w *world) pools(src *zones.Source) {
	var targets []checks.Target
	for i := range 3 {
		targets = append(targets, checks.Target{Host: fmt.Sprintf("192.0.2.%d", i), Port: 80})
	}
	need := func() zones.Need {
		if w.IntN(3) == 0 {
			return zones.Need{}
		}
		return zones.Need{K: 1, Of: []checks.Target{one(w, targets)}}
	}
	n := w.IntN(4)
	for i := range n {
		p := zones.Pool{
			Name: fmt.Sprintf("p%d", i), Policy: one(w, []policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind}),
			MaxAnswers: w.IntN(4), TTL: zones.TTL{Min: 5, Max: uint32(5 + w.IntN(30))},
			WhenAllDown: one(w, []zones.AllDown{zones.ServeAll, zones.NoData, zones.ServFail}), AllDownWritten: w.IntN(2) == 0,
		}
		if i > 0 && w.IntN(3) == 0 {
			p.Fallback = fmt.Sprintf("p%d", i-1)
		}
		names := w.IntN(4) == 0
		if names {
			p.MaxAnswers, p.Policy, p.Fallback = 1, policy.FailoverKind, ""
		}
		for m := range 1 + w.IntN(4) {
			member := zones.Member{Name: fmt.Sprintf("m%d", m), Priority: m * w.IntN(2), Weight: w.IntN(3)}
			if names {
				member.CNAME, member.Need, member.Priority = zonetest.Name(w.TB, w.name()), need(), m
			} else {
				for range 1 + w.IntN(3) {
					a := netip.AddrFrom4([4]byte{203, 0, 113, byte(w.IntN(256))})
					if w.IntN(2) == 0 {
						a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(w.IntN(256))})
					}
					member.Addrs = append(member.Addrs, zones.MemberAddr{Addr: a, Need: need()})
				}
			}
			p.Members = append(p.Members, member)
		}
		src.Pools = append(src.Pools, p)
	}
	seen := map[zones.Name]bool{}
	if owner := zonetest.Name(w.TB, w.name()); owner.IsSubdomainOf(src.Origin) && owner != src.Origin {
		src.Dynamic, seen[owner] = append(src.Dynamic, zones.Dynamic{Owner: owner, Alias: zonetest.Name(w.TB, w.name()), TTL: 7}), true
	}
	if n == 0 {
		return
	}
	for range w.IntN(5) {
		owner := zonetest.Name(w.TB, w.name())
		if !owner.IsSubdomainOf(src.Origin) || owner == src.Origin || seen[owner] {
			continue
		}
		seen[owner] = true
		d := zones.Dynamic{Owner: owner, ECS: w.IntN(2) == 0}
		if w.IntN(2) == 0 {
			d.Rules = []zones.Rule{{Subnets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25"), netip.MustParsePrefix("2001:db8:5::/48")}, Pool: "p0"}}
		}
		d.Rules = append(d.Rules, zones.Rule{Pool: fmt.Sprintf("p%d", w.IntN(n))})
		src.Dynamic = append(src.Dynamic, d)
	}
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{TB: t, Rand: rand.New(rand.NewPCG(seed, 1))}
	for range 12 {
		w.names = append(w.names, w.name())
	}
	var all []*zones.Source
	for _, origin := range origins {
		if w.IntN(4) == 0 {
			continue
		}
		var text strings.Builder
		fmt.Fprintf(&text, "$TTL %d\n@ SOA %s %s %d 2 3 4 %d\n@ NS %s\n", 1+w.IntN(300), w.name(), w.name(), w.IntN(3), w.IntN(600), w.name())
		alone, other := map[string]bool{}, map[string]bool{strings.ToLower(origin): true}
		for range w.IntN(40) {
			owner, record := w.name(), w.record()
			lower := strings.ToLower(owner)
			single := strings.HasPrefix(record, "CNAME") || strings.HasPrefix(record, "DNAME")
			if !dns.IsSubDomain(origin, owner) || alone[lower] || single && other[lower] {
				continue
			}
			alone[lower], other[lower] = single, true
			for range 1 + w.IntN(3)*w.IntN(8) {
				fmt.Fprintf(&text, "%s %s\n", owner, record)
				if single {
					break
				}
				if r := w.record(); strings.Fields(r)[0] == strings.Fields(record)[0] {
					record = r
				}
			}
		}
		src := zonetest.Master(t, origin, text.String())
		w.pools(src)
		all = append(all, src)
	}
	now := time.Unix(1e9, 0)
	verdicts := map[checks.Target]checks.Verdict{}
	for i := range 3 {
		verdicts[checks.Target{Host: fmt.Sprintf("192.0.2.%d", i), Port: 80}] = checks.Verdict{
			State: one(w, []checks.State{checks.Up, checks.Down, checks.Unknown}), Need: 1, Count: 1,
		}
	}
	w.table = zones.NewTable(zonetest.Compile(t, all...), &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(verdicts, now)})
	return w
}

// query makes a message.
func (w *world) query(t testing.TB) []byte {
	m := new(dns.Msg)
	name := []byte(w.name())
	for i := range name {
		if w.IntN(8) == 0 && 'a' <= name[i] && name[i] <= 'z' {
			name[i] -= 'a' - 'A'
		}
	}
	m.SetQuestion(string(name), one(w, types))
	m.Id, m.RecursionDesired, m.CheckingDisabled = uint16(w.Uint32()), w.IntN(2) == 0, w.IntN(4) == 0
	if w.IntN(30) == 0 {
		m.Question[0].Qclass = one(w, []uint16{dns.ClassCHAOS, dns.ClassANY})
	}
	if w.IntN(30) == 0 {
		m.Opcode = w.IntN(7)
	}
	if w.IntN(4) > 0 {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetUDPSize(one(w, []uint16{0, 512, 513, 600, 700, 1232, 4096}))
		opt.SetDo(w.IntN(2) == 0)
		if w.IntN(20) == 0 {
			opt.SetVersion(1)
		}
		if w.IntN(3) == 0 {
			opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
		}
		if w.IntN(3) == 0 {
			opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})
		}
		if w.IntN(3) == 0 {
			opt.Option = append(opt.Option, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE})
		}
		if w.IntN(3) == 0 {
			opt.Option = append(opt.Option, &dns.EDNS0_PADDING{Padding: make([]byte, w.IntN(20))})
		}
		if w.IntN(3) == 0 {
			p := one(w, []netip.Prefix{
				netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("198.51.100.128/32"), netip.MustParsePrefix("0.0.0.0/0"),
				netip.MustParsePrefix("2001:db8:5::/56"), netip.MustParsePrefix("2001:db8::/30"),
			})
			o := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
			if p.Addr().Is6() {
				o.Family = 2
			}
			if w.IntN(5) == 0 {
				o = &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET}
			}
			opt.Option = append(opt.Option, o)
		}
		m.Extra = append(m.Extra, opt)
	}
	wire, err := m.Pack()
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	return wire
}

// ask puts a message to both paths. It reports whether the fast one answered, which then has to be what
// Respond answers, byte for byte.
func ask(t testing.TB, table *zones.Table, a *packed.Answerer, wire []byte, q dnsserver.Query, space int) (mine bool, rcode int) {
	t.Helper()
	q.Msg = new(edge.Query)
	if q.Verdict = edge.Read(wire, q.Msg); q.Verdict != edge.OK {
		return false, 0
	}
	m := dnsserver.Respond(table, q)
	want, err := m.Pack()
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	out := bytes.Repeat([]byte{0xee}, space)
	n, _, ok := a.Answer(table, q.Msg, &edge.Request{
		Client: q.Client, Stream: q.Via != dnsserver.UDP, Encrypted: q.Via > dnsserver.TCP, Keepalive: q.Keepalive, Draw: q.Draw, Cookie: q.Cookie,
	}, out)
	if got := out[:n]; ok && !bytes.Equal(got, want) {
		other := new(dns.Msg)
		err := other.Unpack(got)
		t.Fatalf("got:\n%v\n%x (%v)\nwant:\n%v\n%x", other, got, err, m, want)
	}
	if end := bytes.TrimRight(out[n:], "\xee"); ok && len(end) > 0 && q.Via == dnsserver.UDP && len(end)+n > dnsserver.DefaultUDPSize {
		t.Fatalf("%d bytes were written for a response of %d", len(end)+n, n)
	}
	return ok, m.Rcode
}

// twins asks both paths some queries of one world.
func twins(t testing.TB, seed uint64, queries int) (mine, all int) {
	w := newWorld(t, seed)
	a := packed.New("ns1.example", dnsserver.DefaultUDPSize)
	for range queries {
		q := dnsserver.Query{
			Client: one(w, []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:5::1")}),
			Draw:   w.Uint64(), NSID: "ns1.example", Keepalive: 10 * time.Second,
		}
		if w.IntN(2) == 0 {
			q.Cookie = edge.Cookie{Result: edge.ValidCookie, Answer: [24]byte{1, 2, 3}}
		}
		space := 1232
		if w.IntN(3) == 0 {
			q.Via = one(w, []dnsserver.Transport{dnsserver.TCP, dnsserver.TLS, dnsserver.HTTPS})
			space = one(w, []int{dns.MaxMsgSize, 4096, 1232, 600})
		}
		ok, _ := ask(t, w.table, a, w.query(t), q, space)
		all++
		if ok {
			mine++
		}
	}
	return mine, all
}

// In worlds made by chance both paths answer alike, and the fast one most.
func TestTwins(t *testing.T) {
	mine, all := 0, 0
	for seed := range uint64(100) {
		m, n := twins(t, seed, 100)
		mine, all = mine+m, all+n
	}
	t.Logf("%d of %d queries were answered on the fast path", mine, all)
	if mine < all*8/10 {
		t.Errorf("the fast path answered %d of %d queries", mine, all)
	}
}

func FuzzTwins(f *testing.F) {
	f.Add([]byte("seed"))
	f.Fuzz(func(t *testing.T, entropy []byte) {
		var b [8]byte
		copy(b[:], entropy)
		twins(t, binary.LittleEndian.Uint64(b[:]), 50)
	})
}
