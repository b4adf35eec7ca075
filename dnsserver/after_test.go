package dnsserver

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// FuzzAfter: whatever arrived before, in the same buffer, a query is answered as ever; and an answer does
// not change when its query is overwritten, as buffers are. White box, because a socket would be slow.
func FuzzAfter(f *testing.F) {
	table := hardTable(f)
	s := &Server{cfg: Config{Table: func() *zones.Table { return table }, NSID: "ns1", Version: "v"}, logger: slog.New(slog.DiscardHandler)}
	client := netip.MustParseAddr("192.0.2.200")
	answer := func(buf, query []byte, via Transport) []byte {
		return s.handle(packet{wire: buf[:copy(buf, query)], client: client, via: via})
	}
	buf := make([]byte, dns.MaxMsgSize)
	var queries, answers [][]byte
	for _, qname := range []string{"mail.hard.test.", "alias3.hard.test.", "nx.hard.test.", "www.sub.hard.test.", "x.moved.hard.test.", "a.wild.hard.test.", "other.test."} {
		for _, m := range []*dns.Msg{new(dns.Msg).SetQuestion(qname, dns.TypeA), new(dns.Msg).SetQuestion(qname, dns.TypeMX).SetEdns0(1232, true)} {
			wire, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			queries, answers = append(queries, wire), append(answers, slices.Clone(answer(buf, wire, UDP)))
			f.Add(wire, uint8(len(queries)))
			f.Add(wire[:len(wire)-3], uint8(len(queries)))
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, which uint8) {
		if len(wire) > len(buf) {
			return
		}
		was := answer(buf, wire, TCP)
		kept := slices.Clone(was)
		for i := range wire {
			buf[i] ^= 0xff
		}
		if !bytes.Equal(was, kept) {
			t.Fatalf("%x: the answer changed with the buffer, from\n%x to\n%x", wire, kept, was)
		}
		i := int(which) % len(queries)
		if got := answer(buf, queries[i], UDP); !bytes.Equal(got, answers[i]) {
			t.Fatalf("after %x: %x got\n%x, before\n%x", wire, queries[i], got, answers[i])
		}
	})
}
