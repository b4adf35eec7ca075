package runner_test

import (
	"testing"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

func TestBudget(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name                    string
		nodes                   int
		interval, timeout, fast time.Duration
		fall                    int
		refuse, hang            time.Duration
	}{
		{"issue 2's example", 3, 1000 * ms, 500 * ms, 200 * ms, 2, 933 * ms, 1933 * ms},
		{"defaults, alone", 1, 2000 * ms, 1200 * ms, 500 * ms, 3, 3900 * ms, 6000 * ms},
		{"defaults, three nodes", 3, 2000 * ms, 1200 * ms, 500 * ms, 3, 2566 * ms, 5666 * ms},
		{"many nodes: jitter is interval/2N", 50, 1000 * ms, 500 * ms, 200 * ms, 2, 440 * ms, 1440 * ms},
		{"fast is longer than timeout", 2, 1000 * ms, 100 * ms, 1000 * ms, 2, 2700 * ms, 3200 * ms},
		{"no number of nodes is one", 0, 1000 * ms, 500 * ms, 200 * ms, 1, 1400 * ms, 1700 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := checks.Watch{Interval: tt.interval, Timeout: tt.timeout, FastInterval: tt.fast, Fall: tt.fall}
			refuse, hang := runner.Budget(w, tt.nodes)
			if refuse.Truncate(ms) != tt.refuse || hang.Truncate(ms) != tt.hang {
				t.Errorf("got %v and %v, want %v and %v", refuse, hang, tt.refuse, tt.hang)
			}
		})
	}
}

func TestBlips(t *testing.T) {
	w := checks.Watch{Interval: 2 * time.Second, Timeout: 1200 * time.Millisecond, FastInterval: 500 * time.Millisecond, Fall: 3}
	want := runner.Blip{Refused: time.Second, Silent: 2400 * time.Millisecond, Stalled: 3600 * time.Millisecond}
	if got := runner.Blips(w); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
