package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"vitalns/checks"
)

// A conduct is what a probe meets.
type conduct int

const (
	works conduct = iota
	refuses
	hangs   // until the timeout
	noRoute // a void result: this node's own trouble
)

// rtt is what a probe takes that is answered.
const rtt = 2 * time.Millisecond

// A world says what becomes of the probe of one address by one node.
type world struct {
	mu    sync.Mutex // protects all below
	rng   *rand.Rand
	rules map[path]conduct
	loss  float64 // of whole probes, everywhere
}

// A path leads from a node to an address; "" stands for any.
type path struct{ node, host string }

func newWorld(seed uint64) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 7)), rules: map[path]conduct{}}
}

// set says what the probes of host by node meet from now on; "" stands for any. What names both counts
// before what names a node, and that before what names a host.
func (w *world) set(node, host string, c conduct) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules[path{node, host}] = c
}

// unset ends what set said.
func (w *world) unset(node, host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rules, path{node, host})
}

// lose has every probe vanish with probability p.
func (w *world) lose(p float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loss = p
}

func (w *world) meet(node, host string) conduct {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loss > 0 && w.rng.Float64() < w.loss {
		return hangs
	}
	for _, p := range [...]path{{node, host}, {node, ""}, {"", host}, {"", ""}} {
		if c, ok := w.rules[p]; ok {
			return c
		}
	}
	return works
}

// A prober is how one machine looks at the world.
type prober struct{ m *machine }

// Probe implements checks.Prober.
func (p prober) Probe(ctx context.Context, t checks.Target) checks.Result {
	p.m.awake()
	switch p.m.c.world.meet(p.m.name, t.Host) {
	case noRoute:
		return checks.Result{Kind: checks.Void, Reason: "no route"}
	case hangs:
		<-ctx.Done()
		return checks.Result{Kind: checks.Failed, Reason: "timeout"}
	case refuses:
		return pause(ctx, checks.Result{Kind: checks.Failed, Reason: "refused"})
	}
	return pause(ctx, checks.Result{Kind: checks.OK})
}

func pause(ctx context.Context, r checks.Result) checks.Result {
	timer := time.NewTimer(rtt)
	defer timer.Stop()
	select {
	case <-timer.C:
		return r
	case <-ctx.Done():
		return checks.Result{Kind: checks.Failed, Reason: "timeout"}
	}
}
