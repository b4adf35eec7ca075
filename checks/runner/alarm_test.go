package runner_test

import (
	"testing"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

// The failure of a slot probe alarms, once; those of fast probes, which follow, do not, nor does a slot
// probe of a target that is down.
func TestAlarmOnFailure(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		w := l.watch(0)
		w.Fall = 8
		l.Set([]checks.Watch{w})
		l.settle(0)
		l.turn(0, refuses)
		l.untilProbe(0)
		l.wait(ms)
		if o := l.observed(0); o.Alarm != 1 || o.Fails != 1 {
			t.Errorf("after the first failure: %+v, want one alarm at once", o)
		}
		l.wait(10 * time.Second)
		l.wantState(0, checks.Down)
		if o := l.observed(0); o.Alarm != 1 {
			t.Errorf("%d alarms after %d probes, want 1", o.Alarm, len(l.startsOf(0)))
		}
		l.turn(0, fine)
		l.wait(5 * time.Second)
		l.turn(0, refuses)
		l.wait(5 * time.Second)
		if o := l.observed(0); o.Alarm != 2 {
			t.Errorf("%d alarms after a second outage, want 2", o.Alarm)
		}
	})
}

// The first probe of a target is no slot probe.
func TestInitialFailureDoesNotAlarm(t *testing.T) {
	inLab(t, runner.Config{}, func(l *lab) {
		l.turn(0, refuses)
		w := l.watch(0)
		w.Interval = time.Minute
		l.Set([]checks.Watch{w})
		l.wait(900 * ms)
		l.wantState(0, checks.Down)
		if o := l.observed(0); o.Alarm != 0 {
			t.Errorf("%d alarms", o.Alarm)
		}
	})
}

// A slot probe still unanswered after max(fast_interval, 3 x its usual latency) alarms, and not again
// when it fails.
func TestAlarmOnSilence(t *testing.T) {
	for _, tt := range []struct{ latency, want time.Duration }{{ms, 200 * ms}, {100 * ms, 300 * ms}, {200 * ms, 500 * ms}} {
		inLab(t, runner.Config{}, func(l *lab) {
			l.turn(0, answer{result: checks.Result{Kind: checks.OK}, after: tt.latency})
			l.Set([]checks.Watch{l.watch(0)})
			l.wait(30 * time.Second)
			l.turn(0, hangs)
			if r, _ := l.Report(target(0)); r.Running {
				l.untilProbe(0)
			}
			l.untilProbe(0)
			l.wait(tt.want - 2*ms)
			if o := l.observed(0); o.Alarm != 0 {
				t.Errorf("latency %v: alarm before %v", tt.latency, tt.want)
			}
			l.wait(4 * ms)
			if o := l.observed(0); o.Alarm != 1 {
				t.Errorf("latency %v: no alarm after %v: %+v", tt.latency, tt.want, o)
			}
			l.wait(4 * time.Second)
			l.wantState(0, checks.Down)
			if o := l.observed(0); o.Alarm != 1 {
				t.Errorf("latency %v: %d alarms, want 1", tt.latency, o.Alarm)
			}
		})
	}
}

// A node that doubts more than a third of its targets, and at least 3, provokes nobody. The probes that
// are silent for too long count.
func TestDoubtfulNodeAlarmsNobody(t *testing.T) {
	for _, tt := range []struct {
		name          string
		targets, fail int
		answer        answer
		alarms        int
	}{
		{"all of one", 1, 1, refuses, 1},
		{"all of two", 2, 2, refuses, 2},
		{"all of three", 3, 3, refuses, 2},
		{"a third of nine", 9, 3, refuses, 3},
		{"more than a third of nine", 9, 4, refuses, 3},
		{"all of 300", 300, 300, refuses, 100},
		{"all of 300, silent", 300, 300, hangs, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, runner.Config{}, func(l *lab) {
				ws := l.watches(tt.targets)
				for i := range ws {
					ws[i].Fall = 1000 // stays in doubt
				}
				l.Set(ws)
				l.wait(5 * time.Second)
				for i := range tt.fail {
					l.turn(i, tt.answer)
				}
				l.wait(1700 * ms)
				alarms := 0
				for i := range ws {
					alarms += int(l.observed(i).Alarm)
				}
				if alarms != tt.alarms {
					t.Errorf("%d alarms, want %d", alarms, tt.alarms)
				}
				s := l.Stats()
				if int(s.Alarms) != alarms || (s.AlarmsHeld > 0) != (tt.alarms < tt.fail) || s.Doubted != tt.fail {
					t.Errorf("stats: %d alarms, %d held, %d doubted", s.Alarms, s.AlarmsHeld, s.Doubted)
				}
			})
		})
	}
}

// Fast and provoked probes come out of a budget of one quiet rate, and at least 50 a second; what does
// not fit waits for its slot and is counted: a mass failure costs at most twice the quiet probes, or 50
// a second more.
func TestBudgetOfProbes(t *testing.T) {
	for _, n := range []int{20, 50, 400} {
		inLab(t, runner.Config{}, func(l *lab) {
			ws := l.watches(n)
			for i := range ws {
				ws[i].Fall = 100
			}
			l.Set(ws)
			l.wait(5 * time.Second)
			for i := range ws {
				l.turn(i, refuses)
			}
			from := l.now()
			for range 100 {
				l.wait(50 * ms)
				for i := range ws {
					l.Hint(target(i))
				}
			}
			var all []time.Duration
			for i := range ws {
				s := l.since(i, from)
				all = append(all, s...)
				if len(s) < 4 {
					t.Errorf("%d targets: only %d probes of target %d in 5 slots", n, len(s), i)
				}
			}
			perSecond := map[int]int{}
			for _, s := range all {
				perSecond[int(s/time.Second)]++
			}
			most := n + max(n, 50) + n/5 // jitter moves slots across the second
			least := min(5*n, n+max(n, 50)) * 8 / 10
			for sec := range 5 {
				if got := perSecond[sec]; got > most || sec > 1 && got < least {
					t.Errorf("%d targets: %d probes in second %d, want %d to %d", n, got, sec, least, most)
				}
			}
			s := l.Stats()
			if (s.OverBudget > 0) != (5*n > n+max(n, 50)) {
				t.Errorf("%d targets: %d over budget", n, s.OverBudget)
			}
			if got := s.Origins[runner.Fast] + s.Origins[runner.Provoked]; got > uint64(6*max(n, 50)) {
				t.Errorf("%d targets: %d fast and provoked probes in 5s", n, got)
			}
		})
	}
}
