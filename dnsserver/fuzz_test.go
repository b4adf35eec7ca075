package dnsserver_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
)

// FuzzRespond: no message makes Respond panic; every response packs, fits the client, unpacks and packs
// to the same bytes, and carries the id and the question it answers.
func FuzzRespond(f *testing.F) {
	for _, line := range []string{
		"mail.hard.test. A", "x.moved.hard.test. A edns do nsid", "www.sub.hard.test. A", "big.hard.test. TXT edns",
		"www.pool.test. ANY", "ecs.pool.test. A edns ecs=198.51.100.0/24", "version.bind. TXT CH", "mail.hard.test. A twoquestions",
		"mail.hard.test. A opcode=UPDATE", "mail.hard.test. A edns version", `\000\255.hard.test. A`, "alias3.hard.test. MX",
		"hard.test. MX edns size=512", "hard.test. NS", "svc.hard.test. HTTPS", "generic.hard.test. TYPE65300",
	} {
		wire, err := parseQuery(f, line).Msg.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, false)
		f.Add(wire, true)
	}
	table := testTable(f)
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		query := new(dns.Msg)
		if query.Unpack(wire) != nil {
			return
		}
		limit, via := 512, dnsserver.UDP
		if opt := query.IsEdns0(); opt != nil {
			limit = int(min(max(opt.UDPSize(), 512), 1232))
		}
		if tcp {
			limit, via = 65535, dnsserver.TCP
		}
		m := dnsserver.Respond(table, dnsserver.Query{
			Msg: query, Client: netip.MustParseAddr("127.0.0.1"), Via: via, Draw: uint64(len(wire)), NSID: "ns1", Version: "v",
		})
		if query.Response {
			if m != nil {
				t.Fatalf("a response was answered: %v", m)
			}
			return
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatalf("%v\ndoes not pack: %v", m, err)
		}
		if len(packed) > limit && len(query.Question) < 2 {
			t.Fatalf("%d bytes for a client that takes %d: %v", len(packed), limit, m)
		}
		var again dns.Msg
		if err := again.Unpack(packed); err != nil {
			t.Fatalf("%v\ndoes not unpack: %v", m, err)
		}
		again.Compress = true
		if repacked, err := again.Pack(); err != nil || string(repacked) != string(packed) {
			t.Fatalf("%v\npacks to %x, then to %x (%v)", m, packed, repacked, err)
		}
		if m.Id != query.Id || !m.Response || m.Opcode != query.Opcode || m.RecursionAvailable {
			t.Fatalf("header of %v\ndoes not answer %v", m, query)
		}
		if len(query.Question) > 0 && (len(again.Question) != 1 || again.Question[0] != query.Question[0]) {
			t.Fatalf("question %v, want %v", again.Question, query.Question[0])
		}
		if (m.Rcode == dns.RcodeRefused || m.Rcode == dns.RcodeFormatError) && (m.Authoritative || len(m.Answer)+len(m.Ns) > 0) {
			t.Fatalf("an error with content: %v", m)
		}
		for _, rr := range m.Answer {
			if rr.Header().Class == dns.ClassINET && !strings.HasSuffix(strings.ToLower(rr.Header().Name), "test.") {
				t.Fatalf("an owner that is not ours: %v", rr)
			}
		}
	})
}
