package runner_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

// A world is a target that has an outage now and then, and the nodes that probe it. They share nothing
// but alarms, which hint the others after the time of a message.
type world struct {
	rand    *rand.Rand
	watch   checks.Watch
	latency time.Duration // of a probe that works
	message time.Duration
	nodes   []*runner.Runner

	mu     sync.Mutex // protects what follows
	outage outage
	state  []checks.State
	alarm  []uint32
	downAt time.Time // when a majority was first seen down since the outage began
	downs  int       // how often
}

type outage int

const (
	none outage = iota
	refusing
	silent
	stalling
)

// inWorld runs f with n nodes that have been up for long enough to know the target.
func inWorld(t *testing.T, seed uint64, n int, watch checks.Watch, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			rand:    rand.New(rand.NewPCG(seed, 1)),
			watch:   watch,
			latency: 2 * ms,
			message: ms,
			state:   make([]checks.State, n),
			alarm:   make([]uint32, n),
		}
		w.watch.Target, w.watch.Prober = target(int(seed)), w
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		base := time.Now().Add(-time.Duration(w.rand.Int64N(1e12)))
		for i := range n {
			r := runner.New(runner.Config{
				Seed:    w.rand.Uint64(),
				Observe: func(x checks.Target, o checks.Observation) { w.observe(i, x, o) },
			})
			r.Place(runner.Placement{Base: base, Others: runner.Rank{Rank: i, Of: n}})
			w.nodes = append(w.nodes, r)
		}
		for _, r := range w.nodes {
			time.Sleep(time.Duration(w.rand.Int64N(1e9)))
			r.Set([]checks.Watch{w.watch})
			wg.Go(func() { _ = r.Run(ctx) }) // returns nil
		}
		time.Sleep(20 * time.Second)
		f(w)
		cancel()
		wg.Wait()
		synctest.Wait() // hints on their way
	})
}

// Probe implements checks.Prober. What vanishes stays vanished; a stalled connection goes on when the
// outage is over.
func (w *world) Probe(ctx context.Context, _ checks.Target) checks.Result {
	w.mu.Lock()
	now := w.outage
	w.mu.Unlock()
	timeout := checks.Result{Kind: checks.Failed, Reason: "timeout"}
	switch now {
	case refusing:
		time.Sleep(w.latency)
		return checks.Result{Kind: checks.Failed, Reason: "refused"}
	case silent:
		<-ctx.Done()
		return timeout
	}
	for wait := w.latency; ; wait = 2 * ms {
		select {
		case <-ctx.Done():
			return timeout
		case <-time.After(wait):
		}
		w.mu.Lock()
		stalled := w.outage == stalling
		w.mu.Unlock()
		if !stalled {
			return checks.Result{Kind: checks.OK}
		}
	}
}

func (w *world) observe(i int, x checks.Target, o checks.Observation) {
	w.mu.Lock()
	alarms := o.Alarm > w.alarm[i]
	w.alarm[i] = o.Alarm
	before := w.majority()
	w.state[i] = o.State
	if w.majority() && !before {
		w.downs++
		w.downAt = time.Now()
	}
	w.mu.Unlock()
	if !alarms {
		return
	}
	for j, peer := range w.nodes {
		if j != i {
			time.AfterFunc(w.message, func() { peer.Hint(x) })
		}
	}
}

func (w *world) majority() bool {
	downs := 0
	for _, s := range w.state {
		if s == checks.Down {
			downs++
		}
	}
	return downs > len(w.state)/2
}

func (w *world) set(o outage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outage = o
}

// fail begins an outage at a random moment and returns how long it took until a majority said down, and
// then lets everything recover.
func (w *world) fail(o outage, most time.Duration) (took time.Duration, ok bool) {
	time.Sleep(time.Duration(w.rand.Int64N(int64(10 * time.Second))))
	w.mu.Lock()
	downs := w.downs
	w.outage = o
	w.mu.Unlock()
	began := time.Now()
	time.Sleep(2 * most)
	w.mu.Lock()
	took, ok = w.downAt.Sub(began)+w.message, w.downs > downs
	w.mu.Unlock()
	w.set(none)
	time.Sleep(16*time.Duration(w.watch.Rise)*w.watch.FastInterval + 3*w.watch.Interval) // flap damping at its most
	return took, ok
}

