package interop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A randomZone draws a zone whose names are few labels in many places, so that wildcards, cuts, aliases
// and redirections meet in ways nobody would write by hand. Nothing stands below a DNAME or beside a
// CNAME: no server loads that.
type randomZone struct {
	*rand.Rand
	others     []string // names of other zones
	records    map[string][]string
	redirected []string
}

var randomLabels = []string{"a", "b", "c", "*"}

func newRandomZone(rng *rand.Rand, others ...string) string {
	z := randomZone{Rand: rng, others: others, records: map[string][]string{}}
	z.redirect()
	for range 160 {
		if o := z.owner(); z.free(o) {
			z.fill(o)
		}
	}
	lines := []string{
		"$TTL 600", fmt.Sprintf("@ SOA ns1 admin %d 7200 900 1209600 %d", 1+rng.IntN(1000), 60*rng.IntN(20)),
		"@ NS ns1", "@ NS ns.elsewhere.test.", "@ MX 10 " + z.target(), "ns1 A 192.0.2.53",
	}
	var owners []string
	for o := range z.records {
		owners = append(owners, o)
	}
	slices.Sort(owners)
	for _, o := range owners {
		for _, rr := range z.records[o] {
			lines = append(lines, o+" "+rr)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func (z *randomZone) owner() string {
	parts := make([]string, 1+z.IntN(4))
	for i := range parts {
		parts[i] = randomLabels[z.IntN(len(randomLabels))]
	}
	return strings.Join(parts, ".")
}

// target returns a name for rdata, mostly one of the zone.
func (z *randomZone) target() string {
	switch z.IntN(12) {
	case 0:
		return z.others[z.IntN(len(z.others))]
	case 1:
		return "b." + z.others[z.IntN(len(z.others))]
	}
	return strings.ReplaceAll(z.owner(), "*", "b")
}

func (z *randomZone) redirect() {
	for range 14 {
		o := z.owner()
		to := z.target()
		// One that leads below itself grows without end: each server has its own bound.
		if z.IntN(2) == 0 && !strings.HasPrefix(o, "*") && z.free(o) && to != o && !strings.HasSuffix(to, "."+o) {
			z.redirected = append(z.redirected, o)
			z.records[o] = []string{"DNAME " + to}
			if z.IntN(3) == 0 {
				z.records[o] = append(z.records[o], `TXT "beside a DNAME"`)
			}
		}
	}
	for _, o := range z.redirected {
		if z.below(o) {
			delete(z.records, o)
		}
	}
}

func (z *randomZone) below(name string) bool {
	return slices.ContainsFunc(z.redirected, func(r string) bool { return strings.HasSuffix(name, "."+r) })
}

func (z *randomZone) free(o string) bool { return z.records[o] == nil && !z.below(o) }

// fill gives an owner its records.
func (z *randomZone) fill(o string) {
	switch n := z.IntN(11); {
	case n < 3:
		z.records[o] = []string{"CNAME " + z.target()}
	case n < 5 && !strings.HasPrefix(o, "*"):
		z.cut(o)
	case n < 7:
		z.records[o] = []string{"MX 10 " + z.target(), "MX 20 " + z.target(), `TXT "t"`}
	case n < 8:
		z.records[o] = []string{"SRV 1 2 3 " + z.target(), "TYPE65300 \\# 2 abcd", "HTTPS 1 ."}
	case n < 9:
		z.records[o] = []string{`TXT "` + strings.Repeat("long ", 20+z.IntN(31)) + `"`}
		for i := range z.IntN(80) {
			z.records[o] = append(z.records[o], fmt.Sprintf("A 192.0.2.%d", i))
		}
	default:
		z.records[o] = []string{fmt.Sprintf("A 192.0.2.%d", z.IntN(250)), "AAAA 2001:db8::1"}
	}
}

// cut delegates an owner; some cuts have glue, below the cut or beside it.
func (z *randomZone) cut(o string) {
	z.records[o] = []string{"NS " + z.target()}
	if z.IntN(3) == 0 {
		z.records[o] = append(z.records[o], "DS 1 8 1 00000000000000000000000000000000000000ff")
	}
	if ns := "ns." + o; z.IntN(3) > 0 && z.records[ns] == nil {
		z.records[o] = append(z.records[o], "NS "+ns)
		z.records[ns] = []string{"A 192.0.2.9"}
	}
}

// everyName returns every name of up to so many of some labels.
func everyName(origin string, depth int) []string {
	all := []string{origin}
	last := []string{origin}
	for range depth {
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

// newRoot draws a zone that is like the root: nearly all of it is delegations, with name servers in and
// out of what they serve, glue for most, and DS for many.
func newRoot(rng *rand.Rand, delegations int) string {
	var b strings.Builder
	b.WriteString("$TTL 172800\n. 86400 SOA a.root-servers.net. nstld.root.test. 2026010100 1800 900 604800 86400\n")
	for _, l := range "abcdefghijklm" {
		fmt.Fprintf(&b, ". 518400 NS %c.root-servers.net.\n%c.root-servers.net. A 192.0.2.%d\n%c.root-servers.net. AAAA 2001:db8::%d\n", l, l, l, l, l)
	}
	for i := range delegations {
		tld := fmt.Sprintf("t%d", i)
		for j := range 1 + rng.IntN(8) {
			ns := fmt.Sprintf("%c.nic.%s.", 'a'+j, tld)
			switch rng.IntN(6) {
			case 0:
				ns = fmt.Sprintf("ns%d.dns.t%d.", rng.IntN(4), rng.IntN(delegations)) // in a sibling
			case 1:
				ns = fmt.Sprintf("%c.root-servers.net.", 'a'+rng.IntN(13))
			case 2:
				ns = tld + "." // the cut itself
			}
			fmt.Fprintf(&b, "%s. NS %s\n", tld, ns)
			if rng.IntN(8) > 0 && !strings.Contains(ns, "root") {
				fmt.Fprintf(&b, "%s A 192.0.%d.%d\n", ns, i%256, j)
			}
			if rng.IntN(3) > 0 && !strings.Contains(ns, "root") {
				fmt.Fprintf(&b, "%s AAAA 2001:db8::%x:%d\n", ns, i, j)
			}
		}
		for range rng.IntN(3) {
			fmt.Fprintf(&b, "%s. 86400 DS %d 8 2 %064x\n", tld, rng.IntN(65536), rng.Uint64())
		}
	}
	return b.String()
}
