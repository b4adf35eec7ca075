package dnsserver_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
)

// from asks one question from an address of this host, over a socket of its own.
func from(t *testing.T, client, server, qname string, timeout time.Duration) (*dns.Msg, error) {
	t.Helper()
	c := dns.Client{Timeout: timeout, Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(client)}, Timeout: timeout}}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(qname, dns.TypeA), server)
	return m, err
}

// Real clients of several /24s: one asks too much and is told to use TCP, where it gets its answer, as is
// its neighbour; strangers, and other kinds of answers, get what they ask for.
func TestLimitOverSockets(t *testing.T) {
	limits := edge.Limits{Rates: [edge.Classes]int{edge.Positive: 5, edge.NoData: 5, edge.NXDomain: 5, edge.Failure: 5}, Slip: 1}
	limiter := edge.NewLimiter(edge.Table{Accounts: edge.MinAccounts, IPv4: 24, IPv6: 56}, limits)
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}, Limiter: limiter})
	server := s.Addrs()[0].String()
	flood, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 1, 0, 9)})
	if err != nil {
		t.Fatal(err)
	}
	defer flood.Close()
	query, err := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	to := net.UDPAddrFromAddrPort(s.Addrs()[0])
	truncated := false
	flooded := func() { // 100 at once: slips and more, whatever the time
		for range 100 {
			if _, err := flood.WriteTo(query, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	for tries := 0; !truncated; tries++ {
		if tries == 100 {
			t.Fatal("10,000 queries from one address, and none is limited")
		}
		flooded()
		buf := make([]byte, 512)
		_ = flood.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, err := flood.Read(buf)
			if err != nil {
				break // those that were dropped
			}
			m := new(dns.Msg)
			if err := m.Unpack(buf[:n]); err != nil {
				t.Fatal(err)
			}
			if m.Truncated {
				truncated = true
				if len(m.Answer) > 0 || n > len(query) {
					t.Errorf("a slip of %d bytes for a query of %d: %v", n, len(query), m)
				}
			}
		}
	}
	if m := exchange(t, "tcp", server, "mail.hard.test.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("over TCP: got %s", draw(m))
	}
	for _, client := range []string{"127.1.1.9", "127.2.0.9", "127.0.0.1"} {
		m, err := from(t, client, server, "mail.hard.test.", 5*time.Second)
		if err != nil || m.Truncated || len(m.Answer) != 1 {
			t.Errorf("%s, another prefix: got %v, %v", client, m, err)
		}
	}
	m, err := from(t, "127.1.0.10", server, "nothing.hard.test.", 5*time.Second)
	if err != nil || m.Truncated || m.Rcode != dns.RcodeNameError {
		t.Errorf("the neighbour, another kind of answer: got %v, %v", m, err)
	}
	// Exempt from now on, whatever it owes.
	limits.Exempt = []netip.Prefix{netip.MustParsePrefix("127.1.0.0/24")}
	limiter.Set(limits)
	for range 20 {
		m, err := from(t, "127.1.0.9", server, "mail.hard.test.", 5*time.Second)
		if err != nil || m.Truncated || len(m.Answer) != 1 {
			t.Fatalf("exempt: got %v, %v", m, err)
		}
	}
}
