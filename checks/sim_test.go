package checks_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

// Whatever happened before, once messages get through again every node has the same verdicts, those of
// the truth, within 15 s: partitions, restarts, loss, delay that reorders, targets that come and go.
func TestConvergence(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		names := []string{"a", "b", "c", "d", "e"}[:2+seed%4]
		b := newLab(t, uint64(seed), 6, names...)
		b.delay = 300 * time.Millisecond
		b.loss = 0.3
		down := map[checks.Target]bool{}
		odd := map[string]bool{}
		b.sees = func(node string, target checks.Target) bool { return !down[target] && !odd[node] }
		for range 40 {
			storm(b, down, odd)
			b.run(time.Duration(b.rng.Int64N(int64(4 * time.Second))))
		}
		clear(odd)
		b.cut = nil
		for _, n := range b.nodes {
			if !n.on {
				b.boot(n)
			}
		}
		// From here only messages are lost.
		b.run(15 * time.Second)
		agree(b, seed, down)
		if t.Failed() {
			return
		}
	}
}

// storm does one thing that goes wrong.
func storm(b *lab, down map[checks.Target]bool, odd map[string]bool) {
	n := b.nodes[b.rng.IntN(len(b.nodes))]
	switch b.rng.IntN(7) {
	case 0:
		side := map[string]bool{}
		for _, m := range b.nodes {
			side[m.name] = b.rng.IntN(2) == 0
		}
		b.cut = func(from, to string) bool { return side[from] != side[to] }
	case 1:
		deaf := n.name
		b.cut = func(from, to string) bool { return to == deaf && from < "c" }
	case 2:
		b.cut = nil
	case 3:
		if n.on {
			b.kill(n)
		} else {
			b.boot(n)
		}
	case 4:
		odd[n.name] = !odd[n.name]
	case 5:
		if n.on {
			n.l.Put(checks.Register{Kind: checks.KindOverride, Key: "z/p/t", Left: time.Duration(b.rng.IntN(2)) * 5 * time.Second,
				Payload: checks.EncodeOverride(checks.Override{Admin: checks.Admin(b.rng.IntN(4)), Reason: n.name})}, b.now)
			n.l.Put(checks.Register{Kind: checks.KindChoice, Key: "z/p/v4",
				Payload: checks.EncodeChoice(checks.Choice{Epoch: b.rng.Uint64N(5), Pool: n.name})}, b.now)
		}
	default:
		target := b.targets[b.rng.IntN(len(b.targets))]
		down[target] = !down[target]
	}
}

// agree checks that all nodes that run hold the same and think what is true.
func agree(b *lab, seed int, down map[checks.Target]bool) {
	b.t.Helper()
	first := b.nodes[0]
	for i, target := range b.targets {
		want := checks.Up
		if down[target] {
			want = checks.Down
		}
		for _, n := range b.nodes {
			v, w := n.snap.Verdict(target), first.snap.Verdict(target)
			if v.String() != w.String() || v.State != want || v.Count != len(b.nodes) {
				b.t.Errorf("seed %d: target %d is %v: %s", seed, i, want, strings.Join(b.verdicts(i), "\n    "))
				break
			}
			if d := v.Age - w.Age; d.Abs() > 2*time.Second {
				b.t.Errorf("seed %d: target %d: ages %v and %v", seed, i, v.Age, w.Age)
			}
		}
	}
	for _, n := range b.nodes {
		if !slices.Equal(n.snap.Fresh, first.snap.Fresh) || chosen(n.snap) != chosen(first.snap) {
			b.t.Errorf("seed %d: %s: fresh %v, choices %v; %s: %v, %v", seed, n.name, n.snap.Fresh, chosen(n.snap), first.name, first.snap.Fresh, chosen(first.snap))
		}
		o, _ := n.snap.Override("z/p/t")
		p, _ := first.snap.Override("z/p/t")
		if o.Admin != p.Admin || o.Expired != p.Expired || o.Reason != p.Reason || len(o.Conflict) != len(p.Conflict) {
			b.t.Errorf("seed %d: overrides of %s and %s:\n%+v\n%+v", seed, n.name, first.name, o, p)
		}
	}
}

func chosen(s *checks.Snapshot) string {
	c, _ := s.Choices.Get("z/p/v4")
	return c.Pool
}

