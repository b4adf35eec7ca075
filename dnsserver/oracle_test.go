package dnsserver_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
	"vitalns/test/zonetest"
	"vitalns/zones"
)

// A drawer makes zones and questions of bytes: few labels in many places, so that cuts, wildcards, aliases
// and redirections meet in every way.
type drawer struct{ bytes []byte }

// next returns the next byte; 0 when there are no more.
func (d *drawer) next() int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b)
}

var (
	drawnOrigins = []string{"z.", "b.z.", "a.b.z.", "y."}
	drawnLabels  = []string{"a", "b", "c", "*"}
	drawnTypes   = []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypeTXT, dns.TypeDS, dns.TypeMX}
	askedTypes   = []uint16{dns.TypeA, dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypeTXT, dns.TypeDS, dns.TypeSOA, dns.TypeANY}
)

// name is a name at or below an origin.
func (d *drawer) name(origin string) string {
	n, bits := d.next()%5, d.next()
	for range n {
		origin = drawnLabels[bits&3] + "." + origin
		bits >>= 2
	}
	return origin
}

// target is a name that records point to: mostly of these zones.
func (d *drawer) target() string {
	switch where := d.next() % 16; where {
	case 0:
		return "out."
	case 1:
		long := strings.Repeat("x", 62) + "."
		return long + long + long + long[:55] + ".z." // names below would be too long
	default:
		return d.name(drawnOrigins[where%len(drawnOrigins)])
	}
}

// zones draws some zones. What no server loads is left out: a CNAME beside other data or at an apex, two
// DNAME of a name, and cuts and redirections at a wildcard, about which the RFCs do not agree.
func (d *drawer) zones(t *testing.T) (m model, sources []*zones.Source) {
	mask := 1 | d.next()
	text := make([]string, len(drawnOrigins))
	types := map[string][]uint16{}
	for range min(len(d.bytes)/4, 24) {
		place := d.next() % len(drawnOrigins)
		origin := drawnOrigins[place]
		if mask>>place&1 == 0 {
			place, origin = 0, drawnOrigins[0]
		}
		typ, owner := drawnTypes[d.next()%len(drawnTypes)], d.name(origin)
		key := origin + owner
		has := types[key]
		apex := owner == origin
		switch {
		case slices.Contains(has, dns.TypeCNAME), typ == dns.TypeCNAME && (apex || len(has) > 0):
			continue
		case (typ == dns.TypeDNAME || typ == dns.TypeNS) && owner[0] == '*':
			continue
		case typ == dns.TypeDNAME && slices.Contains(has, dns.TypeDNAME), typ == dns.TypeNS && apex:
			continue
		case !apex && (typ == dns.TypeDNAME && slices.Contains(has, dns.TypeNS) || typ == dns.TypeNS && slices.Contains(has, dns.TypeDNAME)):
			continue
		}
		types[key] = append(has, typ)
		text[place] += fmt.Sprintf("%s %d %s %s\n", owner, 100+int(typ), dns.TypeToString[typ], d.rdata(typ))
	}
	for i, origin := range drawnOrigins {
		if mask>>i&1 == 0 {
			continue
		}
		zone := fmt.Sprintf("%s %d SOA n. h. 1 2 3 4 %d\n%s 500 NS ns.out.\n%s", origin, 400+i, 300+200*(i&1), origin, text[i])
		list := &listZone{origin: origin}
		p := dns.NewZoneParser(strings.NewReader(zone), origin, "")
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			if !slices.ContainsFunc(list.rrs, func(had dns.RR) bool { return dns.IsDuplicate(had, rr) }) {
				list.rrs = append(list.rrs, rr)
			}
		}
		m, sources = append(m, list), append(sources, zonetest.Master(t, origin, strings.Join(lines(list.rrs), "\n")))
	}
	return m, sources
}

func (d *drawer) rdata(typ uint16) string {
	switch typ {
	case dns.TypeA:
		return fmt.Sprintf("192.0.2.%d", d.next())
	case dns.TypeAAAA:
		return fmt.Sprintf("2001:db8::%x", d.next())
	case dns.TypeTXT:
		return fmt.Sprintf(`"%d"`, d.next())
	case dns.TypeDS:
		return fmt.Sprintf("%d 8 2 00", d.next())
	case dns.TypeMX:
		return "10 " + d.target()
	}
	return d.target()
}

