package runner_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

const ms = time.Millisecond

// A lab is a runner in a bubble, with probers that do as they are told and remember what was asked.
type lab struct {
	*runner.Runner
	t     *testing.T
	zero  time.Time
	close func()

	mu      sync.Mutex // protects what follows
	answer  map[checks.Target]answer
	starts  map[checks.Target][]time.Duration // since zero
	running map[checks.Target]int
	overlap bool
	seen    []sight
}

// An answer is what a target does to a probe.
type answer struct {
	result checks.Result
	after  time.Duration
	hang   bool // until the context is done: a timeout
	deaf   bool // not even then: until after
	panics bool
}

// A sight is an observation with the time it was published.
type sight struct {
	at     time.Duration
	target checks.Target
	o      checks.Observation
}

var (
	fine    = answer{result: checks.Result{Kind: checks.OK}, after: ms}
	refuses = answer{result: checks.Result{Kind: checks.Failed, Reason: "refused"}, after: ms}
	hangs   = answer{hang: true}
	noRoute = answer{result: checks.Result{Kind: checks.Void, Reason: "no route"}, after: ms}
)

// inLab runs f in a bubble with a runner that runs.
func inLab(t *testing.T, cfg runner.Config, f func(l *lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, cfg)
		l.run()
		f(l)
		l.close()
		if l.overlap {
			t.Error("a probe overlaps another of its target")
		}
	})
}

func newLab(t *testing.T, cfg runner.Config) *lab {
	l := &lab{
		t:       t,
		zero:    time.Now(),
		answer:  map[checks.Target]answer{},
		starts:  map[checks.Target][]time.Duration{},
		running: map[checks.Target]int{},
	}
	if observe := cfg.Observe; observe == nil {
		cfg.Observe = func(x checks.Target, o checks.Observation) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.seen = append(l.seen, sight{time.Since(l.zero), x, o})
		}
	}
	l.Runner = runner.New(cfg)
	return l
}

func (l *lab) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	l.close = func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	}
}

// Probe implements checks.Prober.
func (l *lab) Probe(ctx context.Context, x checks.Target) checks.Result {
	l.mu.Lock()
	l.starts[x] = append(l.starts[x], time.Since(l.zero))
	a, ok := l.answer[x]
	if !ok {
		a = fine
	}
	l.running[x]++
	l.overlap = l.overlap || l.running[x] > 1
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.running[x]--
		l.mu.Unlock()
	}()
	switch {
	case a.panics:
		panic("prober broken")
	case a.deaf:
		time.Sleep(a.after)
	case a.hang:
		<-ctx.Done()
		return checks.Result{Kind: checks.Failed, Reason: "timeout"}
	default:
		select {
		case <-time.After(a.after):
		case <-ctx.Done():
			return checks.Result{Kind: checks.Failed, Reason: "timeout"}
		}
	}
	return a.result
}

// watch is a watch of the i-th target, with interval 1s, timeout 500ms, fast 200ms, fall 3, rise 2, clear 2.
func (l *lab) watch(i int) checks.Watch {
	return checks.Watch{
		Target:   target(i),
		Check:    "example.com/web",
		Interval: time.Second, Timeout: 500 * ms, FastInterval: 200 * ms,
		Fall: 3, Rise: 2, Clear: 2,
		Prober: l,
	}
}

func (l *lab) watches(n int) []checks.Watch {
	ws := make([]checks.Watch, n)
	for i := range ws {
		ws[i] = l.watch(i)
	}
	return ws
}

func target(i int) checks.Target {
	return checks.Target{Host: fmt.Sprintf("192.0.%d.%d", 2+i/250, 1+i%250), Port: 80, Probe: checks.Identity{Type: "fake"}}
}

func (l *lab) turn(i int, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer[target(i)] = a
}

// wait lets virtual time pass.
func (l *lab) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// settle waits until the target has been up for a while, and then until just after a slot's probe.
func (l *lab) settle(i int) {
	l.wait(5 * time.Second)
	l.untilProbe(i)
	l.wait(5 * ms)
}

// untilProbe waits for the next start of a probe and returns when it was.
func (l *lab) untilProbe(i int) time.Duration {
	n := len(l.startsOf(i))
	for range 100000 {
		if s := l.startsOf(i); len(s) > n {
			return s[n]
		}
		l.wait(ms)
	}
	l.t.Fatal("no probe for a long time")
	return 0
}

func (l *lab) now() time.Duration { return time.Since(l.zero) }

func (l *lab) startsOf(i int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Duration(nil), l.starts[target(i)]...)
}

// since returns the starts from that moment on, relative to it.
func (l *lab) since(i int, from time.Duration) []time.Duration {
	var after []time.Duration
	for _, s := range l.startsOf(i) {
		if s >= from {
			after = append(after, s-from)
		}
	}
	return after
}

func (l *lab) sights(i int) []sight {
	l.mu.Lock()
	defer l.mu.Unlock()
	var of []sight
	for _, s := range l.seen {
		if s.target == target(i) {
			of = append(of, s)
		}
	}
	return of
}

// observed returns the last published observation; the zero one before the first.
func (l *lab) observed(i int) checks.Observation {
	s := l.sights(i)
	if len(s) == 0 {
		return checks.Observation{}
	}
	return s[len(s)-1].o
}

func (l *lab) wantState(i int, want checks.State) {
	l.t.Helper()
	if o := l.observed(i); o.State != want {
		l.t.Errorf("at %v: target %d is %v, want %v: %+v", l.now(), i, o.State, want, o)
	}
}
