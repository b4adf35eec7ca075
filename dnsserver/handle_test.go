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

// asking returns a function that has a worker answer the i-th query of a kind, with everything switched on.
func asking(t testing.TB, table *zones.Table, fast func() Fast, q zonetest.Question, cookie []byte) func(i int) {
	s := bareServer(table, fast)
	s.cfg.Limiter = edge.NewLimiter(edge.Table{Accounts: edge.DefaultAccounts, IPv4: 24, IPv6: 56}, rates(edge.MaxRate, 2))
	w, wires, out := s.newWorker(), q.Wires(t, cookie), make([]byte, DefaultUDPSize)
	return func(i int) {
		if i%32 == 0 {
			w.begin(time.Now())
		}
		p := packet{wire: wires[i%len(wires)], client: netip.AddrFrom4([4]byte{192, 0, byte(i), 1})} // none above the rate
		if w.answer(&p, out) == nil {
			t.Fatalf("%s: no answer", q.Kind)
		}
		if i%32 == 31 {
			w.end(time.Now())
		}
	}
}

// dresses are what a query has besides its question.
var dresses = []struct {
	name   string
	cookie []byte
}{{"plain", nil}, {"cookie", []byte{1, 2, 3, 4, 5, 6, 7, 8}}}

// A query on the fast path takes no allocation, counters, cookies and limits included. The plain path is a
// reference, not a race car; it is still not to grow without notice.
func TestAnswerAllocs(t *testing.T) {
	table := zonetest.Mixture(t)
	for _, q := range zonetest.Questions {
		for _, dress := range dresses {
			for _, path := range []struct {
				name   string
				fast   func() Fast
				budget float64
			}{{"fast", newFast, 0}, {"plain", nil, 50}} {
				ask, i := asking(t, table, path.fast, q, dress.cookie), 0
				for ; i < zonetest.MixtureNames; i++ { // what is counted gets its place
					ask(i)
				}
				if n := testing.AllocsPerRun(100, func() { ask(i); i++ }); n > path.budget {
					t.Errorf("%s %s %s: %v allocations, the budget is %v", path.name, q.Kind, dress.name, n, path.budget)
				}
			}
		}
	}
}

// What a query costs besides its socket, with everything switched on.
func BenchmarkWorker(b *testing.B) {
	table := zonetest.Mixture(b)
	for _, path := range []struct {
		name string
		fast func() Fast
	}{{"fast", newFast}, {"plain", nil}} {
		for _, q := range zonetest.Questions {
			for _, dress := range dresses {
				b.Run(path.name+"/"+q.Kind+"/"+dress.name, func(b *testing.B) {
					ask := asking(b, table, path.fast, q, dress.cookie)
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						ask(i)
					}
				})
			}
		}
	}
}
