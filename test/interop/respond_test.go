package interop

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/test/zonetest"
	"vitalns/zones"
)

var others = references[:2]

// Every name of the hard zone, and names around them, times many types.
func TestRespondAsOthersDo(t *testing.T) {
	names := questions(zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone))
	for _, other := range others {
		t.Run(other.name, func(t *testing.T) {
			compare(t, other, zonetest.HardOrigin, zonetest.HardZone, names, questionTypes)
		})
	}
}

// compare holds our responses against another server's: rcode, AA, TC and every section. Where servers
// may differ, normal and accepted say how.
func compare(t *testing.T, other server, origin, zone string, names []string, types []uint16) {
	t.Helper()
	table := zones.NewTable(zonetest.Compile(t, zonetest.Master(t, origin, zone)), &checks.Snapshot{})
	conn, err := net.Dial("tcp", other.start(t, master{origin, zone}))
	if err != nil {
		t.Fatal(err)
	}
	c := &dns.Conn{Conn: conn}
	defer c.Close()
	failed, asked := 0, 0
	for _, qname := range names {
		for _, qtype := range types {
			query := new(dns.Msg).SetQuestion(qname, qtype).SetEdns0(1232, false)
			query.RecursionDesired = false
			_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // a loopback connection takes a deadline
			if err := c.WriteMsg(query); err != nil {
				t.Fatalf("%s %s: %v", qname, dns.Type(qtype), err)
			}
			theirs, err := c.ReadMsg()
			if err != nil {
				t.Fatalf("%s %s: %v", qname, dns.Type(qtype), err)
			}
			asked++
			ours := overTCP(t, table, query)
			want, got := normal(theirs), normal(ours)
			if got != want && !accepted(t, table, other.name, ours, theirs) {
				if failed++; failed <= 10 {
					t.Errorf("%s %s\nours:\n%s\n%s:\n%s", qname, dns.Type(qtype), got, other.name, want)
				}
			}
		}
	}
	t.Logf("%d questions, %d answered otherwise", asked, failed)
}

// overTCP is what we answer over TCP.
func overTCP(t *testing.T, table *zones.Table, query *dns.Msg) *dns.Msg {
	t.Helper()
	q, err := dnsserver.NewQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q.Via = dnsserver.TCP
	return dnsserver.Respond(table, q)
}

var questionTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeTXT, dns.TypeSRV, dns.TypeCNAME,
	dns.TypeDNAME, dns.TypeDS, dns.TypeCAA, dns.TypeHTTPS, dns.TypeSVCB, dns.TypePTR, 65300,
}

// questions returns every owner of a zone, every name above one, and names beside, below, and under
// wildcards.
func questions(src *zones.Source) []string {
	seen := map[string]bool{"other.": true, "nothard.test.": true, "test.": true}
	long := strings.Repeat("x", 60)
	for set := range src.Records.All() {
		for n := set.Owner; n.IsSubdomainOf(src.Origin); n = n.Parent() {
			s := n.String()
			for _, q := range []string{
				s, "nx." + s, "a.nx." + s, "*." + s, "_nx._tcp." + s, "WwW." + s, "sub." + s, strings.ToUpper(s),
				long + "." + long + "." + s,
			} {
				if _, err := zones.ParseName(q); err == nil {
					seen[q] = true
				}
			}
		}
	}
	var all []string
	for q := range seen {
		all = append(all, q)
	}
	slices.Sort(all)
	return all
}

// normal prints what is compared of a response: names in lower case, each section sorted.
func normal(m *dns.Msg) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s aa=%v tc=%v\n", dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated)
	for _, section := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		var lines []string
		for _, rr := range section.rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				lines = append(lines, "  "+section.name+" "+strings.ToLower(rr.String()))
			}
		}
		slices.Sort(lines)
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

// accepted says where another server answers otherwise and both are right: additional records are a
// courtesy.
func accepted(t *testing.T, table *zones.Table, server string, ours, theirs *dns.Msg) bool {
	bare := func(m *dns.Msg) string {
		m = m.Copy()
		m.Extra = nil
		return normal(m)
	}
	if bare(ours) != bare(theirs) || !slices.ContainsFunc(ours.Answer, leadsOn) {
		return false
	}
	if server == "nsd" { // with minimal-responses it adds addresses for name servers alone
		return len(theirs.Extra) == 1
	}
	// Knot adds none for a service at its own name; and it adds addresses below a zone cut, which we are
	// not authoritative for, to more than name servers.
	for _, rr := range theirs.Extra {
		if rr.Header().Rrtype == dns.TypeOPT || slices.ContainsFunc(ours.Extra, func(o dns.RR) bool { return dns.IsDuplicate(o, rr) }) {
			continue
		}
		query := new(dns.Msg).SetQuestion(rr.Header().Name, rr.Header().Rrtype)
		if m := overTCP(t, table, query); m.Authoritative {
			return false
		}
	}
	service := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeHTTPS }
	return len(ours.Extra) <= len(theirs.Extra) || slices.ContainsFunc(ours.Answer, service)
}

func leadsOn(rr dns.RR) bool {
	switch rr.Header().Rrtype {
	case dns.TypeMX, dns.TypeSRV, dns.TypeSVCB, dns.TypeHTTPS:
		return true
	}
	return false
}
