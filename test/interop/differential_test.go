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
			w := w.make(t)
			for name, n := range differ(t, startNode(t, w.zones...), w) {
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
	ask := func(t *testing.T, w world) { differ(t, startNode(t, w.zones...), w) }
	t.Run("hard", func(t *testing.T) { ask(t, hardWorld(t, true)) })
	t.Run("root", func(t *testing.T) { ask(t, rootWorld(rng, delegations)) })
	for range runs {
		t.Run("random", func(t *testing.T) { ask(t, randomWorld(newRand(t))) })
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

// differ asks a node and the references every question of a world, holds both paths to what the node answers,
// prints what came of it, and returns how often each exception was used.
func differ(t *testing.T, ours node, w world) (listed map[string]int) {
	t.Helper()
	names, addrs := []string{ours.name}, []string{ours.addr}
	for _, s := range references {
		names, addrs = append(names, s.name), append(addrs, s.start(t, w.zones...))
	}
	both := newPaths(t, ours)
	responses := make([][][]byte, len(addrs)) // by server and question
	errs := make([]error, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() {
			if responses[i], errs[i] = askAll(addr, w.qs); i == 0 && errs[i] == nil {
				for j, q := range w.qs { // while the references, which take longer, are asked
					both.hold(q, responses[i][j])
				}
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
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
	both.report(t, len(w.qs))
	return v.listed
}
