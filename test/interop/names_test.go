package interop

import (
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// namesOf returns the names of zones: every owner, every name that a record leads to, and all that lie
// above them. It reads master files of one record a line, each with its owner and $TTL alone.
func namesOf(zones []master) []string {
	seen := map[string]bool{".": true}
	add := func(name string) {
		name = dns.CanonicalName(name)
		for at, end := 0, false; !end; at, end = dns.NextLabel(name, at) {
			seen[name[at:]] = true
		}
	}
	for _, z := range zones {
		for line := range strings.Lines(z.text) {
			fields := strings.Fields(line)
			if len(fields) < 3 || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "$") {
				continue
			}
			add(absolute(fields[0], z.origin))
			if slices.ContainsFunc(fields[1:len(fields)-1], func(f string) bool {
				return slices.Contains([]string{"NS", "CNAME", "DNAME", "MX", "SRV"}, f)
			}) {
				add(absolute(fields[len(fields)-1], z.origin))
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// absolute returns a name of a master file in full.
func absolute(name, origin string) string {
	switch {
	case name == "@":
		return origin
	case dns.IsFqdn(name):
		return name
	case origin == ".":
		return name + origin
	}
	return name + "." + origin
}

// near returns names beside, below and under the wildcards of some names, those names left out.
func near(names []string) []string {
	seen := map[string]bool{}
	long := strings.Repeat("x", 60)
	for _, n := range names {
		below := "." + n
		if n == "." {
			below = n
		}
		for _, label := range []string{
			"nx", "a.nx", "*", "*.*", "nx.*", "_nx._tcp", `\000`, `a\.b`, "0", "~", long + "." + long, strings.Repeat("y.", 90) + "y",
		} {
			if q := label + below; fits(q) {
				seen[q] = true
			}
		}
		if at, end := dns.NextLabel(n, 0); !end { // beside it
			seen["nx."+n[at:]] = true
		}
		if q := "x" + n; n != "." && fits(q) { // what only looks like it
			seen[q] = true
		}
	}
	for _, n := range names {
		delete(seen, n)
	}
	return slices.Sorted(maps.Keys(seen))
}

// allTypes are the types that have a name, but those that ask for no data of a name, and some that have
// none.
func allTypes() []uint16 {
	types := []uint16{1000, 32770, 65280, 65300}
	for typ := range dns.TypeToString {
		switch typ {
		case dns.TypeNone, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeReserved, dns.TypeNXNAME:
		default:
			types = append(types, typ)
		}
	}
	slices.Sort(types)
	return types
}

// commonTypes are those that servers treat in ways of their own, and some that they do not.
var commonTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeTXT, dns.TypeSRV, dns.TypeCNAME,
	dns.TypeDNAME, dns.TypeDS, dns.TypeHTTPS, dns.TypePTR, dns.TypeANY, dns.TypeNSEC, dns.TypeRRSIG, 65300,
}

// byName returns questions for each name and type.
func byName(kind string, via way, m message, names []string, types []uint16) []question {
	return byTurns(kind, via, m, names, types, len(types))
}

// byTurns returns questions for each name and some of the types, by turns.
func byTurns(kind string, via way, m message, names []string, types []uint16, some int) []question {
	qs := make([]question, 0, len(names)*some)
	turn := 0
	for _, name := range names {
		for range some {
			m.question = entry(name, types[turn%len(types)], dns.ClassINET)
			qs = append(qs, question{kind, via, m.wire()})
			turn++
		}
	}
	return qs
}

// aboutNames returns the questions that a world is asked about its names, and about those around.
func aboutNames(names, around []string, thorough bool) []question {
	edns := message{additional: [][]byte{opt(1232, 0, 0)}}
	large := message{flags: bitRD | bitAD, additional: [][]byte{opt(4096, 0, bitDO)}}
	spelt := make([]string, len(names))
	for i, n := range names {
		spelt[i] = randomCase(n)
	}
	some := 3
	if thorough {
		some = len(commonTypes)
	}
	return slices.Concat(
		byName("every type", udp, edns, names, allTypes()),
		byName("without EDNS", udp, message{flags: bitRD}, names, commonTypes),
		byName("DO", udp, large, names, commonTypes),
		byName("TCP", stream, edns, names, commonTypes),
		byTurns("mixed case", udp, edns, spelt, commonTypes, some),
		byTurns("around", udp, edns, around, commonTypes, some),
		byTurns("around, TCP", stream, message{}, around, []uint16{dns.TypeNS, dns.TypeA, dns.TypeMX}, min(some, 2)),
	)
}

// bySize returns questions about names with long answers, for clients with room for more and more of them.
func bySize(names []string) (all []question) {
	const step = 7
	for size := uint16(dns.MinMsgSize); size <= mostUDP; size += step {
		m := message{additional: [][]byte{opt(size, 0, 0)}}
		all = append(all, byName("size", udp, m, names, []uint16{dns.TypeA, dns.TypeNS, dns.TypeMX, dns.TypeTXT, dns.TypeSRV})...)
	}
	return all
}
