package interop

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
)

// The same questions to vitalns and to the references, about three worlds: what the references agree on,
// vitalns answers as well, or the difference is among the exceptions.
func TestDifferential(t *testing.T) {
	rng := newRand(t)
	const delegations = 2000
	used, worlds := map[string]int{}, 0
	for _, w := range []struct {
		name string
		make func(t *testing.T) world
	}{
		{"hard", func(t *testing.T) world { return hardWorld(t, false) }},
		{"root", func(*testing.T) world { return rootWorld(rng, delegations) }},
		{"random", func(*testing.T) world { return randomWorld(rng) }},
	} {
		t.Run(w.name, func(t *testing.T) {
			for name, n := range differ(t, imported, w.make(t)) {
				used[name] += n
			}
			worlds++
		})
	}
	if worlds < 3 {
		return // one alone was asked for, or something is missing
	}
	const most = 10
	if len(exceptions) > most {
		t.Errorf("%d exceptions are more than %d", len(exceptions), most)
	}
	for _, e := range exceptions {
		if used[e.name] == 0 {
			t.Errorf("nothing comes under the exception %q any more", e.name)
		}
	}
}

// TestDifferentialSoak asks more about the hard world, and about many random ones.
func TestDifferentialSoak(t *testing.T) {
	if os.Getenv("VITALNS_SOAK") == "" {
		t.Skip("VITALNS_SOAK=1 asks for many minutes")
	}
	rng := newRand(t)
	const runs, delegations = 30, 5000
	t.Run("hard", func(t *testing.T) { differ(t, imported, hardWorld(t, true)) })
	t.Run("root", func(t *testing.T) { differ(t, imported, rootWorld(rng, delegations)) })
	for range runs {
		t.Run("random", func(t *testing.T) { differ(t, imported, randomWorld(newRand(t))) })
	}
}

// newRand returns the source of a run, which is new each time. To repeat one: VITALNS_SEED.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("VITALNS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("VITALNS_SEED: %v", err)
		}
	}
	t.Logf("VITALNS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// differ asks every server every question of a world, prints what came of it, and returns how often each
// exception was used.
func differ(t *testing.T, ours server, w world) (listed map[string]int) {
	t.Helper()
	servers := append([]server{ours}, references...)
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.start(t, w.zones...)
	}
	responses := make([][][]byte, len(servers)) // by server and question
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() { responses[i], errs[i] = askAll(addrs[i], w.qs) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%s: %v", servers[i].name, err)
		}
	}
	v := verdicts{listed: map[string]int{}, differ: map[string][]string{}}
	theirs := make([][]byte, len(references))
	for i, q := range w.qs {
		for j := range theirs {
			theirs[j] = responses[1+j][i]
		}
		v.judge(q, responses[0][i], theirs)
	}
	v.report(t)
	return v.listed
}
