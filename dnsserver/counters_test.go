package dnsserver

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// counted is a table of zones, in this order, with one pool each of these targets.
func counted(t testing.TB, targets []string, origins ...string) *zones.Table {
	var all []*zones.Source
	for _, origin := range origins {
		src := zonetest.Master(t, origin, "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n@ NS ns.other.\nwww A 192.0.2.1\n")
		p := zones.Pool{Name: "web", Policy: policy.AllKind, TTL: zones.TTL{Min: 30, Max: 30}}
		for i, name := range targets {
			addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
			p.Members = append(p.Members, zones.Member{Name: name, Weight: 1, Addrs: []zones.MemberAddr{{Addr: addr}}})
		}
		src.Pools = []zones.Pool{p}
		src.Dynamic = []zones.Dynamic{{Owner: zonetest.Name(t, "pool."+origin), Rules: []zones.Rule{{Pool: "web"}}}}
		all = append(all, src)
	}
	return zones.NewTable(zonetest.Compile(t, all...), &checks.Snapshot{})
}

// Counts go on under their labels when a reload moves zones and targets to other places, and both paths
// count alike.
func TestCountersOutliveReloads(t *testing.T) {
	tables := []*zones.Table{
		counted(t, []string{"lon", "fra"}, "one.test.", "two.test."),
		counted(t, []string{"fra", "lon", "nyc"}, "zero.test.", "two.test.", "one.test."),
		counted(t, []string{"lon", "fra"}, "one.test."),
	}
	client := netip.MustParseAddr("192.0.2.9")
	var shown []string
	for _, fast := range []func() Fast{nil, newFast} {
		s := bareServer(nil, fast)
		for _, table := range tables {
			s.cfg.Table = func() *zones.Table { return table }
			for _, qname := range []string{"www.one.test.", "pool.one.test.", "pool.two.test.", "pool.zero.test.", "nx.one.test."} {
				s.handle(packet{wire: question(t, qname, dns.TypeA), client: client})
			}
		}
		st := s.Stats()
		got := fmt.Sprint(st.Targets, st.Requests, st.Responses)
		want := "[{one.test web fra 3} {one.test web lon 3} {one.test web nyc 1} {two.test web fra 2} {two.test web lon 2} {two.test web nyc 1} " +
			"{zero.test web fra 1} {zero.test web lon 1} {zero.test web nyc 1}] " +
			"[{none udp 4 A 3} {one.test udp 4 A 9} {two.test udp 4 A 2} {zero.test udp 4 A 1}] " +
			"[{none REFUSED error 3} {one.test NOERROR static 3} {one.test NOERROR pool 3} {one.test NXDOMAIN negative 3} " +
			"{two.test NOERROR pool 2} {zero.test NOERROR pool 1}]"
		if got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
		shown = append(shown, fmt.Sprint(st.Sizes, st.ECS, st.Truncated, st.Cookies, st.Dropped))
	}
	if shown[0] != shown[1] {
		t.Errorf("the plain path counts:\n%s\nthe fast one:\n%s", shown[0], shown[1])
	}
}

// Nothing is lost and nothing torn when workers count while others sum up.
func TestCountersTogether(t *testing.T) {
	const workers, queries = 4, 500
	s := bareServer(counted(t, []string{"lon"}, "one.test."), newFast)
	wire := question(t, "pool.one.test.", dns.TypeA)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range queries {
				s.handle(packet{wire: wire, client: netip.MustParseAddr("2001:db8::1")})
			}
		})
	}
	sum := func() uint64 {
		if st := s.Stats(); len(st.Requests) > 0 {
			return st.Requests[0].N
		}
		return 0
	}
	for last := uint64(0); last < workers*queries; {
		n := sum()
		if n < last || n > workers*queries {
			t.Fatalf("%d queries counted after %d, of %d", n, last, workers*queries)
		}
		last = n
	}
	wg.Wait()
	st := s.Stats()
	if fmt.Sprint(st.Targets, st.Requests) != fmt.Sprintf("[{one.test web lon %d}] [{one.test udp 6 A %d}]", workers*queries, workers*queries) {
		t.Errorf("got %v %v", st.Targets, st.Requests)
	}
	if n := len(s.workers); n > workers {
		t.Errorf("%d workers for %d at once", n, workers)
	}
}
