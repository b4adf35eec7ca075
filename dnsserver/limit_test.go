package dnsserver

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

func rates(n, slip int, exempt ...netip.Prefix) edge.Limits {
	l := edge.Limits{Slip: slip, Exempt: exempt}
	for c := range l.Rates {
		l.Rates[c] = n
	}
	return l
}

// limitedServer has no sockets: its packets are handed to handle, in virtual time.
func limitedServer(t testing.TB, limits edge.Limits) *Server {
	table := hardTable(t)
	s := &Server{cfg: Config{Table: func() *zones.Table { return table }}, logger: slog.New(slog.DiscardHandler), began: time.Now()}
	s.cfg.Limiter = edge.NewLimiter(edge.Table{Accounts: edge.DefaultAccounts, IPv4: 24, IPv6: 56}, limits)
	s.cfg.Cookies = new(edge.Jar)
	s.cfg.Cookies.Set([16]byte{1})
	return s
}

func wireOf(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func parse(t testing.TB, wire []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("%x: %v", wire, err)
	}
	return m
}

// What is sent above the rate, for each class and kind of client: never more bytes than the query had but
// for a cookie, with nothing in it but header, question and OPT.
func TestSlip(t *testing.T) {
	client := netip.MustParseAddr("192.0.2.7")
	for _, tt := range []struct {
		name, qname string
		qtype       uint16
		edns        bool
		cookie      string
		rcode       int
		tc          bool
	}{
		{"positive", "big.hard.test.", dns.TypeTXT, true, "", dns.RcodeSuccess, true},
		{"positive, plain", "mail.hard.test.", dns.TypeA, false, "", dns.RcodeSuccess, true},
		{"no data", "mail.hard.test.", dns.TypeAAAA, true, "", dns.RcodeSuccess, true},
		{"nxdomain", "nothing.hard.test.", dns.TypeA, true, "", dns.RcodeSuccess, true},
		{"refused", "example.org.", dns.TypeA, true, "", dns.RcodeRefused, false},
		{"refused, plain", "example.org.", dns.TypeA, false, "", dns.RcodeRefused, false},
		{"client cookie", "mail.hard.test.", dns.TypeA, true, "0102030405060708", dns.RcodeBadCookie, false},
		{"bad cookie", "mail.hard.test.", dns.TypeA, true, "010203040506070801000000000000000102030405060708", dns.RcodeBadCookie, false},
		{"bad cookie, refused", "example.org.", dns.TypeA, true, "0102030405060708", dns.RcodeBadCookie, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := limitedServer(t, rates(1, 1))
			q := new(dns.Msg).SetQuestion(tt.qname, tt.qtype)
			if tt.edns {
				q.SetEdns0(4096, true)
			}
			if tt.cookie != "" {
				q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: tt.cookie}}
			}
			query := wireOf(t, q)
			full := s.handle(packet{wire: query, client: client})
			out := s.handle(packet{wire: query, client: client})
			m := parse(t, out)
			if m.Id != q.Id || !m.Response || len(m.Question) != 1 || m.Question[0] != q.Question[0] {
				t.Errorf("no response to it: %v", m)
			}
			if m.Rcode != tt.rcode || m.Truncated != tt.tc {
				t.Errorf("got %s tc %v, want %s tc %v", dns.RcodeToString[m.Rcode], m.Truncated, dns.RcodeToString[tt.rcode], tt.tc)
			}
			if len(m.Answer)+len(m.Ns) > 0 || (m.IsEdns0() != nil) != tt.edns {
				t.Errorf("got %v", m)
			}
			more := 0
			if tt.cookie != "" {
				more = 16
			}
			if len(out) > len(query)+more || len(out) > len(full) {
				t.Errorf("%d bytes for a query of %d, that is answered with %d", len(out), len(query), len(full))
			}
			if tt.cookie == "" {
				return
			}
			// The cookie that came is good for an answer, limits or not.
			q.IsEdns0().Option = m.IsEdns0().Option
			for range 10 {
				if m := parse(t, s.handle(packet{wire: wireOf(t, q), client: client})); m.Rcode == dns.RcodeBadCookie || m.Truncated {
					t.Fatalf("with its cookie: got %v", m)
				}
			}
		})
	}
}

func TestClassOf(t *testing.T) {
	s := limitedServer(t, edge.Limits{})
	for _, tt := range []struct {
		qname string
		qtype uint16
		want  edge.Class
	}{
		{"mail.hard.test.", dns.TypeA, edge.Positive},
		{"big.hard.test.", dns.TypeTXT, edge.Positive}, // truncated
		{"mail.hard.test.", dns.TypeAAAA, edge.NoData},
		{"nothing.hard.test.", dns.TypeA, edge.NXDomain},
		{"example.org.", dns.TypeA, edge.Failure},
	} {
		q := new(dns.Msg).SetQuestion(tt.qname, tt.qtype)
		s.handle(packet{wire: wireOf(t, q), client: netip.MustParseAddr("192.0.2.7")})
		if got := s.workers[0].plain.Class(); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.qname, dns.Type(tt.qtype), got, tt.want)
		}
	}
}

