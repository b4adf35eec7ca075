package runner_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

// A reload keeps streaks and observation, however the judging changes, and moves no slot it need not.
func TestSetKeepsStreaks(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		w := l.watch(0)
		w.Fall, w.FastInterval = 4, time.Second
		l.Set([]checks.Watch{w})
		l.settle(0)
		l.turn(0, refuses)
		l.untilProbe(0)
		l.untilProbe(0)
		l.wait(5 * ms)
		r, _ := l.Report(w.Target)
		n, from := len(l.sights(0)), l.now()
		w.Check, w.Clear, w.Fall, w.Quorum = "example.com/other", 5, 3, checks.Quorum{Kind: checks.AnyVote}
		for range 10 {
			l.Set([]checks.Watch{w, l.watch(1)})
			l.wait(10 * ms)
		}
		if s := l.since(0, from); len(s) != 0 {
			t.Errorf("a reload probes a target it keeps, at %v", s)
		}
		if len(l.sights(0)) != n {
			t.Error("a reload publishes anew")
		}
		if now, _ := l.Report(w.Target); !now.Next.Equal(r.Next) || now.Observation.Fails != 2 {
			t.Errorf("after a reload: next probe %v later, %+v", now.Next.Sub(r.Next), now.Observation)
		}
		l.untilProbe(0)
		l.wait(5 * ms)
		l.wantState(0, checks.Down)
		if s := l.Stats().Checks; len(s) != 2 || s["example.com/other"].Failure != 1 {
			t.Errorf("counts by check: %+v", s)
		}
	})
}

// A target that is gone is probed no more; its running probe is stopped and does not count, nor does it
// when the target is back before that ends.
func TestSetRemoves(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.Set(l.watches(2))
		l.settle(0)
		l.turn(0, hangs)
		l.untilProbe(0)
		l.wait(5 * ms)
		l.Set([]checks.Watch{l.watch(1)})
		l.wait(0)
		if s := l.Stats(); s.InFlight != 0 || s.Targets != 1 {
			t.Errorf("after removal: %d in flight, %d targets", s.InFlight, s.Targets)
		}
		if _, ok := l.Report(target(0)); ok {
			t.Error("a removed target is reported")
		}
		n, from := len(l.sights(0)), l.now()
		l.wait(10 * time.Second)
		if len(l.sights(0)) != n || len(l.since(0, from)) != 0 {
			t.Error("a removed target is probed or observed")
		}
		l.turn(0, fine)
		l.Set(l.watches(2))
		l.wait(2 * ms)
		l.wantState(0, checks.Up)
		if s := l.Stats().Checks["example.com/web"]; s.Failure+s.Timeout != 0 {
			t.Errorf("stopped probes are counted: %+v", s)
		}
	})
}

func TestSetTwiceTheSame(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		a, b := l.watch(0), l.watch(0)
		b.Check = "example.com/second"
		l.Set([]checks.Watch{a, b})
		l.wait(500 * ms)
		if all := l.Reports(); len(all) != 1 || all[a.Target].Check != a.Check {
			t.Errorf("reports %+v, want the first alone", all)
		}
	})
}

// Reset: every observation is unknown until probed again, at once; a probe that runs does not count.
func TestReset(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.Set(l.watches(3))
		l.turn(1, refuses)
		l.settle(0)
		l.wantState(0, checks.Up)
		l.wantState(1, checks.Down)
		l.turn(2, hangs)
		l.untilProbe(2)
		l.wait(5 * ms)
		for i := range 3 {
			l.turn(i, fine)
		}
		n := len(l.sights(0))
		l.Reset()
		l.wait(0)
		if s := l.sights(0); len(s) < n+1 || s[n].o.State != checks.Unknown {
			t.Errorf("after Reset target 0 is published as %+v", s[n:])
		}
		l.wait(time.Second)
		for i := range 3 {
			l.wantState(i, checks.Up) // the first success: no history of its own
		}
		if o := l.observed(2); o.Fails != 0 {
			t.Errorf("what ran at the Reset counts: %+v", o)
		}
	})
}

// When Run ends it stops the probes, waits for them, and takes nothing of it for a failure.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, runner.Config{})
		l.Set(l.watches(50))
		l.run()
		l.wait(5 * time.Second)
		for i := range 50 {
			l.turn(i, hangs)
		}
		l.wait(150 * ms)
		l.turn(0, answer{result: checks.Result{Kind: checks.OK}, after: time.Minute, deaf: true})
		last := l.untilProbe(0)
		n := len(l.seen)
		l.close()
		if got := l.now() - last; got != time.Minute {
			t.Errorf("Run ends %v after the start of the last probe, want when that ends", got)
		}
		if len(l.seen) != n {
			t.Errorf("observations at the end: %+v", l.seen[n:])
		}
	})
}

// Nor when Run is busy with something else at that moment, and finds both the end and the results.
func TestStopWhileBusy(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			downs := 0
			l := newLab(t, runner.Config{Observe: func(x checks.Target, o checks.Observation) {
				if x == target(0) && o.Fails > 0 {
					time.Sleep(100 * ms)
				} else if o.Fails > 0 {
					downs++
				}
			}})
			l.Set(l.watches(30))
			l.run()
			l.wait(5 * time.Second)
			for i := range 30 {
				l.turn(i, hangs)
			}
			l.turn(0, refuses)
			l.untilProbe(0)
			l.wait(50 * ms)
			before := downs
			l.close()
			if downs != before {
				t.Errorf("%d failures at the end", downs-before)
			}
		})
	}
}

