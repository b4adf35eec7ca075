package dnsserver

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
)

func hardTable(t testing.TB) *zones.Table {
	set := zonetest.Compile(t, zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone))
	return zones.NewTable(set, &checks.Snapshot{})
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
	s := &Server{cfg: Config{Table: func() *zones.Table { return table }}, logger: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		via := UDP
		if tcp {
			via = TCP
		}
		out := s.handle(packet{wire: wire, client: netip.MustParseAddr("127.0.0.1"), via: via})
		if n := s.stats.panics.Load(); n > 0 {
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

// The plain path is a reference, not a race car; it is still not to grow without notice.
func TestHandleAllocs(t *testing.T) {
	const budget = 30
	table := hardTable(t)
	s := &Server{cfg: Config{Table: func() *zones.Table { return table }}, logger: slog.New(slog.DiscardHandler)}
	wire, err := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).SetEdns0(1232, false).Pack()
	if err != nil {
		t.Fatal(err)
	}
	p := packet{wire: wire, client: netip.MustParseAddr("127.0.0.1")}
	if n := testing.AllocsPerRun(200, func() { s.handle(p) }); n > budget {
		t.Errorf("an answer takes %v allocations, the budget is %d", n, budget)
	} else {
		t.Logf("an answer takes %v allocations", n)
	}
}

func BenchmarkHandle(b *testing.B) {
	table := hardTable(b)
	s := &Server{cfg: Config{Table: func() *zones.Table { return table }}, logger: slog.New(slog.DiscardHandler)}
	for _, qname := range []string{"mail.hard.test.", "alias3.hard.test.", "nx.hard.test.", "www.sub.hard.test."} {
		wire, err := new(dns.Msg).SetQuestion(qname, dns.TypeA).SetEdns0(1232, false).Pack()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(qname, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.handle(packet{wire: wire, client: netip.MustParseAddr("127.0.0.1")})
			}
		})
	}
}