// Streams are never limited, and what is limited is counted.
func TestLimitTransports(t *testing.T) {
	s := limitedServer(t, rates(1, 0))
	wire := wireOf(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
	client := netip.MustParseAddr("192.0.2.7")
	for range 10 {
		if s.handle(packet{wire: wire, client: client, via: TCP}) == nil {
			t.Fatal("dropped over TCP")
		}
	}
	for i := range 10 {
		if got, want := s.handle(packet{wire: wire, client: client}) != nil, i == 0; got != want {
			t.Errorf("packet %d over UDP: answered %v, want %v", i, got, want)
		}
	}
	asked, answered := uint64(0), uint64(0)
	st := s.Stats()
	for _, c := range st.Requests {
		asked += c.N
	}
	for _, c := range st.Responses {
		answered += c.N
	}
	if asked != 20 || answered != 11 {
		t.Errorf("counted %d queries and %d responses, want 20 and 11", asked, answered)
	}
	for _, d := range st.Dropped {
		if want := map[string]uint64{"rate_limit": 9}[d.Reason]; d.N != want {
			t.Errorf("counted %d %s, want %d", d.N, d.Reason, want)
		}
	}
}

// A flood of 50,000 queries a second from forged addresses of one /24 gets at most a tenth of the bytes that
// it would get without limits, and an honest client elsewhere gets every answer. `make bench-rrl` shows the
// same over sockets.
func TestFloodIsWorthLittle(t *testing.T) {
	const perMilli, millis = 50, 2000
	synctest.Test(t, func(t *testing.T) {
		s := limitedServer(t, edge.Limits{Rates: [edge.Classes]int{1000, 1000, 500, 100}, Slip: 2})
		q := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).SetEdns0(1232, false)
		wire, honest := wireOf(t, q), netip.MustParseAddr("198.51.100.7")
		whole := len(s.handle(packet{wire: wire, client: netip.MustParseAddr("203.0.113.1")}))
		got, lost := 0, 0
		for ms := range millis {
			for i := range perMilli {
				n := ms*perMilli + i
				got += len(s.handle(packet{wire: wire, client: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}))
			}
			if ms%10 == 0 { // 100 a second
				if m := parse(t, s.handle(packet{wire: wire, client: honest})); m.Truncated || len(m.Answer) == 0 {
					lost++
				}
			}
			time.Sleep(time.Millisecond)
		}
		share := float64(got) / float64(whole*perMilli*millis)
		if share > 0.10 || share < 0.01 || lost > 0 {
			t.Errorf("the flood got %.1f%% of the bytes, at most 10 are due; the honest client lost %d answers", 100*share, lost)
		}
		t.Logf("the flood got %.1f%% of the bytes, the honest client lost nothing", 100*share)
	})
}

// The log tells who is limited, in few lines.
func TestLimitLog(t *testing.T) {
	var b bytes.Buffer
	l := limitLog{logger: slog.New(slog.NewTextHandler(&b, nil))}
	now := time.Unix(1000, 0)
	e := edge.Episode{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Class: edge.NXDomain}
	l.tell(now, []edge.Episode{e})
	e.Over, e.Lasted, e.Sent, e.Slipped, e.Dropped = true, 90*time.Second, 1, 2, 3
	l.tell(now.Add(2*time.Minute), []edge.Episode{e})
	for _, want := range []string{`level=WARN msg="responses limited" prefix=192.0.2.0/24 class=nxdomain`,
		`level=INFO msg="responses no longer limited" prefix=192.0.2.0/24 class=nxdomain lasted=1m30s sent=1 slipped=2 dropped=3`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %s, want %s", b.String(), want)
		}
	}
	b.Reset()
	for s := range 120 { // two minutes of ten beginnings a second
		l.tell(now.Add(time.Hour+time.Duration(s)*time.Second), make([]edge.Episode, 10))
	}
	l.tell(now.Add(time.Hour+2*time.Minute), nil)
	if n := strings.Count(b.String(), "\n"); n != 2*limitLines+2 {
		t.Errorf("%d lines in two minutes, want %d and the two sums", n, 2*limitLines)
	}
	if want := fmt.Sprintf("beginnings_and_ends=%d", 600-limitLines); strings.Count(b.String(), want) != 2 {
		t.Errorf("want two of %s", want)
	}
}
