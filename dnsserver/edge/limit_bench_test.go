package edge_test

import (
	"net/netip"
	"testing"
	"time"

	"vitalns/dnsserver/edge"
)

var defaultLimits = edge.Limits{
	Rates: [edge.Classes]int{edge.Positive: 1000, edge.NoData: 1000, edge.NXDomain: 500, edge.Failure: 100}, Slip: 2,
	Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
}

var defaultTable = edge.Table{Accounts: edge.DefaultAccounts, IPv4: 24, IPv6: 56}

func client(i int) netip.Addr { // of another /24 each
	return netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 7})
}

func client6(i int) netip.Addr { // of another /56 each
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i), 15: 7})
}

// One call where nothing is limited: 64 prefixes in turn, each far below its rate.
func BenchmarkLimiter(b *testing.B) {
	b.Run("IPv4", func(b *testing.B) { benchmarkLimiter(b, client) })
	b.Run("IPv6", func(b *testing.B) { benchmarkLimiter(b, client6) })
}

func benchmarkLimiter(b *testing.B, client func(int) netip.Addr) {
	clients := make([]netip.Addr, 64)
	for i := range clients {
		clients[i] = client(i)
	}
	l, now := edge.NewLimiter(defaultTable, defaultLimits), time.Duration(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += 100 * time.Microsecond
		if l.Check(now, clients[i&63], edge.Positive) != edge.Send {
			b.Fatal("limited")
		}
	}
}

func BenchmarkLimiterExempt(b *testing.B) {
	l, c := edge.NewLimiter(defaultTable, defaultLimits), netip.MustParseAddr("127.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		if l.Check(0, c, edge.Positive) != edge.Send {
			b.Fatal("limited")
		}
	}
}

// One prefix far above its rate.
func BenchmarkLimiterFlood(b *testing.B) {
	l, c, now := edge.NewLimiter(defaultTable, defaultLimits), client(1), time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += time.Microsecond
		l.Check(now, c, edge.Positive)
	}
}

// Each query of another prefix, 16 million of them.
func BenchmarkLimiterSpoofed(b *testing.B) {
	l, now := edge.NewLimiter(defaultTable, defaultLimits), time.Duration(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += time.Microsecond
		l.Check(now, client(i), edge.Positive)
	}
}