// After a long partition heals, all agree within 15 s.
func TestPartitionHeals(t *testing.T) {
	for seed := range 20 {
		b := newLab(t, uint64(seed), 3, "a", "b", "c", "d", "e")
		down := map[checks.Target]bool{}
		b.loss = 0.1
		side := alone("a", "b")
		b.run(10 * time.Second)
		b.cut = side
		b.sees = func(node string, target checks.Target) bool {
			return !down[target] && (target != b.targets[1] || node > "b")
		}
		b.run(10 * time.Minute)
		b.one("a", 1, "down 2/2 (a down: refused, b down: refused, c up stale, d up stale, e up stale)")
		b.one("c", 1, "up 0/3 (a up stale, b up stale, c up, d up, e up)")
		down[b.targets[0]] = true
		b.cut = nil
		b.run(15 * time.Second)
		b.all(1, "up 2/5 (a down: refused, b down: refused, c up, d up, e up)")
		b.all(0, "down 5/5 (a down: refused, b down: refused, c down: refused, d down: refused, e down: refused)")
	}
}

// One node that always misjudges, lossy probes and gossip, and restarts: no false failover.
func TestNoFalseFailover(t *testing.T) {
	minutes := 30
	if testing.Short() {
		minutes = 3
	}
	b := newLab(t, 99, 5, "a", "b", "c", "d", "e")
	b.loss, b.delay = 0.3, 100*time.Millisecond
	noise := rand.New(rand.NewPCG(99, 2))
	b.sees = func(node string, _ checks.Target) bool { return node != "e" && noise.Float64() >= 0.01 }
	b.run(10 * time.Second)
	for i := range minutes {
		b.run(time.Minute)
		n := b.nodes[i%4]
		if i%2 == 0 {
			b.kill(n)
			b.run(time.Duration(b.rng.Int64N(int64(8 * time.Second))))
			b.boot(n)
		}
	}
	for _, n := range b.nodes {
		for _, target := range b.targets {
			if slices.Contains(n.flips[target], checks.Down) {
				t.Errorf("%s: %s", n.name, n.flipped(target))
			}
		}
	}
}

// The order of arrival does not matter: two ledgers that have heard the same from the same nodes draw the
// same verdicts.
func TestOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_790_000_000, 0)
		var targets []checks.Target
		var ws []checks.Watch
		for i := range 3 {
			target := checks.Target{Host: fmt.Sprintf("192.0.2.%d", i)}
			targets = append(targets, target)
			ws = append(ws, checks.Watch{Target: target, Interval: time.Second, Quorum: genQuorum(t)})
		}
		var rs []checks.Register
		nodes := []string{"a", "b", "c", "d"}
		for i := range rapid.IntRange(0, 20).Draw(t, "n") {
			rs = append(rs, checks.Register{Kind: checks.KindObservation, Key: rapid.SampledFrom(targets).Draw(t, "target").Key(),
				Writer: rapid.SampledFrom(nodes).Draw(t, "writer"), Gone: rapid.IntRange(0, 8).Draw(t, "gone") == 0,
				Version: checks.Version{Incarnation: 1, Seq: uint64(i + 1)}, Payload: checks.EncodeObservation(genObservation(t))})
		}
		shuffled := slices.Clone(rs)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rng.Shuffle(len(rs), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		abstains := rapid.SampledFrom(nodes).Draw(t, "abstains")

		build := func(rs []checks.Register) *checks.Ledger {
			l := checks.NewLedger(checks.LedgerConfig{Node: "self", Incarnation: 1, Instance: 1, VoteExpiry: 5 * time.Second, Nodes: 3}, now)
			l.Configure(ws, func(checks.Target) bool { return false }, 0, now)
			for _, r := range rs {
				l.Merge([]checks.Register{r}, now)
				if rng.IntN(3) == 0 {
					l.Verdicts(now)
				}
			}
			for _, p := range l.Peers(now) {
				l.Hear(checks.Heartbeat{Node: p.Node, Incarnation: 1, Instance: 3, Counter: 1, Own: p.Own, Abstains: p.Node == abstains}, now)
			}
			return l
		}
		one, two := build(rs), build(shuffled)
		s, _ := one.Verdicts(now)
		u, _ := two.Verdicts(now)
		for _, target := range targets {
			v, w := s.Verdict(target), u.Verdict(target)
			// What self last reached is its own history, and shows only where nobody votes.
			if !(v.Stale && w.Stale) && v.Count+w.Count > 0 && v.String() != w.String() {
				t.Fatalf("got %v and %v", v, w)
			}
		}
	})
}

