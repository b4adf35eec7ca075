package interop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// randomZone returns a zone whose names are few labels in many places, so that wildcards, cuts, aliases
// and redirections meet in ways nobody would write by hand. Nothing stands below a DNAME or beside a
// CNAME: no server loads that.
func randomZone(seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	labels := []string{"a", "b", "c", "*"}
	owner := func() string {
		parts := make([]string, 1+rng.IntN(4))
		for i := range parts {
			parts[i] = labels[rng.IntN(len(labels))]
		}
		return strings.Join(parts, ".")
	}
	target := func() string {
		if rng.IntN(8) == 0 {
			return "x.elsewhere.test."
		}
		return strings.ReplaceAll(owner(), "*", "b")
	}
	records := map[string][]string{}
	var redirected []string
	below := func(name string) bool {
		for _, r := range redirected {
			if strings.HasSuffix(name, "."+r) {
				return true
			}
		}
		return false
	}
	for range 12 {
		if o := owner(); rng.IntN(2) == 0 && !strings.HasPrefix(o, "*") && !below(o) && records[o] == nil {
			to := target()
			if to == o || strings.HasSuffix(to, "."+o) {
				continue // it grows without end: each server has its own bound
			}
			redirected = append(redirected, o)
			records[o] = []string{"DNAME " + to}
		}
	}
	for range 120 {
		o := owner()
		if records[o] != nil || below(o) {
			continue
		}
		switch n := rng.IntN(10); {
		case n < 3:
			records[o] = []string{"CNAME " + target()}
		case n < 4 && !strings.HasPrefix(o, "*"):
			records[o] = []string{"NS " + target(), "NS ns." + o}
			records["ns."+o] = []string{"A 192.0.2.9"}
		case n < 6:
			records[o] = []string{"MX 10 " + target(), `TXT "t"`}
		default:
			records[o] = []string{fmt.Sprintf("A 192.0.2.%d", rng.IntN(250)), "AAAA 2001:db8::1"}
		}
	}
	var b strings.Builder
	b.WriteString("$TTL 600\n@ SOA ns1 admin 1 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n")
	for o, rrs := range records {
		for _, rr := range rrs {
			if !below(o) {
				fmt.Fprintf(&b, "%s %s\n", o, rr)
			}
		}
	}
	return b.String()
}

// Random zones, every name of four labels: our response is that of another server.
func TestRandomZonesAsOthersDo(t *testing.T) {
	types := []uint16{dns.TypeA, dns.TypeNS, dns.TypeMX, dns.TypeCNAME, dns.TypeDNAME, dns.TypeDS, dns.TypeTXT}
	for _, other := range others {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s/%d", other.name, seed), func(t *testing.T) {
				compare(t, other, "rnd.test.", randomZone(seed), allNames("rnd.test."), types)
			})
		}
	}
}

// allNames returns every name of up to four of some labels.
func allNames(origin string) []string {
	all := []string{origin}
	last := []string{origin}
	for range 4 {
		var next []string
		for _, parent := range last {
			for _, l := range []string{"a", "b", "c", "d", "*"} {
				next = append(next, l+"."+parent)
			}
		}
		all = append(all, next...)
		last = next
	}
	return all
}
