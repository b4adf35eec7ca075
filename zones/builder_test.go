package zones_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// A made is what a Builder was given and made, and what has to be in it by owner and type, as text.
type made struct {
	records *zones.Records
	owners  []zones.Name // in the order in which they came first
	want    map[string]string
}

// drawRecords adds records to a Builder, most of them in order or none, some of which are dropped.
func drawRecords(t *testing.T, rt *rapid.T, label string) (m made) {
	b := zones.NewBuilder(zonetest.Name(t, "z."), zones.Size{Names: rapid.IntRange(0, 9).Draw(rt, "size")})
	m.want, m.owners = map[string]string{}, []zones.Name{zonetest.Name(t, "z.")}
	early := []string{"z.", "a.z.", "b.a.z.", "c.z.", "d.e.f.z.", "*.z."}
	most, orderly := 20, rapid.Bool().Draw(rt, "orderly")
	if orderly {
		most = 60
	}
	for n := range rapid.IntRange(0, most).Draw(rt, label) {
		text := rapid.SampledFrom(early).Draw(rt, "owner")
		if orderly && rapid.IntRange(0, 19).Draw(rt, "early") > 0 {
			text = fmt.Sprintf("h%d.z.", n/3)
		}
		owner := zonetest.Name(t, text)
		id, err := b.Owner([]byte(owner))
		if err != nil {
			rt.Fatal(err)
		}
		m.owners = withAncestors(m.owners, owner)
		e := zones.Entry{Owner: id, Type: rapid.SampledFrom([]uint16{1, 5, 16}).Draw(rt, "type"), TTL: 60, Place: uint32(n)}
		if err := b.Add(e, []byte(rapid.StringN(0, 3, 9).Draw(rt, "rdata"))); err != nil {
			rt.Fatal(err)
		}
	}
	entries := b.Sorted()
	for i := range entries {
		e := &entries[i]
		if i > 0 && (e.Owner < entries[i-1].Owner || e.Owner == entries[i-1].Owner && (e.Type < entries[i-1].Type || e.Type == entries[i-1].Type && e.Place < entries[i-1].Place)) {
			rt.Fatalf("out of order: %v", entries)
		}
		e.TTL = uint32(100*e.Owner) + uint32(e.Type)
		if e.Dropped = rapid.IntRange(0, most-1).Draw(rt, "drop") == 0; !e.Dropped {
			m.want[fmt.Sprintf("%s %d %d", b.Name(e.Owner), e.Type, e.TTL)] += fmt.Sprintf(" %x", b.Rdata(*e))
		}
	}
	var err error
	if m.records, err = b.Build(); err != nil {
		rt.Fatal(err)
	}
	return m
}

// withAncestors adds a name and those above it, up to the first of all, where they are missing.
func withAncestors(owners []zones.Name, name zones.Name) []zones.Name {
	if slices.Contains(owners, name) {
		return owners
	}
	return append(withAncestors(owners, name.Parent()), name)
}

func textOf(set zones.RRset) (key, data string) {
	for _, rdata := range set.Rdata {
		data += fmt.Sprintf(" %x", rdata)
	}
	return fmt.Sprintf("%s %d %d", set.Owner, set.Type, set.TTL), data
}

// A Builder keeps what it is given, whatever the order, and lookups find it; Changes are what differs between
// two of them.
func TestBuilder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		was, is := drawRecords(t, rt, "before"), drawRecords(t, rt, "after")
		was.check(t, rt)
		is.check(t, rt)
		for before, after := range was.records.Changes(is.records) {
			key, data := textOf(before)
			other, next := textOf(after)
			if key == other && data == next || data != was.want[key] || next != is.want[other] {
				rt.Fatalf("%s: %q became %s: %q, want %q and %q", key, data, other, next, was.want[key], is.want[other])
			}
			delete(was.want, key)
			delete(is.want, other)
		}
		if !maps.Equal(was.want, is.want) {
			rt.Fatalf("changes that were not told: %v, %v", was.want, is.want)
		}
	})
}

// check holds what was made against what it has to be.
func (m made) check(t *testing.T, rt *rapid.T) {
	set := zonetest.Compile(t, &zones.Source{Origin: zonetest.Name(t, "z."), Records: m.records})
	got, n, last := map[string]string{}, 0, zones.RRset{}
	for rrset := range m.records.All() {
		key, data := textOf(rrset)
		if _, twice := got[key]; twice {
			rt.Fatalf("%s is there twice", key)
		}
		got[key], n = data, n+len(rrset.Rdata)
		if before, now := slices.Index(m.owners, last.Owner), slices.Index(m.owners, rrset.Owner); before > now || before == now && last.Type > rrset.Type {
			rt.Fatalf("%s comes after %s", key, last.Owner)
		}
		last = rrset
		out := set.Lookup(rrset.Owner, rrset.Type)
		if found := slices.Collect(out.RRset.Rdata()); out.Owner != rrset.Owner || !slices.EqualFunc(found, rrset.Rdata, bytes.Equal) {
			rt.Fatalf("%s: lookup gives %+v %x", key, out, found)
		}
	}
	if !maps.Equal(got, m.want) || m.records.Len() != n || m.records.RRsets() != len(got) {
		rt.Fatalf("got %v (%d, %d), want %v", got, m.records.Len(), m.records.RRsets(), m.want)
	}
}

// Nil records are empty, beside others too.
func TestChangesOfNothing(t *testing.T) {
	src := zonetest.Master(t, "example.", "$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n")
	var none *zones.Records
	for _, tt := range []struct {
		was, is *zones.Records
		want    string
	}{{none, none, ""}, {none, src.Records, "+2 +1"}, {src.Records, none, "-2 -1"}, {src.Records, src.Records, ""}} {
		var got []string
		for was, is := range tt.was.Changes(tt.is) {
			if was.Rdata == nil {
				got = append(got, fmt.Sprintf("+%d", is.Type))
			} else {
				got = append(got, fmt.Sprintf("-%d", was.Type))
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("got %v, want %s", got, tt.want)
		}
	}
}
