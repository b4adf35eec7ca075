package runner_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

// A counter is a prober that always succeeds after a while and keeps no more than a number.
type counter struct {
	after time.Duration
	runs  atomic.Int64
}

// Probe implements checks.Prober.
func (c *counter) Probe(ctx context.Context, _ checks.Target) checks.Result {
	c.runs.Add(1)
	select {
	case <-time.After(c.after):
	case <-ctx.Done():
	}
	return checks.Result{Kind: checks.OK}
}

func many(n int, p checks.Prober) []checks.Watch {
	ws := make([]checks.Watch, n)
	for i := range ws {
		ws[i] = checks.Watch{
			Target: target(i), Check: "example.com/web",
			Interval: time.Second, Timeout: 500 * ms, FastInterval: 200 * ms,
			Fall: 3, Rise: 2, Clear: 2, Prober: p,
		}
	}
	return ws
}

// 10,000 targets at 1 s, in virtual time: every slot is probed, evenly over the second, none late, with
// no goroutine for a target that waits, and reports and reloads in between.
func TestTenThousand(t *testing.T) {
	const n = 10000
	synctest.Test(t, func(t *testing.T) {
		c := &counter{after: 3 * ms}
		up := 0
		r := runner.New(runner.Config{Seed: 1, Observe: func(_ checks.Target, o checks.Observation) {
			if o.State == checks.Up {
				up++
			}
		}})
		ws := many(n, c)
		r.Set(ws)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		most, busiest, last := 0, int64(0), int64(0)
		for k := range 99 {
			time.Sleep(100 * ms)
			if k%10 == 0 {
				r.Set(ws)
				r.Place(runner.Placement{Base: time.Now().Add(-time.Duration(k) * time.Second), Others: runner.Rank{Rank: 0, Of: 3}})
			}
			most = max(most, runtime.NumGoroutine())
			if runs := c.runs.Load(); k > 12 {
				busiest, last = max(busiest, runs-last), runs
			} else {
				last = runs
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		s := r.Stats()
		if up != n || len(r.Reports()) != n {
			t.Errorf("%d of %d targets up", up, n)
		}
		if runs := c.runs.Load(); runs < 10*n || runs > 115*n/10 {
			t.Errorf("%d probes in 10s", runs)
		}
		if busiest > n/10*3/2 {
			t.Errorf("%d probes in 100ms, want about %d", busiest, n/10)
		}
		if lag, ok := s.Lag.Quantile(1); !ok || lag > .001 {
			t.Errorf("worst lag above %vs", lag)
		}
		if most > n/20 {
			t.Errorf("%d goroutines", most)
		}
	})
}

// A crowd is a prober whose probes all end at the same moments: half of each second.
type crowd struct{ zero time.Time }

// Probe implements checks.Prober.
func (c crowd) Probe(context.Context, checks.Target) checks.Result {
	time.Sleep(500*ms - time.Since(c.zero)%(500*ms))
	return checks.Result{Kind: checks.OK}
}

// However many probes end at once, none is lost.
func TestManyEndAtOnce(t *testing.T) {
	const n = 3000
	synctest.Test(t, func(t *testing.T) {
		r := runner.New(runner.Config{Observe: func(checks.Target, checks.Observation) {}})
		r.Set(many(n, crowd{time.Now()}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for x, report := range r.Reports() {
			if time.Since(report.LastEnd) > 2*time.Second {
				t.Fatalf("%s: last result %v ago", x.Host, time.Since(report.LastEnd))
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := r.Stats(); s.InFlight != 0 || s.Checks["example.com/web"].Success < 9*n {
			t.Errorf("%d in flight at the end, %d successes", s.InFlight, s.Checks["example.com/web"].Success)
		}
	})
}

// BenchmarkTenThousand runs 10,000 targets at 1 s in real time for 3 s, with a prober that waits 1 ms:
// what the runner itself costs, and how late its probes are.
func BenchmarkTenThousand(b *testing.B) {
	const n = 10000
	for b.Loop() {
		c := &counter{after: ms}
		r := runner.New(runner.Config{Seed: 1, Observe: func(checks.Target, checks.Observation) {}})
		r.Set(many(n, c))
		ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
		before := cpu(b)
		if err := r.Run(ctx); err != nil {
			b.Fatal(err)
		}
		cancel()
		s := r.Stats()
		p99, _ := s.Lag.Quantile(.99)
		worst, _ := s.Lag.Quantile(1)
		b.ReportMetric(p99*1e3, "p99-lag-ms")
		b.ReportMetric(worst*1e3, "worst-lag-ms")
		b.ReportMetric(float64(c.runs.Load())/3, "probes/s")
		b.ReportMetric(100*(cpu(b)-before).Seconds()/3, "cpu-%")
	}
}

// BenchmarkSet is the cost of a reload that changes nothing of 10,000 targets: how long a lock is held.
func BenchmarkSet(b *testing.B) {
	r := runner.New(runner.Config{Observe: func(checks.Target, checks.Observation) {}})
	ws := many(10000, &counter{})
	r.Set(ws)
	b.ReportAllocs()
	for b.Loop() {
		r.Set(ws)
	}
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
