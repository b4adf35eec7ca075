package gossip

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// A name among the join addresses that is this node's own is known for it, and not called.
func TestJoinsSelf(t *testing.T) {
	for _, row := range []struct {
		self string
		own  int
	}{{"127.0.0.1:7946", 1}, {"127.0.0.1:7947", 0}, {"192.0.2.1:7946", 0}} {
		j, err := newJoiner([]string{"localhost:7946", "192.0.2.7:7946", row.self}, row.self)
		if err != nil {
			t.Fatal(err)
		}
		m := &Mesh{join: j}
		if got := m.JoinsSelf(); got != 0 {
			t.Errorf("%s: %d before the name was looked up", row.self, got)
		}
		if failed := j.resolve(t.Context(), row.self, time.Now()); failed != nil {
			t.Fatal(failed)
		}
		if got := m.JoinsSelf(); got != row.own {
			t.Errorf("%s: %d names are its own, want %d", row.self, got, row.own)
		}
		for _, addr := range j.list() {
			if addr == row.self {
				t.Errorf("it calls itself, %s", addr)
			}
		}
	}
}

// Of several names that cannot be looked up each is told, with its cause and in the same words every time; what one
// had is kept.
func TestJoinNamesNotFound(t *testing.T) {
	j, err := newJoiner([]string{"one.invalid:7946", "192.0.2.7:7946", "two.invalid:7946"}, "192.0.2.1:7946")
	if err != nil {
		t.Fatal(err)
	}
	j.addrs = append(slices.Clip(j.addrs), "192.0.2.8:7946")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no resolver is asked
	first, again := j.resolve(ctx, "192.0.2.1:7946", time.Now()), j.resolve(ctx, "192.0.2.1:7946", time.Now())
	if len(first) != 2 || !strings.HasPrefix(first[0], "one.invalid: ") || !strings.HasPrefix(first[1], "two.invalid: ") || !slices.Equal(first, again) {
		t.Errorf("got %q, then %q", first, again)
	}
	if want := []string{"192.0.2.7:7946", "192.0.2.8:7946"}; !slices.Equal(j.list(), want) {
		t.Errorf("addresses are %q, want %q", j.list(), want)
	}
}
