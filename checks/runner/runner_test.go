package runner_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

// Every target is probed at once at start, spread over min(1 s, interval), and also when a reload adds
// it; after that there is one probe per slot, and a probe is at most the jitter off its slot.
func TestOneProbePerSlot(t *testing.T) {
	inLab(t, runner.Config{Seed: 1}, func(l *lab) {
		l.wait(100 * ms)
		ws := l.watches(10)
		for i := range 5 {
			ws[i].Interval = 3 * time.Second
		}
		set := l.now()
		l.Set(ws)
		l.wait(2 * time.Minute)
		for i := range ws {
			interval := ws[i].Interval
			s := l.startsOf(i)
			if first := s[0] - set; first > time.Duration(i)*100*ms {
				t.Errorf("target %d: first probe after %v, want at most %v", i, first, time.Duration(i)*100*ms)
			}
			slots := s[2:]
			for k := range slots {
				off := slots[k] - slots[0] - time.Duration(k)*interval
				if off.Abs() > 2*runner.Jitter(interval, 1) {
					t.Errorf("target %d: slot %d is %v off", i, k, off)
				}
			}
			if n, want := len(s), int(2*time.Minute/interval); n < want || n > want+2 {
				t.Errorf("target %d: %d probes, want about %d", i, n, want)
			}
		}
		more := l.now()
		l.Set(l.watches(11))
		l.wait(ms)
		if s := l.since(10, more); len(s) != 1 || s[0] != 0 {
			t.Errorf("a target that is added is probed at %v, want at once", s)
		}
	})
}

// The first probes are spread from when there is somebody to start them, not from Set.
func TestSetBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, runner.Config{})
		l.Set(l.watches(100))
		time.Sleep(time.Minute)
		start := l.now()
		l.run()
		l.wait(time.Second)
		counts := map[time.Duration]int{}
		for i := range 100 {
			s := l.since(i, start)
			if len(s) == 0 {
				t.Fatalf("target %d is not probed within 1s", i)
			}
			counts[s[0].Truncate(100*ms)]++
		}
		if n := counts[0]; n > 30 {
			t.Errorf("%d of 100 targets are probed in the first 100ms", n)
		}
		l.close()
	})
}

// A node's slot is (hash + rank/N) x interval on a shared wheel: three nodes probe a target a third of
// the interval apart, on any base.
func TestSlotsOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := time.Now().Add(-time.Hour)
		labs := make([]*lab, 3)
		for rank := range labs {
			time.Sleep(77 * ms)
			l := newLab(t, runner.Config{Seed: uint64(rank)})
			l.zero = base
			l.Set([]checks.Watch{l.watch(0)})
			l.Place(runner.Placement{Base: base, Others: runner.Rank{Rank: rank, Of: 3}})
			l.run()
			labs[rank] = l
		}
		time.Sleep(time.Minute)
		phase := time.Duration(float64(target(0).Hash()) / (1 << 32) / (1 << 32) * float64(time.Second))
		for rank, l := range labs {
			l.close()
			for _, s := range l.startsOf(0)[2:] {
				off := (s - phase - time.Duration(rank)*time.Second/3 + time.Hour + 500*ms) % time.Second
				if off -= 500 * ms; off.Abs() > 101*ms {
					t.Fatalf("node %d probes at %v, %v off its slot", rank, s, off)
				}
			}
			if r, _ := l.Report(target(0)); r.Rank != (runner.Rank{Rank: rank, Of: 3}) {
				t.Errorf("node %d reports rank %v", rank, r.Rank)
			}
		}
	})
}

// However often the wheel or the ranks are moved, or a reload comes, no target goes without its probe
// for two intervals, nor gets two for one slot.
func TestRestlessWheel(t *testing.T) {
	for _, every := range []time.Duration{30 * ms, 300 * ms, time.Second} {
		inLab(t, runner.Config{}, func(l *lab) {
			random := rand.New(rand.NewPCG(1, 2))
			for l.now() < time.Minute {
				l.Set(l.watches(20))
				base := l.zero.Add(-time.Duration(random.Int64N(1e10)))
				l.Place(runner.Placement{Base: base, Others: runner.Rank{Rank: random.IntN(3), Of: 3}})
				l.wait(every)
			}
			for i := range 20 {
				s := l.startsOf(i)
				for k := 1; k < len(s); k++ {
					if gap := s[k] - s[k-1]; gap > 1710*ms || k > 1 && gap < 300*ms {
						t.Errorf("moved every %v: target %d is probed after %v", every, i, gap)
					}
				}
			}
		})
	}
}

