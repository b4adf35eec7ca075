package zones_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// drawRecords adds records in any order to a Builder, some of which are dropped, and returns what has to be
// in it by owner and type, as text.
func drawRecords(t *testing.T, rt *rapid.T, label string) (*zones.Records, map[string]string) {
	b := zones.NewBuilder(zonetest.Name(t, "z."), zones.Size{Names: rapid.IntRange(0, 9).Draw(rt, "size")})
	want := map[string]string{}
	for n := range rapid.IntRange(0, 20).Draw(rt, label) {
		owner := zonetest.Name(t, rapid.SampledFrom([]string{"z.", "a.z.", "b.a.z.", "c.z.", "d.e.f.z.", "*.z."}).Draw(rt, "owner"))
		id, err := b.Owner([]byte(owner))
		if err != nil {
			rt.Fatal(err)
		}
		e := zones.Entry{Owner: id, Type: rapid.SampledFrom([]uint16{1, 2, 16}).Draw(rt, "type"), TTL: 60, Place: uint32(n)}
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
		if e.Dropped = rapid.IntRange(0, 4).Draw(rt, "drop") == 0; !e.Dropped {
			want[fmt.Sprintf("%s %d", b.Name(e.Owner), e.Type)] += fmt.Sprintf(" %x", b.Rdata(*e))
		}
	}
	records, err := b.Build()
	if err != nil {
		rt.Fatal(err)
	}
	return records, want
}

func textOf(set zones.RRset) (key, data string) {
	for _, rdata := range set.Rdata {
		data += fmt.Sprintf(" %x", rdata)
	}
	return fmt.Sprintf("%s %d", set.Owner, set.Type), data
}

// A Builder keeps what it is given, whatever the order; Changes are what differs between two of them.
func TestBuilder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		was, wantWas := drawRecords(t, rt, "before")
		is, wantIs := drawRecords(t, rt, "after")
		for _, c := range []struct {
			records *zones.Records
			want    map[string]string
		}{{was, wantWas}, {is, wantIs}} {
			got, n := map[string]string{}, 0
			for set := range c.records.All() {
				key, data := textOf(set)
				if _, twice := got[key]; twice {
					rt.Fatalf("%s is there twice", key)
				}
				got[key], n = data, n+len(set.Rdata)
			}
			if !maps.Equal(got, c.want) || c.records.Len() != n || c.records.RRsets() != len(got) {
				rt.Fatalf("got %v (%d, %d), want %v", got, c.records.Len(), c.records.RRsets(), c.want)
			}
		}
		for before, after := range was.Changes(is) {
			key, data := textOf(before)
			if before.Rdata == nil {
				key, _ = textOf(after)
			}
			_, next := textOf(after)
			if data == next || data != wantWas[key] || next != wantIs[key] {
				rt.Fatalf("%s: %q became %q, want %q and %q", key, data, next, wantWas[key], wantIs[key])
			}
			delete(wantWas, key)
			delete(wantIs, key)
		}
		if !maps.Equal(wantWas, wantIs) {
			rt.Fatalf("changes that were not told: %v, %v", wantWas, wantIs)
		}
	})
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
