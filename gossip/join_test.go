package gossip

import (
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
		if err := j.resolve(t.Context(), row.self, time.Now()); err != nil {
			t.Fatal(err)
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
