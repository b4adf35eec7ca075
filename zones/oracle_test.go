package zones_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// plainZone is a zone as a map: owner -> types. Its lookup is RFC 1034 §4.3.2 read aloud, from the apex
// down, with RFC 4592 and RFC 6672; Set.Lookup goes from the question up.
type plainZone struct {
	origin string
	types  map[string][]uint16
}

func (z plainZone) exists(owner string) bool {
	for o := range z.types {
		if o == owner || strings.HasSuffix(o, "."+owner) {
			return true
		}
	}
	return owner == z.origin
}

func (z plainZone) has(owner string, qtype uint16) bool {
	return slices.Contains(z.types[owner], qtype)
}

func (z plainZone) lookup(qname string, qtype uint16) string {
	if qname != z.origin && !strings.HasSuffix(qname, "."+z.origin) {
		return "not authoritative"
	}
	at := z.origin
	rest := strings.TrimSuffix(strings.TrimSuffix(qname, z.origin), ".")
	labels := strings.Split(rest, ".")
	if rest == "" {
		labels = nil
	}
	for {
		exact := len(labels) == 0
		if z.has(at, dns.TypeNS) && at != z.origin && !(exact && qtype == dns.TypeDS) {
			return "referral " + at
		}
		if exact {
			return z.answer(at, "", qtype)
		}
		if z.has(at, dns.TypeDNAME) {
			return "DNAME " + at
		}
		next := labels[len(labels)-1] + "." + at
		if !z.exists(next) {
			if z.exists("*." + at) {
				return z.answer("*."+at, " wildcard", qtype)
			}
			return "NXDOMAIN " + at
		}
		at, labels = next, labels[:len(labels)-1]
	}
}

func (z plainZone) answer(owner, wildcard string, qtype uint16) string {
	switch {
	case qtype == dns.TypeSOA && owner == z.origin:
		return "SOA" + wildcard + " " + owner
	case z.has(owner, qtype):
		return "positive" + wildcard + " " + owner
	case z.has(owner, dns.TypeCNAME):
		return "CNAME" + wildcard + " " + owner
	}
	return "NODATA" + wildcard + " " + owner
}

// Lookup finds what the plain reading of the RFCs finds, in zones of every shape.
func TestLookupIsThePlainReading(t *testing.T) {
	rdata := map[uint16][]byte{
		dns.TypeA: {192, 0, 2, 1}, dns.TypeNS: []byte("\x01n\x00"), dns.TypeCNAME: []byte("\x01c\x00"),
		dns.TypeDNAME: []byte("\x01d\x00"), dns.TypeTXT: []byte("\x01t"), dns.TypeDS: {0, 1, 8, 2, 0},
	}
	types := []uint16{dns.TypeA, dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypeTXT, dns.TypeDS, dns.TypeSOA}
	labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*", "c"}), 0, 4)
	rapid.Check(t, func(rt *rapid.T) {
		z := plainZone{"z.", map[string][]uint16{"z.": {dns.TypeNS}}}
		src := &zones.Source{Origin: zonetest.Name(t, "z.")}
		records := []zones.RRset{{Owner: src.Origin, Type: dns.TypeNS, Rdata: [][]byte{rdata[dns.TypeNS]}}}
		for range rapid.IntRange(0, 12).Draw(rt, "records") {
			owner := strings.Join(append(labels.Draw(rt, "owner"), "z."), ".")
			typ := rapid.SampledFrom(types[:6]).Draw(rt, "type")
			if z.has(owner, typ) {
				continue
			}
			z.types[owner] = append(z.types[owner], typ)
			records = append(records, zones.RRset{Owner: zonetest.Name(t, owner), Type: typ, Rdata: [][]byte{rdata[typ]}})
		}
		zonetest.Pack(t, src, records...)
		set := zonetest.Compile(t, src)
		for range 20 {
			qname := strings.Join(append(labels.Draw(rt, "qname"), "z."), ".")
			qtype := rapid.SampledFrom(types).Draw(rt, "qtype")
			out := set.Lookup(zonetest.Name(t, qname), qtype)
			got := out.Kind.String()
			if out.Wildcard {
				got += " wildcard"
			}
			if got = fmt.Sprintf("%s %s", got, out.Owner); got != z.lookup(qname, qtype) {
				rt.Fatalf("%s %s: got %s, want %s, in %v", qname, dns.Type(qtype), got, z.lookup(qname, qtype), z.types)
			}
		}
	})
}
