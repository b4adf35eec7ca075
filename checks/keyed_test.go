package checks

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// A Keyed holds what a map would hold, and one that it was made from goes on holding what it did.
func TestKeyed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]int{"k1": 1}
	k := NewKeyed(want)
	for step := range 2000 {
		before, was := k, maps.Clone(want)
		keys := []string{fmt.Sprintf("k%d", rng.IntN(600)), fmt.Sprintf("k%d", rng.IntN(600))}
		for i, key := range keys {
			if delete(want, key); i == 0 || rng.IntN(2) == 0 {
				want[key] = step
			}
		}
		k = k.with(keys, func(key string) (int, bool) { v, ok := want[key]; return v, ok })
		for _, c := range []struct {
			when string
			k    Keyed[int]
			want map[string]int
		}{{"before", before, was}, {"after", k, want}} {
			for i := range 600 {
				key := fmt.Sprintf("k%d", i)
				v, ok := c.k.Get(key)
				if w, wok := c.want[key]; v != w || ok != wok {
					t.Fatalf("step %d, %s: %s is %d, %v; want %d, %v", step, c.when, key, v, ok, w, wok)
				}
			}
		}
	}
	if v, ok := (Keyed[int]{}).Get("k1"); ok || v != 0 {
		t.Errorf("the zero Keyed has %d", v)
	}
}
