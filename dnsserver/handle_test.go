package dnsserver

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/test/zonetest"
	"vitalns/zones"
)

func hardTable(t testing.TB) *zones.Table {
	set := zonetest.Compile(t, zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone))
	return zones.NewTable(set, &checks.Snapshot{})
}

// newFast makes the fast path of a server that has no name.
func newFast() Fast { return packed.New("", DefaultUDPSize) }

// bareServer has no sockets.
func bareServer(table *zones.Table, fast func() Fast) *Server {
	return &Server{
		cfg:    Config{Table: func() *zones.Table { return table }, Fast: fast, UDPSize: DefaultUDPSize, Cookies: testJar()},
		logger: slog.New(slog.DiscardHandler), began: time.Now(),
	}
}

func testJar() *edge.Jar {
	jar := new(edge.Jar)
	jar.Set([16]byte{1})
	return jar
}

// FuzzHandle: whatever arrives, nothing panics; what is answered is a response to it, of the id it had,
// and fits the transport. White box, because a socket would be slow.
func FuzzHandle(f *testing.F) {
	for _, qname := range []string{"mail.hard.test.", "x.moved.hard.test.", "hard.test."} {
		wire, err := new(dns.Msg).SetQuestion(qname, dns.TypeMX).SetEdns0(4096, true).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, false)
		f.Add(wire[:len(wire)-5], true)
		f.Add(wire[:13], false)
	}
	table := hardTable(f)
	plain, fast := bareServer(table, nil), bareServer(table, newFast)
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		via := UDP
		if tcp {
			via = TCP
		}
		p := packet{wire: wire, client: netip.MustParseAddr("127.0.0.1"), via: via}
		s, out := plain, plain.handle(p)
		if got := fast.handle(p); !bytes.Equal(got, out) {
			t.Fatalf("%x got %x on the fast path, want %x", wire, got, out)
		}
		if n := s.stats.panics.Load() + fast.stats.panics.Load(); n > 0 {
			t.Fatalf("%d panics", n)
		}
		answerable := len(wire) >= 12 && wire[2]&0x80 == 0
		if answerable != (out != nil) {
			t.Fatalf("%x got %x", wire, out)
		}
		if out == nil {
			return
		}
		if binary.BigEndian.Uint16(out) != binary.BigEndian.Uint16(wire) || out[2]&0x80 == 0 {
			t.Fatalf("%x got %x, which is no response to it", wire, out)
		}
		if !tcp && len(out) > DefaultUDPSize {
			t.Fatalf("%d bytes over UDP", len(out))
		}
		if err := new(dns.Msg).Unpack(out); err != nil {
			t.Fatalf("%x got %x: %v", wire, out, err)
		}
	})
}

// question packs a question with EDNS and a cookie.
func question(t testing.TB, qname string, qtype uint16) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion(qname, qtype).SetEdns0(1232, true)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
	return wireOf(t, m)
}

// A query on the fast path takes no allocation, counters, cookies and limits included. The plain path is a
// reference, not a race car; it is still not to grow without notice.
func TestAnswerAllocs(t *testing.T) {
	table, client, out := hardTable(t), netip.MustParseAddr("127.0.0.1"), make([]byte, DefaultUDPSize)
	for _, tt := range []struct {
		name   string
		fast   func() Fast
		budget float64
	}{{"fast", newFast, 0}, {"plain", nil, 30}} {
		s := bareServer(table, tt.fast)
		s.cfg.Limiter = edge.NewLimiter(edge.Table{Accounts: edge.MinAccounts, IPv4: 24, IPv6: 56}, rates(1000, 2))
		w := s.newWorker()
		p := packet{wire: question(t, "mail.hard.test.", dns.TypeA), client: client}
		n := testing.AllocsPerRun(200, func() {
			w.begin(time.Now())
			if w.answer(&p, out) == nil {
				t.Fatal("no answer")
			}
			w.end(time.Now())
		})
		if n > tt.budget {
			t.Errorf("%s: an answer takes %v allocations, the budget is %v", tt.name, n, tt.budget)
		}
	}
}

// What a query costs besides its socket, with everything switched on.
func BenchmarkWorker(b *testing.B) {
	table, client, out := hardTable(b), netip.MustParseAddr("192.0.2.1"), make([]byte, DefaultUDPSize)
	for _, path := range []struct {
		name string
		fast func() Fast
	}{{"fast", newFast}, {"plain", nil}} {
		for _, qname := range []string{"mail.hard.test.", "alias3.hard.test.", "nx.hard.test.", "www.sub.hard.test."} {
			s := bareServer(table, path.fast)
			s.cfg.Limiter = edge.NewLimiter(edge.Table{Accounts: edge.DefaultAccounts, IPv4: 24, IPv6: 56}, rates(edge.MaxRate, 2))
			w, p := s.newWorker(), packet{wire: question(b, qname, dns.TypeA), client: client}
			b.Run(path.name+"/"+qname, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.begin(time.Now())
					for range 32 {
						w.answer(&p, out)
					}
					w.end(time.Now())
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/query")
			})
		}
	}
}