// A verdict costs as much as there is news.
func TestVerdictsOfWhatChanged(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	l, targets := bigLedger(10_000, 5, now)
	s, c := l.Verdicts(now)
	if len(c.Targets) != 10_000 || s.Verdicts.Len() != 10_000 {
		t.Fatalf("%d targets changed, %d verdicts", len(c.Targets), s.Verdicts.Len())
	}
	l.Observe(targets[17], checks.Observation{State: checks.Down}, now)
	u, c := l.Verdicts(now)
	if len(c.Targets) != 1 || c.Targets[0] != targets[17] {
		t.Fatalf("changed: %v", c.Targets)
	}
	if s.Verdict(targets[17]).Downs != 0 || u.Verdict(targets[17]).Downs != 1 || u.Verdict(targets[18]).Count != 5 {
		t.Error("the snapshot of before moved")
	}
	if _, c := l.Verdicts(now.Add(time.Second)); c.Any() {
		t.Errorf("without news: %+v", c)
	}
	if got := u.Verdict(targets[18]).Age; got != 0 {
		t.Errorf("age %v", got)
	}
	later, _ := l.Verdicts(now.Add(time.Second))
	if got := later.Verdict(targets[18]).Age; got != time.Second {
		t.Errorf("age %v a second later", got)
	}
}

// bigLedger is a ledger of a node with peers that all say up.
func bigLedger(n, nodes int, now time.Time) (*checks.Ledger, []checks.Target) {
	l := checks.NewLedger(checks.LedgerConfig{Node: "n0", Incarnation: 1, Instance: 1, VoteExpiry: time.Hour, Nodes: nodes}, now)
	targets := make([]checks.Target, n)
	ws := make([]checks.Watch, n)
	up := checks.Observation{State: checks.Up}
	for i := range targets {
		targets[i] = checks.Target{Host: fmt.Sprintf("10.0.%d.%d", i/256, i%256), Port: 80, Probe: checks.Identity{Type: "tcp"}}
		ws[i] = checks.Watch{Target: targets[i], Interval: time.Second}
	}
	l.Configure(ws, func(checks.Target) bool { return false }, 0, now)
	for i, target := range targets {
		l.Observe(target, up, now)
		for j := 1; j < nodes; j++ {
			l.Merge([]checks.Register{{Kind: checks.KindObservation, Key: target.Key(), Writer: fmt.Sprintf("n%d", j),
				Version: checks.Version{Incarnation: 1, Seq: uint64(i + 1)}, Payload: checks.EncodeObservation(up)}}, now)
		}
	}
	for _, p := range l.Peers(now) {
		l.Hear(checks.Heartbeat{Node: p.Node, Incarnation: 1, Instance: 2, Counter: 1, Own: p.Own}, now)
	}
	l.Ready(now)
	return l, targets
}

// BenchmarkChange is one observation of 10,000 x 5 that changes, to the snapshot and what is published.
func BenchmarkChange(b *testing.B) {
	now := time.Unix(1_790_000_000, 0)
	l, targets := bigLedger(10_000, 5, now)
	l.Verdicts(now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Observe(targets[i%len(targets)], checks.Observation{State: checks.Up, Alarm: uint32(i)}, now)
		l.Verdicts(now)
		l.Ready(now)
	}
}

// BenchmarkQuietBeat is one second of a quiet node: its own heartbeat and one from each peer.
func BenchmarkQuietBeat(b *testing.B) {
	now := time.Unix(1_790_000_000, 0)
	l, _ := bigLedger(10_000, 5, now)
	l.Verdicts(now)
	b.ReportAllocs()
	for i := uint64(2); b.Loop(); i++ {
		now = now.Add(time.Second)
		for _, p := range l.Peers(now) {
			l.Hear(checks.Heartbeat{Node: p.Node, Incarnation: 1, Instance: 2, Counter: i, Own: p.Own}, now)
		}
		l.Tick(now)
		l.Verdicts(now)
		l.Ready(now)
	}
}

// BenchmarkJudgeAll is what a node costs that leaves: every verdict anew.
func BenchmarkJudgeAll(b *testing.B) {
	now := time.Unix(1_790_000_000, 0)
	l, _ := bigLedger(10_000, 5, now)
	l.Verdicts(now)
	p := l.Peers(now)[1]
	abstains := false
	b.ReportAllocs()
	for i := uint64(2); b.Loop(); i++ {
		abstains = !abstains
		l.Hear(checks.Heartbeat{Node: p.Node, Incarnation: 1, Instance: 2, Counter: i, Own: p.Own, Abstains: abstains}, now)
		l.Verdicts(now)
	}
}
