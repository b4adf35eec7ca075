package packed_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// benchNames is how many names of each kind there are, asked in turn.
const benchNames = 2048

// benchTable is 10,240 names and 1,000 pools.
func benchTable(t testing.TB) *zones.Table {
	var text strings.Builder
	text.WriteString("$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n")
	text.WriteString("*.wild A 192.0.2.3\nsub NS ns1.sub\nsub NS ns2.sub\nns1.sub A 192.0.2.4\nns2.sub A 192.0.2.5\n")
	for i := range benchNames {
		fmt.Fprintf(&text, "h%d A 192.0.2.%d\nh%d A 192.0.3.%d\n", i, i%256, i, i%256)
		fmt.Fprintf(&text, "s%d AAAA 2001:db8::%x\n", i, i)
		fmt.Fprintf(&text, "mx%d MX 10 h%d\n", i, i)
		fmt.Fprintf(&text, "alias%d CNAME h%d\n", i, i)
		fmt.Fprintf(&text, "txt%d TXT \"a text of some length, as people write them %d\"\n", i, i)
	}
	src := zonetest.Master(t, "gslb.example.", text.String())
	for i := range 250 {
		for _, kind := range []policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind} {
			p := zones.Pool{Name: fmt.Sprintf("%v%d", kind, i), Policy: kind, TTL: zones.TTL{Min: 30, Max: 30}}
			for m := range 4 {
				p.Members = append(p.Members, zones.Member{Name: fmt.Sprint(m), Weight: m + 1, Priority: m / 2, Addrs: []zones.MemberAddr{
					{Addr: netip.AddrFrom4([4]byte{203, 0, byte(i), byte(m)})},
				}})
			}
			src.Pools = append(src.Pools, p)
		}
	}
	for i := range benchNames {
		for _, kind := range []policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind} {
			d := zones.Dynamic{
				Owner: zonetest.Name(t, fmt.Sprintf("%v-%d.gslb.example.", kind, i)),
				Rules: []zones.Rule{{Pool: fmt.Sprintf("%v%d", kind, i%250)}},
			}
			src.Dynamic = append(src.Dynamic, d)
		}
	}
	return zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{})
}

// A question is one kind of query: %d in its name is another number each time.
type question struct {
	kind, name string
	qtype      uint16
	edns       bool
}

var questions = []question{
	{"A", "h%d.gslb.example.", dns.TypeA, false},
	{"A EDNS DO", "h%d.gslb.example.", dns.TypeA, true},
	{"AAAA", "s%d.gslb.example.", dns.TypeAAAA, false},
	{"TXT", "txt%d.gslb.example.", dns.TypeTXT, false},
	{"MX", "mx%d.gslb.example.", dns.TypeMX, false},
	{"NODATA", "h%d.gslb.example.", dns.TypeAAAA, false},
	{"NXDOMAIN", "nx%d.gslb.example.", dns.TypeA, false},
	{"wildcard", "x%d.wild.gslb.example.", dns.TypeA, false},
	{"CNAME", "alias%d.gslb.example.", dns.TypeA, false},
	{"referral", "x%d.sub.gslb.example.", dns.TypeA, false},
	{"REFUSED", "x%d.example.", dns.TypeA, false},
	{"failover", "failover-%d.gslb.example.", dns.TypeA, false},
	{"all", "all-%d.gslb.example.", dns.TypeA, false},
	{"all EDNS DO", "all-%d.gslb.example.", dns.TypeA, true},
	{"weighted", "weighted-%d.gslb.example.", dns.TypeA, false},
	{"hash", "hash-%d.gslb.example.", dns.TypeA, false},
}

// wires are the queries of one kind.
func (q question) wires(t testing.TB) [][]byte {
	out := make([][]byte, benchNames)
	for i := range out {
		m := new(dns.Msg)
		m.SetQuestion(strings.ReplaceAll(q.name, "%d", fmt.Sprint(i*7919%benchNames)), q.qtype)
		if q.edns {
			m.SetEdns0(1232, true)
		}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out[i] = append(wire, make([]byte, 64)...)[:len(wire)]
	}
	return out
}

// asking returns a function that reads and answers the i-th query of a kind.
func (q question) asking(t testing.TB, table *zones.Table) func(i int) {
	wires, out, a := q.wires(t), make([]byte, 1232), packed.New("ns1", 1232)
	in, query := edge.Request{Client: netip.MustParseAddr("192.0.2.200")}, new(edge.Query)
	return func(i int) {
		in.Draw += 0x9e3779b97f4a7c15
		if edge.Read(wires[i%benchNames], query) != edge.OK {
			t.Fatal("not read")
		}
		if _, _, ok := a.Answer(table, query, &in, out); !ok {
			t.Fatal("not answered")
		}
	}
}

// No kind of query takes an allocation.
func TestNoAllocations(t *testing.T) {
	table := benchTable(t)
	for _, q := range questions {
		ask, i := q.asking(t, table), 0
		if n := testing.AllocsPerRun(100, func() { ask(i); i++ }); n > 0 {
			t.Errorf("%s: %v allocations", q.kind, n)
		}
	}
}

// What a query costs from its bytes to those of its response.
func BenchmarkAnswer(b *testing.B) {
	table := benchTable(b)
	for _, q := range questions {
		b.Run(q.kind, func(b *testing.B) {
			ask := q.asking(b, table)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ask(i)
			}
		})
	}
}
