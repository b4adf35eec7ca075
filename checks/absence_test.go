package checks_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
)

func alone(names ...string) func(from, to string) bool {
	return func(from, to string) bool { return slices.Contains(names, from) != slices.Contains(names, to) }
}

// A node whose uplink dies loses its peers and its targets together: it abstains, its answers stay, and
// when it is back it begins anew. The others go on without it.
func TestOffline(t *testing.T) {
	b := newLab(t, 20, 4, "a", "b", "c")
	b.run(5 * time.Second)
	a := b.node("a")
	b.cut, b.sees = alone("a"), only("a")
	b.run(30 * time.Second)
	b.one("a", 0, "up stale (a down abstaining: refused, b up stale, c up stale)")
	b.one("b", 0, "up 0/2 (a up stale, b up, c up)")
	if f := a.flipped(b.targets[0]); f != "[unknown up]" {
		t.Errorf("a's answer moved: %s", f)
	}
	if !a.snap.Abstains || slices.Contains(a.snap.Voters, "a") || a.snap.Majority {
		t.Errorf("snapshot of a: %+v", a.snap)
	}
	b.cut, b.sees = nil, nil
	b.run(1500 * time.Millisecond)
	if a.resets != 1 || a.snap.Abstains {
		t.Errorf("resets %d, abstains %v", a.resets, a.snap.Abstains)
	}
	b.run(2 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
	if f := a.flipped(b.targets[0]); f != "[unknown up]" {
		t.Errorf("a's answer moved: %s", f)
	}
}

// The success of a target outside this host ends it, too.
func TestOfflineEndsWithATarget(t *testing.T) {
	b := newLab(t, 21, 2, "a", "b")
	b.run(5 * time.Second)
	b.cut, b.sees = alone("a"), only("a")
	b.run(20 * time.Second)
	b.one("a", 1, "up stale (a down abstaining: refused, b up stale)")
	b.sees = func(node string, target checks.Target) bool { return node != "a" || target == b.targets[0] }
	b.run(1500 * time.Millisecond)
	b.one("a", 1, "up stale (a unknown: refused, b up stale)")
	b.run(3 * time.Second)
	b.one("a", 0, "up 0/1 (a up, b up stale)")
	b.one("a", 1, "down 1/1 (a down: refused, b up stale)")
}

// All down is all down: for a node that never had peers, for one that lost them long before, and where a
// target outside works.
func TestNotOffline(t *testing.T) {
	t.Run("never had peers", func(t *testing.T) {
		b := newLab(t, 22, 3, "a")
		b.run(5 * time.Second)
		b.sees = nobody
		b.run(30 * time.Second)
		b.one("a", 0, "down 1/1 (a down: refused)")
	})
	t.Run("lost them earlier", func(t *testing.T) {
		b := newLab(t, 23, 3, "a", "b")
		b.run(5 * time.Second)
		b.cut = alone("a")
		b.run(30 * time.Second)
		b.sees = nobody
		b.run(30 * time.Second)
		b.one("a", 0, "down 1/1 (a down: refused, b up stale)")
	})
	t.Run("a target works", func(t *testing.T) {
		b := newLab(t, 24, 3, "a", "b")
		b.run(5 * time.Second)
		b.cut = alone("a")
		b.sees = func(node string, target checks.Target) bool { return node != "a" || target == b.targets[1] }
		b.run(30 * time.Second)
		b.one("a", 0, "down 1/1 (a down: refused, b up stale)")
	})
	t.Run("targets on this host", func(t *testing.T) {
		b := newLab(t, 25, 3, "a", "b")
		b.local = true
		for _, n := range b.nodes {
			b.configure(n, b.targets)
		}
		b.run(5 * time.Second)
		b.cut, b.sees = alone("a"), nobody
		b.run(30 * time.Second)
		b.one("a", 0, "down 1/1 (a down: refused, b up stale)")
	})
}

// A target that was down before does not hide that this node went offline.
func TestOfflineBesideADeadTarget(t *testing.T) {
	b := newLab(t, 26, 3, "a", "b", "c")
	b.sees = func(node string, target checks.Target) bool { return target != b.targets[2] }
	b.run(time.Minute)
	b.cut, b.sees = alone("a"), nobody
	b.run(20 * time.Second)
	b.one("a", 0, "up stale (a down abstaining: refused, b up stale, c up stale)")
	b.one("a", 2, "down stale (a down abstaining: refused, b down stale: refused, c down stale: refused)")
}

// A node that says down of most of its targets that the others say are up does not vote, as long as it
// lasts; a failure that all see is no such thing.
func TestAloneInSeeingIt(t *testing.T) {
	b := newLab(t, 27, 5, "a", "b", "c")
	b.run(5 * time.Second)
	b.sees = func(node string, target checks.Target) bool {
		return node != "a" || target == b.targets[0] || target == b.targets[1]
	}
	b.run(4 * time.Second)
	b.all(4, "up 0/2 (a down abstaining: refused, b up, c up)")
	b.all(0, "up 0/2 (a up abstaining, b up, c up)")
	b.sees = func(_ string, target checks.Target) bool { return target == b.targets[0] || target == b.targets[1] }
	b.run(4 * time.Second)
	b.all(4, "down 3/3 (a down: refused, b down: refused, c down: refused)")
	b.sees = nil
	b.run(4 * time.Second)
	b.all(4, "up 0/3 (a up, b up, c up)")
}

// Where all targets die at once, that each node for a moment is the only one to see it costs no more
// than the majority does.
func TestMassFailureIsSeen(t *testing.T) {
	b := newLab(t, 28, 8, "a", "b", "c")
	b.run(5 * time.Second)
	for _, n := range b.nodes {
		n.quiet = true
	}
	for i := range b.targets {
		b.observe("a", i, checks.Down, "refused")
	}
	b.run(20 * time.Millisecond)
	b.all(7, "up 0/2 (a down abstaining: refused, b up, c up)")
	for i := range b.targets {
		b.observe("b", i, checks.Down, "refused")
	}
	b.run(20 * time.Millisecond)
	b.all(7, "down 2/3 (a down: refused, b down: refused, c up)")
}

// A clone runs beside the original: the one started later is told to exit.
func TestClonedNode(t *testing.T) {
	b := newLab(t, 30, 1, "a", "b", "c")
	b.run(20 * time.Second)
	a := b.node("a")
	clone := &labNode{name: "a", diskInc: a.diskInc}
	b.nodes = append(b.nodes, clone)
	b.boot(clone)
	b.run(8 * time.Second)
	if clone.on || clone.duplicate == nil || !clone.duplicate.Fatal {
		t.Errorf("the clone runs: %+v", clone.duplicate)
	}
	if !a.on || a.duplicate != nil && a.duplicate.Fatal {
		t.Error("the original was told to exit")
	}
	b.run(10 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
}

// Two nodes of one name, running for long on both sides of a partition: the one with the lesser
// incarnation stops voting, and votes again when the other has gone.
func TestTwoOfOneNameMeet(t *testing.T) {
	b := newLab(t, 31, 1, "a", "b", "c")
	twin := &labNode{name: "a"}
	b.cut = func(string, string) bool { return true }
	b.nodes = append(b.nodes, twin)
	b.run(time.Second)
	b.boot(twin)
	b.run(time.Minute)
	b.cut = nil
	b.run(10 * time.Second)
	a := b.node("a")
	muted := 0
	for _, n := range []*labNode{a, twin} {
		if !n.on || n.duplicate == nil || n.duplicate.Fatal {
			t.Errorf("a running node: on %v, %+v", n.on, n.duplicate)
		}
		if slices.ContainsFunc(n.log, func(s string) bool { return strings.Contains(s, "does not vote") }) {
			muted++
		}
	}
	if muted != 1 {
		t.Errorf("%d of two stopped voting", muted)
	}
	b.one("b", 0, "up 0/3 (a up, b up, c up)")
	gone, left := a, twin
	if slices.ContainsFunc(twin.log, func(s string) bool { return strings.Contains(s, "does not vote") }) {
		gone, left = a, twin
	} else {
		gone, left = twin, a
	}
	b.kill(gone)
	b.run(15 * time.Second)
	if got, want := left.snap.Verdict(b.targets[0]).String(), "up 0/3 (a up, b up, c up)"; got != want {
		t.Errorf("the one that is left: got %s, want %s", got, want)
	}
	b.one("b", 0, "up 0/3 (a up, b up, c up)")
}

// A node that lost its state directory and starts with a clock of 1970 has an incarnation that its peers
// take for history. It is told, and outbids itself.
func TestLostStateAndWrongClock(t *testing.T) {
	for _, off := range []time.Duration{time.Second, 20 * time.Second} {
		b := newLab(t, 32, 1, "a", "b", "c")
		b.run(5 * time.Second)
		c := b.node("c")
		b.kill(c)
		c.disk = nil
		b.run(off)
		b.sees = only("c")
		b.bootAs(c, 5)
		b.run(8 * time.Second)
		b.all(0, "up 1/3 (a up, b up, c down: refused)")
		if c.diskInc <= 1_790_000_000_000 {
			t.Errorf("incarnation %d", c.diskInc)
		}
		if c.duplicate != nil {
			t.Errorf("taken for a duplicate: %+v", c.duplicate)
		}
	}
}

// With two nodes, and where the target dies with the voters, the change waits for VoteExpiry, and no
// longer.
func TestTargetAndVotersDieTogether(t *testing.T) {
	b := newLab(t, 33, 1, "a", "b", "c")
	b.run(5 * time.Second)
	b.sees = nobody
	b.kill(b.node("b"))
	b.kill(b.node("c"))
	b.run(4 * time.Second)
	b.one("a", 0, "up 1/3 (a down: refused, b up, c up)")
	b.run(2500 * time.Millisecond)
	// Every target is unreachable and so are all peers: this node is offline, for all it can tell.
	b.one("a", 0, "up stale (a down abstaining: refused, b up stale, c up stale)")
}

// Two with a third that sees another target work: no doubt about the network.
func TestTargetAndVoterDieTogether(t *testing.T) {
	b := newLab(t, 34, 2, "a", "b")
	b.run(5 * time.Second)
	b.sees = func(_ string, target checks.Target) bool { return target == b.targets[0] }
	b.kill(b.node("b"))
	b.run(6500 * time.Millisecond)
	b.one("a", 1, "down 1/1 (a down: refused, b up stale)")
}

func TestMajoritySide(t *testing.T) {
	b := newLab(t, 35, 1, "a", "b", "c", "d", "e")
	b.run(5 * time.Second)
	b.cut = alone("a", "b")
	b.run(10 * time.Second)
	for _, n := range b.nodes {
		want := n.name > "b"
		if n.snap.Majority != want {
			t.Errorf("%s: majority %v", n.name, n.snap.Majority)
		}
	}
	if got := b.node("a").snap.Nodes; got != 5 {
		t.Errorf("expected: %d", got)
	}
	if got := b.node("a").snap.Fresh; !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("fresh: %v", got)
	}
}