// questions returns names at, above, beside and below those of the zones, and some more.
func (d *drawer) questions(m model) []string {
	seen := map[string]bool{"out.": true, ".": true}
	for _, z := range m {
		for _, rr := range z.rrs {
			owner := rr.Header().Name
			seen[owner], seen["c."+owner], seen["nx."+owner], seen["*."+owner] = true, true, true, true
		}
	}
	for range 8 {
		seen[d.name(drawnOrigins[d.next()%len(drawnOrigins)])] = true
	}
	var all []string
	for name := range seen {
		if _, ok := dns.IsDomainName(name); ok {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// randomBytes are what a drawer draws from.
func randomBytes(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 7))
	raw := make([]byte, 20+rng.IntN(200))
	for i := range raw {
		raw[i] = byte(rng.Uint32())
	}
	return raw
}

// In random zones, every name at, above, beside and below those that are there gets what the model gives.
func TestModel(t *testing.T) {
	const worlds = 150
	for seed := range uint64(worlds) {
		d := &drawer{randomBytes(seed)}
		m, sources := d.zones(t)
		m.compare(t, sources, d.questions(m))
	}
}

// FuzzModel: in zones of every shape, Respond gives to every question what the model does.
func FuzzModel(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomBytes(seed), randomBytes(seed + 1000)[:20])
	}
	f.Fuzz(func(t *testing.T, raw, asked []byte) {
		d := &drawer{raw}
		m, sources := d.zones(t)
		d = &drawer{asked}
		var names []string
		for range min(len(asked)/3, 10) {
			names = append(names, d.name(drawnOrigins[d.next()%len(drawnOrigins)]))
		}
		m.compare(t, sources, names)
	})
}

// compare asks for names, with all types.
func (m model) compare(t *testing.T, sources []*zones.Source, names []string) {
	t.Helper()
	set, err := zones.Compile(sources)
	if err != nil {
		t.Fatal(err)
	}
	table := zones.NewTable(set, &checks.Snapshot{})
	for _, qname := range names {
		for _, qtype := range askedTypes {
			wire, err := new(dns.Msg).SetQuestion(qname, qtype).Pack()
			if err != nil {
				t.Fatal(err)
			}
			query := new(edge.Query)
			verdict := edge.Read(wire, query)
			got := dnsserver.Respond(table, dnsserver.Query{Msg: query, Verdict: verdict, Via: dnsserver.TCP})
			if why := m.differs(got, m.respond(qname, qtype)); why != "" {
				t.Fatalf("%s %s: got\n%v\n%s\nin %v", qname, dns.Type(qtype), got, why, m)
			}
		}
	}
}

// String prints the zones of a model.
func (z *listZone) String() string { return "\n" + z.origin + ":\n" + strings.Join(lines(z.rrs), "\n") }

// FuzzTransports: what a message gets over UDP is what it gets over TCP, up to truncation: all of it; or
// less of what is a courtesy; or TC and nothing, and then the rest would not have fitted.
func FuzzTransports(f *testing.F) {
	for _, line := range []string{
		"big.hard.test. TXT edns", "hard.test. MX", "hard.test. MX edns size=512", "www.sub.hard.test. A", "alias3.hard.test. MX edns do nsid",
		"all.wide.test. A edns", "www.pool.test. A edns", "x.moved.hard.test. A", "nx.hard.test. A edns size=4096", "hard.test. NS edns",
	} {
		f.Add(parseQuery(f, line).Msg.Wire)
	}
	table := testTable(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		query := new(edge.Query)
		verdict := edge.Read(wire, query)
		over := func(via dnsserver.Transport) *dns.Msg {
			return dnsserver.Respond(table, dnsserver.Query{
				Msg: query, Verdict: verdict, Client: netip.MustParseAddr("192.0.2.200"), Via: via, Draw: uint64(len(wire)), NSID: "ns1", Version: "v",
			})
		}
		udp, tcp := over(dnsserver.UDP), over(dnsserver.TCP)
		if udp == nil || tcp == nil {
			if udp != tcp {
				t.Fatalf("one is dropped: %v, %v", udp, tcp)
			}
			return
		}
		limit := 512
		if query.EDNS {
			limit = int(min(max(query.Size, 512), dnsserver.DefaultUDPSize))
		}
		if tcp.Truncated || udp.Rcode != tcp.Rcode || udp.Authoritative != tcp.Authoritative || udp.Len() > limit {
			t.Fatalf("UDP:\n%v\nTCP:\n%v", udp, tcp)
		}
		whole := lines(tcp.Extra)
		part := slices.DeleteFunc(slices.Clone(udp.Extra), func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
		switch {
		case udp.Truncated && len(udp.Answer)+len(udp.Ns)+len(part) > 0:
			t.Fatalf("truncated, with records:\n%v", udp)
		case !udp.Truncated && !(slices.Equal(lines(udp.Answer), lines(tcp.Answer)) && slices.Equal(lines(udp.Ns), lines(tcp.Ns))):
			t.Fatalf("UDP:\n%v\nTCP:\n%v", udp, tcp)
		case tcp.Len() <= limit && len(udp.Extra) != len(tcp.Extra):
			t.Fatalf("it would have fitted into %d bytes:\n%v\nUDP:\n%v", limit, tcp, udp)
		}
		for _, rr := range part {
			if !slices.Contains(whole, line(rr)) {
				t.Fatalf("only over UDP: %v", rr)
			}
		}
	})
}