// The bounds of Budget hold in a simulation of whole outages at random moments, for many shapes of
// clusters and watches; where a message takes a millisecond, two more are allowed for.
func TestBudgetHolds(t *testing.T) {
	issue := checks.Watch{Check: "x/y", Interval: time.Second, Timeout: 500 * ms, FastInterval: 200 * ms, Fall: 2, Rise: 2, Clear: 2}
	defaults := checks.Watch{Check: "x/y", Interval: 2 * time.Second, Timeout: 1200 * ms, FastInterval: 500 * ms, Fall: 3, Rise: 2, Clear: 2}
	slow := checks.Watch{Check: "x/y", Interval: 10 * time.Second, Timeout: 300 * ms, FastInterval: time.Second, Fall: 4, Rise: 1, Clear: 3}
	once := checks.Watch{Check: "x/y", Interval: time.Second, Timeout: time.Second, FastInterval: time.Second, Fall: 1, Rise: 1, Clear: 1}
	tests := []struct {
		name   string
		watch  checks.Watch
		nodes  int
		runs   int
		median [2]time.Duration // at most, refusing and silent; 0: not asked
	}{
		{"issue, 3 nodes", issue, 3, 300, [2]time.Duration{500 * ms, 1600 * ms}},
		{"issue, alone", issue, 1, 100, [2]time.Duration{}},
		{"issue, 2 nodes", issue, 2, 100, [2]time.Duration{}},
		{"issue, 5 nodes", issue, 5, 100, [2]time.Duration{}},
		{"issue, 20 nodes", issue, 20, 30, [2]time.Duration{}},
		{"defaults, 3 nodes", defaults, 3, 100, [2]time.Duration{}},
		{"slow, 4 nodes", slow, 4, 50, [2]time.Duration{}},
		{"once, 3 nodes", once, 3, 100, [2]time.Duration{}},
	}
	for seed, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, uint64(seed), tt.nodes, tt.watch, func(w *world) {
				refuse, hang := runner.Budget(w.watch, tt.nodes)
				for i, o := range []outage{refusing, silent} {
					bound := []time.Duration{refuse, hang}[i] + 2*w.message + 3*w.latency
					var took []time.Duration
					for range tt.runs {
						d, ok := w.fail(o, bound)
						if !ok {
							t.Fatal("an outage longer than the bound does not fail over")
						}
						took = append(took, d)
					}
					slices.Sort(took)
					median, worst := took[len(took)/2], took[len(took)-1]
					t.Logf("%-8s median %4v worst %4v bound %4v", []string{"refuses", "hangs"}[i], median.Round(ms), worst.Round(ms), bound.Round(ms))
					if worst > bound {
						t.Errorf("worst %v above the bound %v", worst, bound)
					}
					if m := tt.median[i]; m > 0 && median > m {
						t.Errorf("median %v, want at most %v", median, m)
					}
				}
			})
		})
	}
}

// An outage that is shorter than Blips says never fails over.
func TestBlipsHold(t *testing.T) {
	watch := checks.Watch{Check: "x/y", Interval: time.Second, Timeout: 500 * ms, FastInterval: 200 * ms, Fall: 3, Rise: 2, Clear: 2}
	for _, tt := range []struct {
		name  string
		o     outage
		bound time.Duration
		runs  int
	}{
		{"refuses", refusing, runner.Blips(watch).Refused, 1000},
		{"silent", silent, runner.Blips(watch).Silent, 300},
		{"stalls", stalling, runner.Blips(watch).Stalled, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, 9, 3, watch, func(w *world) {
				for range tt.runs {
					time.Sleep(time.Duration(w.rand.Int64N(int64(time.Second))))
					w.set(tt.o)
					// A probe that began before may be caught by the outage too.
					time.Sleep(tt.bound - w.latency - time.Duration(1+w.rand.Int64N(int64(tt.bound/10))))
					w.set(none)
					time.Sleep(10 * time.Second)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.downs > 0 {
					t.Errorf("%d of %d blips fail over", w.downs, tt.runs)
				}
			})
		})
	}
}
