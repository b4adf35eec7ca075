package runner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

// Each row is a run of results, one a second, and the observation after each: + is a success, - a
// failure, 0 a void result, and a number is that many seconds without any. Observations are U(p), D(own)
// or ?, followed by ! where the next probe is to come fast.
func TestDamping(t *testing.T) {
	usual := rule{fall: 3, rise: 2, clear: 2}
	tests := []struct {
		name    string
		rule    rule
		history checks.State
		results string
		want    string
	}{
		{"no history: the first success means up", usual, checks.Unknown, "+", "U"},
		{"no history: failures need fall of them, fast", usual, checks.Unknown, "---", "?! ?! D"},
		{"no history: a failure before the first success is not forgiven", usual, checks.Unknown, "-++", "?! U! U"},
		{"history up: the first success means up", usual, checks.Up, "+", "U"},
		{"history up: failures need fall of them", usual, checks.Up, "---", "?! ?! D"},
		{"history down: rise applies", usual, checks.Down, "++", "?! U"},
		{"history down: successes are consecutive", usual, checks.Down, "+-++", "?! D D! U"},
		{"history down: a failure confirms it", usual, checks.Down, "-", "D"},

		{"fall failures go down", usual, checks.Unknown, "+---", "U U! U! D"},
		{"clear successes forgive", usual, checks.Unknown, "+--++--+", "U U! U! U! U U! U! U!"},
		{"fewer do not: fail, pass, fail, pass, fail goes down", usual, checks.Unknown, "+-+-+-", "U U! U! U! U! D"},
		{"clear = 1 forgives at once", rule{3, 2, 1}, checks.Unknown, "+-+-+-", "U U! U U! U U!"},
		{"fall = 1", rule{1, 1, 1}, checks.Unknown, "+-+-", "U D U D"},
		{"rise successes come up", usual, checks.Unknown, "---++", "?! ?! D D! U"},
		{"a failure between starts rise again", usual, checks.Unknown, "---+-+", "?! ?! D D! D D!"},

		{"void changes no counter", usual, checks.Unknown, "+-00-0-", "U U! U! U! U! U! D"},
		{"void does not break a rise", usual, checks.Unknown, "---+0+", "?! ?! D D! D! U"},
		{"fall voids in a row: unknown, and nothing presses", usual, checks.Unknown, "+-000", "U U! U! U! ?"},
		{"void from the start", usual, checks.Unknown, "0000", "? ? ? ?"},
		{"after voids the own observation is history: up", usual, checks.Down, "++000+", "?! U U U ? U"},
		{"after voids the own observation is history: down", usual, checks.Up, "---000++", "?! ?! D D D ? ?! U"},
		{"failures before voids are not forgiven by them", usual, checks.Unknown, "+--000-", "U U! U! U! U! ? D"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d damper
			var got []string
			now := time.Unix(0, 0)
			for _, c := range tt.results {
				now = now.Add(time.Second)
				d.apply(resultOf(c), now, tt.rule, tt.history, now)
				got = append(got, draw(&d, tt.rule))
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.results, got, tt.want)
			}
		})
	}
}

func resultOf(c rune) checks.Result {
	switch c {
	case '+':
		return checks.Result{Kind: checks.OK}
	case '-':
		return checks.Result{Kind: checks.Failed, Reason: "refused"}
	}
	return checks.Result{Kind: checks.Void, Reason: "no route"}
}

func draw(d *damper, ru rule) string {
	s := map[checks.State]string{checks.Up: "U", checks.Down: "D", checks.Unknown: "?"}[d.state]
	if d.pressing(ru) {
		s += "!"
	}
	return s
}

