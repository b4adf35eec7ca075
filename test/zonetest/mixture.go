package zonetest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// MixtureNames is how many names of each kind a Mixture has, asked in turn.
const MixtureNames = 2048

var mixturePolicies = [...]policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind}

// Mixture is 10,240 static names and 1,000 pools with 8,192 more, of which Questions ask.
func Mixture(t testing.TB) *zones.Table {
	var text strings.Builder
	text.WriteString("$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n")
	text.WriteString("*.wild A 192.0.2.3\nsub NS ns1.sub\nsub NS ns2.sub\nns1.sub A 192.0.2.4\nns2.sub A 192.0.2.5\n")
	for i := range MixtureNames {
		fmt.Fprintf(&text, "h%d A 192.0.2.%d\nh%d A 192.0.3.%d\n", i, i%256, i, i%256)
		fmt.Fprintf(&text, "s%d AAAA 2001:db8::%x\n", i, i)
		fmt.Fprintf(&text, "mx%d MX 10 h%d\n", i, i)
		fmt.Fprintf(&text, "alias%d CNAME h%d\n", i, i)
		fmt.Fprintf(&text, "txt%d TXT \"a text of some length, as people write them %d\"\n", i, i)
	}
	src := Master(t, "gslb.example.", text.String())
	for i := range 250 {
		for _, kind := range mixturePolicies {
			p := zones.Pool{Name: fmt.Sprintf("%v%d", kind, i), Policy: kind, TTL: zones.TTL{Min: 30, Max: 30}}
			for m := range 4 {
				p.Members = append(p.Members, zones.Member{Name: fmt.Sprint(m), Weight: m + 1, Priority: m / 2, Addrs: []zones.MemberAddr{
					{Addr: netip.AddrFrom4([4]byte{203, 0, byte(i), byte(m)})},
				}})
			}
			src.Pools = append(src.Pools, p)
		}
	}
	for i := range MixtureNames {
		for _, kind := range mixturePolicies {
			src.Dynamic = append(src.Dynamic, zones.Dynamic{
				Owner: Name(t, fmt.Sprintf("%v-%d.gslb.example.", kind, i)), Rules: []zones.Rule{{Pool: fmt.Sprintf("%v%d", kind, i%250)}},
			})
		}
	}
	return zones.NewTable(Compile(t, src), &checks.Snapshot{})
}

// A Question is one kind of query of a Mixture: %d in its name is another number each time.
type Question struct {
	Kind, name string
	qtype      uint16
}

// Questions are the kinds of query that there are.
var Questions = []Question{
	{"A", "h%d.gslb.example.", dns.TypeA},
	{"AAAA", "s%d.gslb.example.", dns.TypeAAAA},
	{"TXT", "txt%d.gslb.example.", dns.TypeTXT},
	{"MX", "mx%d.gslb.example.", dns.TypeMX},
	{"NODATA", "h%d.gslb.example.", dns.TypeAAAA},
	{"NXDOMAIN", "nx%d.gslb.example.", dns.TypeA},
	{"wildcard", "x%d.wild.gslb.example.", dns.TypeA},
	{"CNAME", "alias%d.gslb.example.", dns.TypeA},
	{"referral", "x%d.sub.gslb.example.", dns.TypeA},
	{"REFUSED", "x%d.example.", dns.TypeA},
	{"root", ".", dns.TypeNS},
	{"failover", "failover-%d.gslb.example.", dns.TypeA},
	{"all", "all-%d.gslb.example.", dns.TypeA},
	{"weighted", "weighted-%d.gslb.example.", dns.TypeA},
	{"hash", "hash-%d.gslb.example.", dns.TypeA},
}

// Wires are the queries of one kind: with a cookie, EDNS and DO, or without any of them where it is nil.
func (q Question) Wires(t testing.TB, cookie []byte) [][]byte {
	t.Helper()
	out := make([][]byte, MixtureNames)
	for i := range out {
		m := new(dns.Msg).SetQuestion(strings.ReplaceAll(q.name, "%d", fmt.Sprint(i*7919%MixtureNames)), q.qtype)
		if cookie != nil {
			m.SetEdns0(1232, true)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: fmt.Sprintf("%x", cookie)}}
		}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out[i] = wire
	}
	return out
}
