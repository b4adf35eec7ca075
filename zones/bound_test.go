package zones_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// atOneName adds records of these types at a name, whose data are the type and how many came before.
func atOneName(t testing.TB, types []uint16) (*zones.Builder, zones.OwnerID) {
	t.Helper()
	b := zones.NewBuilder(zonetest.Name(t, "z."), zones.Size{})
	owner, err := b.Owner([]byte(zonetest.Name(t, "many.z.")))
	if err != nil {
		t.Fatal(err)
	}
	for i, typ := range types {
		if err := b.Add(zones.Entry{Owner: owner, Type: typ, TTL: 60}, fmt.Appendf(nil, "%d %d", typ, i)); err != nil {
			t.Fatal(err)
		}
	}
	return b, owner
}

// descending are the types from n down to 1.
func descending(n int) (types []uint16) {
	for ; n > 0; n-- {
		types = append(types, uint16(n))
	}
	return types
}

// However many types a name has, and however they come, each RRset has its records in the order in which they
// came.
func TestManyTypesAtOneName(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var types []uint16
		want := map[uint16]string{}
		for range 1 << rng.IntN(10) {
			typ := uint16(1 + rng.IntN(int(20+10*seed)))
			for range 1 + rng.IntN(2) {
				want[typ] += fmt.Sprintf("[%d %d]", typ, len(types))
				types = append(types, typ)
			}
		}
		b, _ := atOneName(t, types)
		r, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		got := map[uint16]string{}
		for set := range r.All() {
			for _, rdata := range set.Rdata {
				got[set.Type] += fmt.Sprintf("[%s]", rdata)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d: got %v, want %v", seed, got, want)
		}
	}
}

// A name may have records of every type, or of every type but one and a pool.
func TestMostTypesAtOneName(t *testing.T) {
	const most = 1<<16 - 1
	for _, tt := range []struct {
		types  int
		pooled bool
		want   string
	}{
		{most, false, ""},
		{most - 1, true, ""},
		{most, true, "many.z. has RRsets of every type there is, and pools: more than 65535"},
	} {
		b, owner := atOneName(t, descending(tt.types))
		if tt.pooled {
			b.AddDynamic(owner, 0)
		}
		r, err := b.Build()
		if err != nil || tt.want != "" {
			if err == nil || err.Error() != tt.want {
				t.Errorf("%+v: got %v", tt, err)
			}
			continue
		}
		typ := 0
		for set := range r.All() {
			typ++
			if want := fmt.Sprintf("%d %d", typ, tt.types-typ); int(set.Type) != typ || len(set.Rdata) != 1 || string(set.Rdata[0]) != want {
				t.Fatalf("%+v: the RRset of type %d is %+v", tt, typ, set)
			}
		}
		if typ != tt.types || r.RRsets() != tt.types {
			t.Errorf("%+v: %d RRsets are there, and %d are counted", tt, typ, r.RRsets())
		}
	}
}

// An RRset may have as many records as its count tells.
func TestMostRecordsOfOneType(t *testing.T) {
	const most = 1<<16 - 1
	b, _ := atOneName(t, slices.Repeat([]uint16{16}, most))
	r, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	for set := range r.All() {
		if r.Len() != most || len(set.Rdata) != most || string(set.Rdata[most-1]) != "16 65534" {
			t.Errorf("%d records are there, the last of which is %q; %d are counted", len(set.Rdata), set.Rdata[len(set.Rdata)-1], r.Len())
		}
	}
	b, _ = atOneName(t, slices.Repeat([]uint16{16}, most+1))
	const want = "many.z. has 65536 records of type TXT: more than 65535"
	if _, err := b.Build(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Where each type was looked for among all that came before, this took 100 times as long.
func BenchmarkMostTypesAtOneName(b *testing.B) {
	types := descending(1<<16 - 1)
	for b.Loop() {
		made, _ := atOneName(b, types)
		if _, err := made.Build(); err != nil {
			b.Fatal(err)
		}
	}
}
