package dnsserver

import (
	"testing"

	"github.com/miekg/dns"
)

// FuzzFreshness: what the wire says and what miekg/dns reads of it are the same; whatever the wire, nothing panics.
func FuzzFreshness(f *testing.F) {
	for _, text := range []string{"mail.hard.test. 300 IN A 192.0.2.1", "x. 0 IN TXT \"a\"", "hard.test. 7 IN SOA ns.hard.test. h.hard.test. 1 2 3 4 5"} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA)
		m.Answer = []dns.RR{rr, &dns.A{Hdr: dns.RR_Header{Name: "mail.hard.test.", Rrtype: dns.TypeA, Class: 1, Ttl: 5}, A: []byte{1, 2, 3, 4}}}
		for _, n := range []int{0, 1, 2} {
			c := m.Copy()
			c.Answer, c.Ns = m.Answer[:n], m.Answer[n:]
			c.Compress = true
			wire, err := c.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		_ = freshness(wire)
		var m dns.Msg
		if m.Unpack(wire) != nil {
			return
		}
		again, err := m.Pack() // as this program writes it: counts that do not lie
		if err != nil {
			return
		}
		if got := freshness(again); got != oracleFreshness(&m) {
			t.Fatalf("got %d, want %d of\n%s", got, oracleFreshness(&m), &m)
		}
	})
}

func oracleFreshness(m *dns.Msg) uint32 {
	for _, section := range [][]dns.RR{m.Answer, m.Ns} {
		if len(section) == 0 {
			continue
		}
		least := section[0].Header().Ttl
		for _, rr := range section {
			least = min(least, rr.Header().Ttl)
		}
		return least
	}
	return 0
}