// FuzzIgnored: what means nothing in a query changes nothing in its answer: its id, AA, TC, RA, Z, AD, CD,
// the response code, unknown EDNS flags and options, and the case of its letters, which comes back.
func FuzzIgnored(f *testing.F) {
	lines := []string{
		"mail.hard.test. A edns", "x.moved.hard.test. A edns do nsid", "www.sub.hard.test. A edns", "www.pool.test. ANY edns", "nx.hard.test. MX edns",
		"a.b.wild.hard.test. MX edns", "intocut.hard.test. A edns", "other.test. A edns", "hard.test. SOA edns", "long.hard.test. A edns",
	}
	for i := range lines {
		f.Add(uint8(i), uint64(0x5555aaaa5555aaaa), uint16(0xffff), uint16(65001), []byte("ignored"))
	}
	table := testTable(f)
	plain := make([][]byte, len(lines))
	for i, line := range lines {
		plain[i] = parseQuery(f, line).Msg.Wire
	}
	respond := func(t *testing.T, wire []byte) *dns.Msg {
		query := new(edge.Query)
		if v := edge.Read(wire, query); v != edge.OK {
			t.Fatalf("%x: verdict %d", wire, v)
		}
		m := dnsserver.Respond(table, dnsserver.Query{Msg: query, Client: netip.MustParseAddr("192.0.2.200"), Verdict: edge.OK, NSID: "ns1"})
		if m == nil {
			t.Fatalf("%x: dropped", wire)
		}
		return m
	}
	f.Fuzz(func(t *testing.T, which uint8, bits uint64, flags, code uint16, data []byte) {
		known := []uint16{dns.EDNS0NSID, dns.EDNS0SUBNET, dns.EDNS0COOKIE, dns.EDNS0TCPKEEPALIVE, dns.EDNS0PADDING}
		if slices.Contains(known, code) || len(data) > 4000 {
			return
		}
		was := plain[int(which)%len(plain)]
		wire := slices.Clone(was)
		binary.BigEndian.PutUint16(wire, uint16(bits))
		const ignored = 1<<10 | 1<<9 | 1<<7 | 1<<6 | 1<<5 | 1<<4 | 15 // AA TC RA Z AD CD, the response code
		binary.BigEndian.PutUint16(wire[2:], binary.BigEndian.Uint16(wire[2:])|flags&ignored)
		at := 12
		for ; wire[at] != 0; at += 1 + int(wire[at]) {
			for i := at + 1; i <= at+int(wire[at]); i++ {
				if c := wire[i]; bits>>(i%64)&1 == 1 && c >= 'a' && c <= 'z' {
					wire[i] -= 'a' - 'A'
				}
			}
		}
		opt := at + 1 + 4 // behind the question
		binary.BigEndian.PutUint16(wire[opt+7:], binary.BigEndian.Uint16(wire[opt+7:])|flags&0x7fff)
		wire = binary.BigEndian.AppendUint16(wire, code)
		wire = append(binary.BigEndian.AppendUint16(wire, uint16(len(data))), data...)
		binary.BigEndian.PutUint16(wire[opt+9:], uint16(len(wire)-opt-11))

		want, got := respond(t, was), respond(t, wire)
		if got.Id != uint16(bits) || got.Zero || got.AuthenticatedData || got.RecursionAvailable {
			t.Fatalf("header of %v", got)
		}
		if out, err := got.Pack(); err != nil || !bytes.Equal(out[12:opt], wire[12:opt]) {
			t.Fatalf("question %x, want %x (%v)", out[12:opt], wire[12:opt], err)
		}
		got.Id, got.CheckingDisabled = want.Id, want.CheckingDisabled
		if g, w := strings.ToLower(got.String()), strings.ToLower(want.String()); g != w {
			t.Fatalf("got\n%s\nwant\n%s", g, w)
		}
	})
}
