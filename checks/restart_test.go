package checks_test

import (
	"slices"
	"testing"
	"time"

	"vitalns/checks"
)

// Nodes that are restarted one after the other, quickly, never take a dead target for a live one, nor
// a live one for a dead one, though messages are lost.
func TestRollingRestart(t *testing.T) {
	for seed := range 20 {
		b := newLab(t, uint64(seed), 2, "a", "b", "c")
		b.sees = func(_ string, target checks.Target) bool { return target != b.targets[0] }
		b.run(8 * time.Second)
		b.loss, b.delay = 0.1, 50*time.Millisecond
		for _, n := range b.nodes {
			n.flips = map[checks.Target][]checks.State{}
		}
		for i := range 6 {
			n := b.nodes[i%3]
			b.kill(n)
			b.run(time.Duration(b.rng.Int64N(int64(3 * time.Second))))
			b.boot(n)
			b.run(8 * time.Second)
			for _, n := range b.nodes {
				if slices.Contains(n.flips[b.targets[0]], checks.Up) || slices.Contains(n.flips[b.targets[1]], checks.Down) {
					t.Fatalf("seed %d, after restart %d: %s: %s %s", seed, i, n.name, n.flipped(b.targets[0]), n.flipped(b.targets[1]))
				}
			}
		}
	}
}

// What a node saw before a restart is its history, before what the others say: a target that it alone saw
// down needs `rise` successes of it.
func TestOwnHistoryComesFirst(t *testing.T) {
	b := newLab(t, 3, 1, "a", "b", "c")
	b.sees = only("b")
	b.run(5 * time.Second)
	b.all(0, "up 1/3 (a up, b down: refused, c up)")
	n := b.node("b")
	b.kill(n)
	n.quiet = true
	b.run(time.Second)
	b.boot(n)
	b.run(2 * time.Second)
	if s, ok := n.snap.History(b.targets[0]); !ok || s != checks.Down {
		t.Errorf("got %v, %v", s, ok)
	}
}