// A target that goes down again within 5 min of coming up doubles the successes it needs, up to 16 x
// rise; 5 min up resets it.
func TestFlapping(t *testing.T) {
	ru := rule{fall: 2, rise: 2, clear: 2}
	var d damper
	now := time.Unix(0, 0)
	feed := func(c rune) {
		now = now.Add(time.Second)
		d.apply(resultOf(c), now, ru, checks.Unknown, now)
	}
	down := func() {
		for d.state != checks.Down {
			feed('-')
		}
	}
	up := func() (successes int) {
		for d.state != checks.Up {
			feed('+')
			successes++
		}
		return successes
	}
	feed('+') // no coming up: there was no down before
	var got []string
	for range 7 {
		down()
		got = append(got, fmt.Sprint(up()))
	}
	now = now.Add(steady - 3*time.Second) // up for just less than 5 min
	down()
	got = append(got, fmt.Sprint(up()))
	now = now.Add(steady)
	down()
	got = append(got, fmt.Sprint(up()))
	down()
	got = append(got, fmt.Sprint(up()))
	if got, want := strings.Join(got, " "), "2 4 8 16 32 32 32 32 2 4"; got != want {
		t.Errorf("successes needed: got %s, want %s", got, want)
	}
	if got := d.observation(ru).Needs; got != 4 {
		t.Errorf("Needs = %d while up after a flap, want 4", got)
	}
	now = now.Add(steady)
	feed('+')
	if got := d.observation(ru).Needs; got != 2 {
		t.Errorf("Needs = %d after 5 min up, want 2", got)
	}
}

func TestReasonOfObservation(t *testing.T) {
	ru := rule{fall: 2, rise: 2, clear: 1}
	tests := []struct {
		results string
		want    checks.Reason
	}{
		{"+", ""},
		{"-", "refused"},
		{"+-", "refused"},
		{"+-+", ""},
		{"--+", "refused"},
		{"--++", ""},
		{"0", "no route"},
		{"+00", "no route"},
		{"+-00", "no route"},
		{"+00+", ""},
		{"+00-", "refused"},
	}
	for _, tt := range tests {
		var d damper
		for _, c := range tt.results {
			d.apply(resultOf(c), time.Unix(1, 0), ru, checks.Unknown, time.Unix(1, 0))
		}
		if got := d.observation(ru).Reason; got != tt.want {
			t.Errorf("after %s: reason %q, want %q", tt.results, got, tt.want)
		}
	}
}

// Whatever comes: the counters stay below what would have changed the state, and down is never left
// with fewer than rise successes in a row nor reached with fewer than fall failures since it was left.
func TestDampingProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ru := rule{rapid.IntRange(1, 5).Draw(t, "fall"), rapid.IntRange(1, 5).Draw(t, "rise"), rapid.IntRange(1, 5).Draw(t, "clear")}
		history := checks.State(rapid.IntRange(0, 2).Draw(t, "history"))
		results := rapid.SliceOf(rapid.SampledFrom([]rune("++--0"))).Draw(t, "results")
		var d damper
		now := time.Unix(0, 0)
		run, fails := 0, 0
		for _, c := range results {
			was := d.was
			if was == checks.Unknown {
				was = history
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "gap")) * time.Second)
			d.apply(resultOf(c), now, ru, history, now)
			switch c {
			case '+':
				run++
			case '-':
				run, fails = 0, fails+1
			}
			if was == checks.Down && d.state == checks.Up {
				if run < ru.rise {
					t.Fatalf("up after %d successes", run)
				}
				fails = 0
			}
			if was != checks.Down && d.state == checks.Down {
				if fails < ru.fall {
					t.Fatalf("down after %d failures", fails)
				}
			}
			if d.state != checks.Down && d.fails >= ru.fall {
				t.Fatalf("%v with %d failures of %d", d.state, d.fails, ru.fall)
			}
			if o := d.observation(ru); o.State != checks.Unknown && o.InDoubt() && !d.pressing(ru) {
				t.Fatalf("%+v is in doubt and nothing presses", o)
			}
			if d.factor > maxFactor {
				t.Fatalf("factor %d", d.factor)
			}
		}
	})
}
