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

// Every name of the hard zone, and names around them, times many types: our response is that of another
// server, in rcode, AA and every section. Where servers may differ, normal and accepted say how.
func TestRespondAsOthersDo(t *testing.T) {
	src := zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone)
	table := zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{})
	for _, other := range []struct {
		name  string
		start func(*testing.T, string, string) string
	}{{"nsd", startNSD}, {"knot", startKnot}} {
		t.Run(other.name, func(t *testing.T) {
			addr := other.start(t, zonetest.HardOrigin, zonetest.HardZone)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			c := &dns.Conn{Conn: conn}
			defer c.Close()
			failed, asked := 0, 0
			for _, qname := range questions(src) {
				for _, qtype := range questionTypes {
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
					ours := dnsserver.Respond(table, dnsserver.Query{Msg: query, TCP: true})
					want, got := normal(theirs), normal(ours)
					if got != want && !accepted(other.name, query.Question[0], ours, theirs) {
						if failed++; failed <= 30 {
							t.Errorf("%s %s\nours:\n%s\n%s:\n%s", qname, dns.Type(qtype), got, other.name, want)
						}
					}
				}
			}
			t.Logf("%d questions, %d answered otherwise", asked, failed)
		})
	}
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
	for _, set := range src.Records {
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
func accepted(server string, q dns.Question, ours, theirs *dns.Msg) bool {
	bare := func(m *dns.Msg) string {
		m = m.Copy()
		m.Extra = nil
		return normal(m)
	}
	if bare(ours) != bare(theirs) || !slices.ContainsFunc(ours.Answer, leadsOn) {
		return false
	}
	switch qname := strings.ToLower(q.Name); server {
	case "nsd": // with minimal-responses it adds addresses for name servers alone
		return len(theirs.Extra) == 1
	case "knot":
		// It adds addresses below a zone cut to an MX, which we are not authoritative for, and none where
		// a service is at its own name.
		return qname == "hard.test." && q.Qtype == dns.TypeMX || qname == "svc.hard.test." && q.Qtype == dns.TypeHTTPS
	}
	return false
}

func leadsOn(rr dns.RR) bool {
	switch rr.Header().Rrtype {
	case dns.TypeMX, dns.TypeSRV, dns.TypeSVCB, dns.TypeHTTPS:
		return true
	}
	return false
}