// While in doubt a probe starts the fast interval after the last start and none sooner; slot and
// provoked probes that fall between are dropped. The slots stay where they were.
func TestDoubt(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		w := l.watch(0)
		w.Fall = 20
		l.Set([]checks.Watch{w})
		l.settle(0)
		before := l.startsOf(0)
		l.turn(0, refuses)
		first := l.untilProbe(0)
		for range 30 {
			l.wait(90 * ms)
			l.Hint(target(0))
		}
		for k, s := range l.since(0, first) {
			if want := time.Duration(k) * 200 * ms; s != want {
				t.Fatalf("probe %d in doubt starts at %v, want %v", k, s, want)
			}
		}
		l.turn(0, fine)
		l.wait(5 * time.Second)
		last := l.startsOf(0)
		off := (last[len(last)-1] - before[len(before)-1] + 500*ms) % time.Second
		if off -= 500 * ms; off.Abs() > 200*ms {
			t.Errorf("slots moved by %v through doubt", off)
		}
	})
}

// The fast interval is measured from the last start, of whatever origin: here of a provoked probe.
func TestFastAfterProvoked(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.Set([]checks.Watch{l.watch(0)})
		l.settle(0)
		l.turn(0, refuses)
		l.wait(33 * ms)
		l.Hint(target(0))
		first := l.untilProbe(0)
		l.wait(410 * ms)
		if got, want := l.since(0, first), []time.Duration{0, 200 * ms, 400 * ms}; !slices.Equal(got, want) {
			t.Errorf("starts %v, want %v", got, want)
		}
		l.wantState(0, checks.Down)
	})
}

// A probe never overlaps one of its target that still runs; in doubt the next follows when it ends.
func TestNoOverlap(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		w := l.watch(0)
		w.Timeout, w.Fall = time.Second, 10
		l.Set([]checks.Watch{w})
		l.settle(0)
		l.turn(0, hangs)
		first := l.untilProbe(0)
		for range 500 {
			l.wait(10 * ms)
			l.Hint(target(0))
		}
		for k, s := range l.since(0, first) {
			if want := time.Duration(k) * time.Second; s != want {
				t.Errorf("probe %d starts at %v, want %v", k, s, want)
			}
		}
	}) // inLab checks the overlap
}

// A slot that falls into a slow probe is probed when that ends, not lost.
func TestSlotWaitsForSlowProbe(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		w := l.watch(0)
		w.Timeout = time.Second
		l.turn(0, answer{result: checks.Result{Kind: checks.OK}, after: 990 * ms})
		l.Set([]checks.Watch{w})
		l.wait(100 * time.Second)
		if n := len(l.startsOf(0)); n < 98 {
			t.Errorf("%d probes in 100 slots", n)
		}
	})
}

