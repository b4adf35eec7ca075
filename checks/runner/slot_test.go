package runner

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

// A slot is at (hash + rank/N) x interval on the wheel, moved by at most the jitter, however many turns
// have gone by.
func TestSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.IntRange(1, 50).Draw(t, "of")
		w := wheel{
			base:     time.Unix(1000, 0),
			interval: time.Duration(rapid.Int64Range(100e6, 60e9).Draw(t, "interval")),
			rank:     Rank{rapid.IntRange(0, of-1).Draw(t, "rank"), of},
			hash:     rapid.Uint64().Draw(t, "hash"),
			seed:     rapid.Uint64().Draw(t, "seed"),
		}
		after := w.base.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "after")))
		want := (float64(w.hash)/math.MaxUint64 + float64(w.rank.Rank)/float64(of)) * float64(w.interval)
		most := min(w.interval/10, w.interval/time.Duration(2*of))
		for range 3 {
			s := w.from(after)
			if s.nominal.Before(after) || s.nominal.Sub(after) >= w.interval {
				t.Fatalf("slot %v is not the first from %v", s.nominal, after)
			}
			off := math.Mod(float64(s.nominal.Sub(w.base))-want, float64(w.interval))
			if off = math.Abs(off); off > 1e3 && float64(w.interval)-off > 1e3 {
				t.Fatalf("slot is %v off its place", time.Duration(off))
			}
			if j := s.at.Sub(s.nominal); j.Abs() > most {
				t.Fatalf("jitter %v, at most %v", j, most)
			}
			if most >= step && s.at.Sub(w.base)%step != 0 {
				t.Fatalf("%v after the wheel's 0 is out of step", s.at.Sub(w.base))
			}
			after = s.nominal.Add(w.interval / 2)
		}
	})
}

// Jitter uses its whole range, evenly, and differs between nodes.
func TestJitterSpreads(t *testing.T) {
	w := wheel{base: time.Unix(0, 0), interval: time.Second, rank: Rank{0, 3}, hash: 7, seed: 1}
	other := w
	other.seed = 2
	var sum, least, most time.Duration
	same := 0
	const n = 10000
	for k := range int64(n) {
		j := w.jitter(k)
		sum, least, most = sum+j, min(least, j), max(most, j)
		if j == other.jitter(k) {
			same++
		}
	}
	if mean := sum / n; mean.Abs() > 2*time.Millisecond || least > -99*time.Millisecond || most < 99*time.Millisecond || same > 1 {
		t.Errorf("mean %v, from %v to %v, %d equal on another node", mean, least, most, same)
	}
}

func TestPlacementRank(t *testing.T) {
	a, b, c := checks.Target{Host: "192.0.2.1"}, checks.Target{Host: "192.0.2.2"}, checks.Target{Host: "192.0.2.3"}
	p := Placement{Others: Rank{1, 3}, Ranks: map[checks.Target]Rank{a: {0, 2}, b: {2, 2}}}
	for _, tt := range []struct {
		target checks.Target
		want   Rank
	}{{a, Rank{0, 2}}, {b, Rank{0, 1}}, {c, Rank{1, 3}}} {
		if got := p.rank(tt.target); got != tt.want {
			t.Errorf("rank of %s: %v, want %v", tt.target.Host, got, tt.want)
		}
	}
	if got := (Placement{}).rank(a); got != (Rank{0, 1}) {
		t.Errorf("rank in a zero placement: %v, want by itself", got)
	}
}

// A wheel that is moved, other ranks, or another interval neither double a probe nor leave a gap of two.
func TestAimAfterMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Unix(1000, 0)
		interval := time.Duration(rapid.Int64Range(100e6, 10e9).Draw(t, "interval"))
		s := &subject{watch: checks.Watch{Interval: interval}, hash: rapid.Uint64().Draw(t, "hash"), rank: Rank{0, 1}}
		now := base.Add(time.Hour)
		s.aim(base, 1, now)
		if s.next.at.Before(now) {
			t.Fatalf("first slot %v before now", now.Sub(s.next.at))
		}
		for range 20 {
			s.spent = s.next.nominal
			now = s.next.at
			of := rapid.IntRange(1, 5).Draw(t, "of")
			s.rank = Rank{rapid.IntRange(0, of-1).Draw(t, "rank"), of}
			base = base.Add(time.Duration(rapid.Int64Range(-20e9, 20e9).Draw(t, "move")))
			s.aim(base, 1, now)
			gap := s.next.nominal.Sub(s.spent)
			if gap < interval/2 || gap > interval*3/2 {
				t.Fatalf("gap of %v at interval %v", gap, interval)
			}
		}
	})
}

// Within any second no more are taken than are allowed, and exactly so many if enough want.
func TestAllowance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a allowance
		quiet := float64(rapid.IntRange(0, 300).Draw(t, "quiet"))
		a.resize(quiet)
		limit := max(50, int(quiet))
		now := time.Unix(5, 0)
		var taken []time.Time
		for range 2000 {
			now = now.Add(time.Duration(rapid.Int64Range(0, 5e6).Draw(t, "gap")))
			if a.take(now) {
				taken = append(taken, now)
				continue
			}
			recent := 0
			for _, x := range taken {
				if now.Sub(x) < time.Second {
					recent++
				}
			}
			if recent != limit {
				t.Fatalf("refused with %d of %d in the last second", recent, limit)
			}
		}
		for i := range taken {
			if j := i + limit; j < len(taken) && taken[j].Sub(taken[i]) < time.Second {
				t.Fatalf("more than %d within %v", limit, taken[j].Sub(taken[i]))
			}
		}
	})
}

// A reload in the middle of a storm gives nothing back.
func TestAllowanceResizeKeeps(t *testing.T) {
	var a allowance
	a.resize(100)
	now := time.Unix(5, 0)
	for range 100 {
		a.take(now)
	}
	for _, quiet := range []float64{60, 20, 60} {
		a.resize(quiet)
	}
	got := 0
	for a.take(now) {
		got++
	}
	if got != 10 {
		t.Errorf("%d more at once after 100 -> 50 -> 60, want 10", got)
	}
}

func TestCut(t *testing.T) {
	long := make([]byte, checks.MaxReason-1)
	for i := range long {
		long[i] = 'x'
	}
	for _, tt := range []struct{ in, want checks.Reason }{
		{"refused", "refused"},
		{checks.Reason(long) + "yz", checks.Reason(long) + "y"},
		{checks.Reason(long) + "é", checks.Reason(long)},
	} {
		if got := cut(tt.in); got != tt.want {
			t.Errorf("cut(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
