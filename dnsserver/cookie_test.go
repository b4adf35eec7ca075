package dnsserver

import (
	"encoding/hex"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// cookieServer answers for the hard zone, with a cookie secret.
func cookieServer(t testing.TB) *Server {
	table, jar := hardTable(t), new(edge.Jar)
	jar.Set([16]byte{1})
	return &Server{cfg: Config{Table: func() *zones.Table { return table }, Cookies: jar}, logger: slog.New(slog.DiscardHandler)}
}

// ask has the server handle a query with a cookie, in hexadecimal; "" none.
func (s *Server) ask(t testing.TB, m *dns.Msg, cookie, client string, via Transport) *dns.Msg {
	t.Helper()
	m = m.Copy().SetEdns0(1232, false)
	if cookie != "" {
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
	}
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var reply dns.Msg
	if err := reply.Unpack(s.handle(packet{wire: wire, client: netip.MustParseAddr(client), via: via})); err != nil {
		t.Fatal(err)
	}
	return &reply
}

// cookieOf is the cookie of a response; "" none.
func cookieOf(t testing.TB, m *dns.Msg) string {
	t.Helper()
	for _, o := range m.IsEdns0().Option {
		if c, ok := o.(*dns.EDNS0_COOKIE); ok {
			return c.Cookie
		}
	}
	return ""
}

// RFC 7873 §5.2, by its cases, over UDP and TCP: each is answered, and what comes back is valid.
func TestCookies(t *testing.T) {
	const client, mine = "192.0.2.7", "0102030405060708"
	query := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA)
	for _, via := range []Transport{UDP, TCP} {
		s := cookieServer(t)
		// §5.2.1: "If there is no COOKIE option in the request, the server [answers] as if DNS Cookies were not supported".
		if got := cookieOf(t, s.ask(t, query, "", client, via)); got != "" {
			t.Errorf("%s, no cookie: got %s", via, got)
		}
		// §5.2.2: "If the COOKIE option is not of a valid length, FORMERR".
		for _, bad := range []string{"01020304050607", mine + "01", mine + strings.Repeat("00", 33)} {
			m := s.ask(t, query, bad, client, via)
			if m.Rcode != dns.RcodeFormatError || len(m.Answer) > 0 || cookieOf(t, m) != "" || len(m.Question) != 1 {
				t.Errorf("%s, cookie %s: got %v", via, bad, m)
			}
		}
		// §5.2.3: the client cookie alone is answered, with a server cookie.
		m := s.ask(t, query, mine, client, via)
		full := cookieOf(t, m)
		if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || len(full) != 48 || !strings.HasPrefix(full, mine+"01000000") {
			t.Fatalf("%s, client cookie alone: got %v", via, m)
		}
		// §5.2.4: an invalid server cookie is as none: answered, with a good one.
		m = s.ask(t, query, mine+strings.Repeat("ab", 16), client, via)
		if got := cookieOf(t, m); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || got[:24] != full[:24] {
			t.Errorf("%s, invalid server cookie: got %v", via, m)
		}
		// §5.2.5: a valid one comes back.
		m = s.ask(t, query, full, client, via)
		if got := cookieOf(t, m); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || got != full {
			t.Errorf("%s, valid server cookie %s: got %v", via, full, m)
		}
		want := map[string]uint64{"none": 1, "client_only": 1, "bad": 1, "valid": 1}
		for _, c := range s.Stats().Cookies {
			if c.N != want[c.Result] {
				t.Errorf("%s: counted %d with cookie %s, want %d", via, c.N, c.Result, want[c.Result])
			}
		}
	}
}

// RFC 7873 §5.4: without a question, NOERROR with a cookie for a client cookie alone or a valid server
// cookie, BADCOOKIE where it is invalid; without a cookie there is nothing to answer.
func TestCookieWithoutQuestion(t *testing.T) {
	const client, mine = "192.0.2.7", "0102030405060708"
	s := cookieServer(t)
	full := cookieOf(t, s.ask(t, new(dns.Msg), mine, client, UDP))
	for _, tt := range []struct {
		what, cookie string
		rcode        int
	}{
		{"client cookie alone", mine, dns.RcodeSuccess},
		{"valid", full, dns.RcodeSuccess},
		{"invalid", mine + strings.Repeat("00", 16), dns.RcodeBadCookie},
		{"none", "", dns.RcodeFormatError},
	} {
		m := s.ask(t, new(dns.Msg), tt.cookie, client, UDP)
		if m.Rcode != tt.rcode || len(m.Question)+len(m.Answer)+len(m.Ns) > 0 || m.Authoritative {
			t.Errorf("%s: got %v, want rcode %d", tt.what, m, tt.rcode)
		}
		if got := cookieOf(t, m); (got != "") != (tt.cookie != "") || got != "" && got[:24] != full[:24] {
			t.Errorf("%s: got cookie %q", tt.what, got)
		}
	}
}

// A server without a secret answers as one without cookies.
func TestCookieWithoutSecret(t *testing.T) {
	s := cookieServer(t)
	s.cfg.Cookies.Set()
	m := s.ask(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA), "0102030405060708", "192.0.2.7", UDP)
	if m.Rcode != dns.RcodeSuccess || cookieOf(t, m) != "" {
		t.Errorf("got %v", m)
	}
}

// A cookie fits a truncated response, and one is no reason to send more than the client takes.
func TestCookieFits(t *testing.T) {
	s := cookieServer(t)
	m := new(dns.Msg).SetQuestion("big.hard.test.", dns.TypeTXT)
	reply := s.ask(t, m, "0102030405060708", "2001:db8::7", UDP)
	if n := reply.Len(); !reply.Truncated || n > 1232 || cookieOf(t, reply) == "" {
		t.Errorf("got %d bytes: %v", n, reply)
	}
	if raw, err := hex.DecodeString(cookieOf(t, reply)); err != nil || len(raw) != 24 {
		t.Errorf("got cookie %x, %v", raw, err)
	}
}