// No history: the first success means up, failures need fall of them at the fast interval, and until
// then it is unknown. A history that says down: rise applies.
func TestHistory(t *testing.T) {
	tests := []struct {
		name    string
		history checks.State
		answer  answer
		want    string // observations with their times
	}{
		{"none, works", checks.Unknown, fine, "1ms up"},
		{"none, refuses", checks.Unknown, refuses, "1ms unknown, 201ms unknown, 401ms down"},
		{"up, works", checks.Up, fine, "1ms up"},
		{"down, works", checks.Down, fine, "1ms unknown, 201ms up"},
		{"down, refuses", checks.Down, refuses, "1ms down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := runner.Config{History: func(x checks.Target) (checks.State, bool) {
				return tt.history, tt.history != checks.Unknown
			}}
			inLab(t, cfg, func(l *lab) {
				// A long interval keeps slots out of the picture.
				w := l.watch(0)
				w.Interval = time.Minute
				l.turn(0, tt.answer)
				l.Set([]checks.Watch{w})
				l.wait(900 * ms)
				got := ""
				for i, s := range l.sights(0) {
					if i > 0 {
						got += ", "
					}
					got += fmt.Sprintf("%v %v", s.at, s.o.State)
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// After fall void results in a row the observation is unknown, with that reason; they alarm nobody and
// come at slots only.
func TestVoid(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.Set([]checks.Watch{l.watch(0)})
		l.settle(0)
		l.turn(0, noRoute)
		l.untilProbe(0)
		l.untilProbe(0)
		l.wait(5 * ms)
		l.wantState(0, checks.Up)
		from := l.untilProbe(0)
		l.wait(5 * ms)
		if o := l.observed(0); o.State != checks.Unknown || o.Reason != "no route" || o.Alarm != 0 {
			t.Errorf("after 3 voids: %+v", o)
		}
		l.wait(10 * time.Second)
		if n := len(l.since(0, from)); n > 12 {
			t.Errorf("%d probes in 10 slots", n)
		}
		l.turn(0, fine)
		l.wait(1200 * ms)
		l.wantState(0, checks.Up)
	})
}

// An observation without a finished result for interval + timeout + max(interval, 1 s) is unknown.
func TestStale(t *testing.T) {
	for _, interval := range []time.Duration{500 * ms, 2 * time.Second} {
		inLab(t, runner.Config{}, func(l *lab) {
			w := l.watch(0)
			w.Interval = interval
			l.Set([]checks.Watch{w})
			l.settle(0)
			r, _ := l.Report(w.Target)
			l.turn(0, answer{result: checks.Result{Kind: checks.OK}, after: time.Minute, deaf: true})
			stale := interval + w.Timeout + max(interval, time.Second) - time.Since(r.LastEnd)
			l.wait(stale - ms)
			l.wantState(0, checks.Up)
			l.wait(2 * ms)
			if o := l.observed(0); o.State != checks.Unknown || o.Reason != "no result" {
				t.Errorf("interval %v: without a result for long: %+v", interval, o)
			}
			l.turn(0, fine)
			l.wait(2 * time.Minute)
			l.wantState(0, checks.Up)
		})
	}
}

// Provoked probes come rank/N of the fast interval after the hint, count as ordinary results, provoke
// nothing and do not move the slot.
func TestProvoked(t *testing.T) {
	for rank := range 4 {
		inLab(t, runner.Config{}, func(l *lab) {
			w := l.watch(0)
			w.Interval = 10 * time.Second
			w.Fall = 1
			l.Set([]checks.Watch{w})
			l.Place(runner.Placement{Base: l.zero, Others: runner.Rank{Rank: rank, Of: 4}})
			l.wait(20 * time.Second)
			l.untilProbe(0)
			l.wait(100 * ms)
			r, _ := l.Report(w.Target)
			slot := r.Next
			l.turn(0, refuses)
			from := l.now()
			if !l.Hint(w.Target) {
				t.Error("a hint is dropped")
			}
			if rank > 0 && l.Hint(w.Target) {
				t.Errorf("rank %d: a second hint waits beside the first", rank)
			}
			l.wait(200 * ms)
			if got, want := l.since(0, from), time.Duration(rank)*50*ms; len(got) != 1 || got[0] != want {
				t.Errorf("rank %d: provoked probes at %v, want %v", rank, got, want)
			}
			if o := l.observed(0); o.State != checks.Down || o.Alarm != 0 {
				t.Errorf("after a provoked failure: %+v", o)
			}
			if r, _ := l.Report(w.Target); !r.Next.Equal(slot) {
				t.Errorf("slot moved by %v", r.Next.Sub(slot))
			}
		})
	}
}

// A hint while a probe runs that began before it is carried out when that probe has succeeded.
func TestHintDuringProbe(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.turn(0, answer{result: checks.Result{Kind: checks.OK}, after: 150 * ms})
		l.Set([]checks.Watch{l.watch(0)})
		l.wait(3 * time.Second)
		first := l.untilProbe(0)
		l.Hint(target(0))
		l.wait(300 * ms)
		if got, want := l.since(0, first), []time.Duration{0, 150 * ms}; !slices.Equal(got, want) {
			t.Errorf("starts %v, want %v", got, want)
		}
	})
}

func TestHintOfNothing(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.Set([]checks.Watch{l.watch(0)})
		l.settle(0)
		if l.Hint(target(1)) {
			t.Error("a hint for a target that is not watched is taken")
		}
		l.turn(0, refuses)
		l.wait(3 * time.Second)
		l.wantState(0, checks.Down)
		from := l.untilProbe(0)
		l.wait(5 * ms)
		l.Hint(target(0))
		l.wait(500 * ms)
		if s := l.since(0, from); len(s) != 1 {
			t.Errorf("a hint for a target that is down provokes probes: %v", s)
		}
		if s := l.Stats(); s.Hints != 2 || s.HintsDropped != 1 {
			t.Errorf("%d hints, %d dropped; want 2, 1", s.Hints, s.HintsDropped)
		}
	})
}