// A prober that panics makes void results; those that do not fit in flight are skipped and counted.
func TestPanicAndSkip(t *testing.T) {
	inLab(t, runner.Config{MaxInFlight: 5}, func(l *lab) {
		l.turn(0, answer{panics: true})
		l.Set([]checks.Watch{l.watch(0)})
		l.wait(5 * time.Second)
		if o := l.observed(0); o.State != checks.Unknown || o.Reason != "internal error" {
			t.Errorf("after panics: %+v", o)
		}
		if s := l.Stats(); s.Panics < 4 || s.Checks["example.com/web"].Error != s.Panics {
			t.Errorf("stats after panics: %+v", s)
		}
		ws := l.watches(20)
		for i := range ws {
			l.turn(i, hangs)
		}
		l.Set(ws)
		for range 200 {
			l.wait(25 * ms)
			if n := l.Stats().InFlight; n > 5 {
				t.Fatalf("%d in flight, at most 5", n)
			}
		}
		if s := l.Stats().Checks["example.com/web"]; s.Skipped == 0 || s.Timeout == 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Only changes are published, the latency alone is none, and each comes from the one goroutine of Run.
func TestObserveOnlyChanges(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.Set([]checks.Watch{l.watch(0)})
		for i := range 50 {
			l.turn(0, answer{result: checks.Result{Kind: checks.OK}, after: time.Duration(i) * ms})
			l.wait(time.Second)
		}
		l.turn(0, refuses)
		l.wait(30 * time.Second)
		// up; 1 failure with the alarm; 2 failures; down
		if s := l.sights(0); len(s) != 4 {
			t.Errorf("%d observations published: %+v", len(s), s)
		}
	})
}

// After Reset nothing is told any more that was found before it.
func TestResetKeepsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *lab
		var told []string
		l = newLab(t, runner.Config{Observe: func(x checks.Target, o checks.Observation) {
			told = append(told, x.Host+" "+o.State.String())
			switch len(told) {
			case 1:
				time.Sleep(time.Second) // the other two end meanwhile
			case 2:
				l.Reset()
			}
		}})
		slow := answer{result: checks.Result{Kind: checks.OK}, after: 800 * ms}
		ws := l.watches(3)
		for i := range ws {
			l.turn(i, slow)
			ws[i].Timeout = ws[i].Interval
		}
		l.Set(ws)
		l.run()
		l.wait(2 * time.Second)
		l.close()
		if len(told) < 3 || !strings.HasSuffix(told[2], "unknown") {
			t.Errorf("told: %q", told)
		}
	})
}

// Observe may call back: nothing is locked meanwhile.
func TestObserveCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *lab
		calls := 0
		l = newLab(t, runner.Config{Observe: func(x checks.Target, _ checks.Observation) {
			if calls++; calls > 3 {
				return
			}
			l.Hint(x)
			l.Stats()
			l.Reports()
			l.Place(runner.Placement{Base: l.zero, Others: runner.Rank{Rank: calls, Of: 5}})
			l.Set(l.watches(2 + calls))
			l.Reset()
			time.Sleep(10 * ms)
		}})
		l.Set(l.watches(2))
		l.run()
		l.wait(10 * time.Second)
		l.close()
		if calls <= 3 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestReport(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		expiry := time.Now().Add(240 * time.Hour)
		l.turn(0, answer{result: checks.Result{Kind: checks.OK, CertNotAfter: expiry}, after: 7 * ms})
		l.Set([]checks.Watch{l.watch(0)})
		l.settle(0)
		l.wait(50 * ms)
		r, ok := l.Report(target(0))
		if !ok || r.Check != "example.com/web" || r.Observation.State != checks.Up || r.Last.Latency != 7*ms ||
			!r.CertExpiry.Equal(expiry) || r.Running || r.Flap != 1 || !r.FirstBad.IsZero() || !r.Next.After(time.Now()) ||
			r.LastEnd.Sub(r.LastStart) != 7*ms || r.Since.Sub(l.zero) != 7*ms {
			t.Errorf("up: %+v", r)
		}
		l.turn(0, refuses)
		first := l.untilProbe(0)
		l.wait(time.Second)
		r, _ = l.Report(target(0))
		if r.Observation.State != checks.Down || r.FirstBad.Sub(l.zero) != first || r.Since.Sub(l.zero) != first+401*ms || !r.CertExpiry.Equal(expiry) {
			t.Errorf("down: %+v", r)
		}
	})
}

func TestSetRefusesNonsense(t *testing.T) {
	r := runner.New(runner.Config{Observe: func(checks.Target, checks.Observation) {}})
	defer func() {
		if recover() == nil {
			t.Error("a watch without an interval is taken")
		}
	}()
	r.Set([]checks.Watch{{Target: target(0), Prober: &lab{}}})
}

func TestRunWithoutTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runner.New(runner.Config{Observe: func(checks.Target, checks.Observation) {}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
}
