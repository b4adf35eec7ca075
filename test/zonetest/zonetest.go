// Package zonetest makes sources of zones for tests.
package zonetest

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// HardZone is a zone in master file format, for origin HardOrigin, with one of everything that makes an
// authoritative server think.
//
//go:embed hard.zone
var HardZone string

// HardOrigin is the origin of HardZone.
const HardOrigin = "hard.test."

// Name parses a name or fails the test.
func Name(t testing.TB, s string) zones.Name {
	t.Helper()
	n, err := zones.ParseName(s)
	if err != nil {
		t.Fatalf("name %q: %v", s, err)
	}
	return n
}

// Master reads a zone in master file format, by miekg/dns: every TTL is to be written, or $TTL.
func Master(t testing.TB, origin, text string) *zones.Source {
	t.Helper()
	src := &zones.Source{Origin: Name(t, origin), File: origin + "zone"}
	type key struct {
		owner zones.Name
		typ   uint16
	}
	place := map[key]int{}
	var records []zones.RRset
	p := dns.NewZoneParser(strings.NewReader(text), src.Origin.String(), src.File)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		h := rr.Header()
		if soa, ok := rr.(*dns.SOA); ok {
			src.SOA = zones.SOA{
				MName: Name(t, soa.Ns), RName: Name(t, soa.Mbox), Serial: soa.Serial, Refresh: soa.Refresh,
				Retry: soa.Retry, Expire: soa.Expire, Minimum: soa.Minttl, TTL: h.Ttl,
			}
			continue
		}
		k := key{Name(t, h.Name), h.Rrtype}
		i, ok := place[k]
		if !ok {
			i = len(records)
			place[k] = i
			records = append(records, zones.RRset{Owner: k.owner, Type: k.typ, TTL: h.Ttl})
		}
		records[i].Rdata = append(records[i].Rdata, rdata(t, rr))
	}
	if err := p.Err(); err != nil {
		t.Fatalf("zone %s: %v", origin, err)
	}
	Pack(t, src, records...)
	return src
}

// Pack gives a source these records beside those it has, and a mark for each of its Dynamics.
func Pack(t testing.TB, src *zones.Source, records ...zones.RRset) {
	t.Helper()
	b := zones.NewBuilder(src.Origin, zones.Size{})
	owner := func(name zones.Name) zones.OwnerID {
		id, err := b.Owner([]byte(name))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	add := func(set zones.RRset) {
		id := owner(set.Owner)
		for _, rdata := range set.Rdata {
			if err := b.Add(zones.Entry{Owner: id, Type: set.Type, TTL: set.TTL}, rdata); err != nil {
				t.Fatal(err)
			}
		}
	}
	for set := range src.Records.All() {
		add(set)
	}
	for _, set := range records {
		add(set)
	}
	for i, d := range src.Dynamic {
		b.AddDynamic(owner(d.Owner), i)
	}
	var err error
	if src.Records, err = b.Build(); err != nil {
		t.Fatal(err)
	}
}

// rdata returns the rdata of a record in wire form, names uncompressed.
func rdata(t testing.TB, rr dns.RR) []byte {
	t.Helper()
	bare := dns.Copy(rr)
	bare.Header().Name = "."
	buf := make([]byte, dns.Len(bare)+64)
	end, err := dns.PackRR(bare, buf, 0, nil, false)
	if err != nil {
		t.Fatalf("pack %v: %v", rr, err)
	}
	return buf[11:end] // root owner, type, class, TTL, length
}

// Compile compiles sources, whose Dynamics it marks in their records, or fails the test.
func Compile(t testing.TB, src ...*zones.Source) *zones.Set {
	t.Helper()
	for _, s := range src {
		Pack(t, s)
	}
	set, err := zones.Compile(src)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
