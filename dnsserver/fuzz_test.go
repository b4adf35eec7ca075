package dnsserver_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
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
		wire := parseQuery(f, line).Msg.Wire
		f.Add(wire, false)
		f.Add(wire, true)
	}
	table := testTable(f)
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		query := new(edge.Query)
		verdict := edge.Read(wire, query)
		limit, via := 512, dnsserver.UDP
		if query.EDNS {
			limit = int(min(max(query.Size, 512), 1232))
		}
		if tcp {
			limit, via = 65535, dnsserver.TCP
		}
		m := onBothPaths(t, table, dnsserver.Query{
			Msg: query, Verdict: verdict, Client: netip.MustParseAddr("127.0.0.1"), Via: via, Draw: uint64(len(wire)), NSID: "ns1", Version: "v",
		})
		if verdict < edge.Malformed {
			if m != nil {
				t.Fatalf("%x was answered: %v", wire, m)
			}
			return
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatalf("%v\ndoes not pack: %v", m, err)
		}
		if len(packed) > limit {
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
		if m.Id != query.ID || !m.Response || m.Opcode != int(query.Opcode) || m.RecursionAvailable {
			t.Fatalf("header of %v\ndoes not answer %x", m, wire)
		}
		if want := 12 + len(query.Name) + 4; query.Name != nil && !bytes.Equal(packed[12:want], wire[12:want]) {
			t.Fatalf("question %x, want %x", packed[12:want], wire[12:want])
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
