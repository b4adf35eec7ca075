package checks_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
)

func only(names ...string) func(string, checks.Target) bool {
	return func(node string, _ checks.Target) bool { return !slices.Contains(names, node) }
}

func nobody(string, checks.Target) bool { return false }

func TestMajorityAtWork(t *testing.T) {
	b := newLab(t, 1, 1, "a", "b", "c")
	b.run(3 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
	for _, n := range b.nodes {
		if !n.l.Exchanged() || n.l.Starting(b.now) || n.l.Undecided() != 0 {
			t.Errorf("%s: exchanged %v, starting %v, undecided %d", n.name, n.l.Exchanged(), n.l.Starting(b.now), n.l.Undecided())
		}
		if got := n.l.Holders(b.targets[0]); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("%s: holders %v", n.name, got)
		}
	}
	b.sees = only("a")
	b.run(3 * time.Second)
	b.all(0, "up 1/3 (a down: refused, b up, c up)")
	b.sees = only("a", "b")
	b.run(3 * time.Second)
	b.all(0, "down 2/3 (a down: refused, b down: refused, c up)")
	b.sees = nil
	b.run(3 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
}

// A quick restart changes no verdict: the votes of before stand until they are replaced, for the node
// itself, too.
func TestQuickRestartKeepsVotes(t *testing.T) {
	b := newLab(t, 2, 2, "a", "b", "c")
	b.sees = func(_ string, target checks.Target) bool { return target != b.targets[0] }
	b.run(5 * time.Second)
	b.all(0, "down 3/3 (a down: refused, b down: refused, c down: refused)")
	c := b.node("c")
	for _, n := range b.nodes {
		n.flips = map[checks.Target][]checks.State{}
		n.changes = 0
	}
	b.kill(c)
	c.quiet = true
	b.run(2 * time.Second)
	b.boot(c)
	b.run(3 * time.Second)
	b.all(0, "down 3/3 (a down: refused, b down: refused, c down: refused)")
	if state, ok := c.snap.History(b.targets[0]); !ok || state != checks.Down {
		t.Errorf("history: %v %v", state, ok)
	}
	if p := b.node("a").peer("c", b.now); !p.Votes || !p.Starting || p.Former != 2 || !p.Agrees {
		t.Errorf("a knows of c: %+v", p)
	}
	c.quiet = false
	b.run(3 * time.Second)
	b.all(0, "down 3/3 (a down: refused, b down: refused, c down: refused)")
	if p := b.node("a").peer("c", b.now); !p.Votes || p.Starting || p.Former != 0 || !p.Agrees {
		t.Errorf("a knows of c: %+v", p)
	}
	for _, n := range b.nodes {
		if f := n.flips[b.targets[0]]; len(f) > 1 || n.name != "c" && len(n.flips[b.targets[1]]) > 1 {
			t.Errorf("%s: the verdict moved: %v", n.name, f)
		}
	}
	v := b.node("a").snap.Verdict(b.targets[0])
	if v.Age < 8*time.Second {
		t.Errorf("the age began anew: %v", v.Age)
	}
	for _, vote := range v.Votes {
		if vote.Node == "c" && vote.Age < 8*time.Second {
			t.Errorf("c's age began anew: %v", vote.Age)
		}
	}
}

// A vote lives until VoteExpiry after the node's last heartbeat; a node that was silent for longer
// starts without votes, and its former ones do not come back.
func TestLongRestartDoesNotResurrect(t *testing.T) {
	b := newLab(t, 3, 1, "a", "b", "c")
	b.sees = nobody
	b.run(5 * time.Second)
	c := b.node("c")
	b.kill(c)
	b.sees = nil
	b.run(4 * time.Second)
	b.one("a", 0, "up 1/3 (a up, b up, c down: refused)")
	b.run(2500 * time.Millisecond)
	b.one("a", 0, "up 0/2 (a up, b up, c down stale: refused)")
	c.quiet = true
	b.boot(c)
	b.run(2 * time.Second)
	b.one("a", 0, "up 0/2 (a up, b up, c unknown)")
	b.one("c", 0, "up 0/2 (a up, b up, c unknown)")
	if b.node("c").l.Starting(b.now); c.l.Undecided() != 0 {
		t.Error("c is undecided")
	}
	b.run(4 * time.Second) // its start is over: it says that it knows nothing
	b.all(0, "up 0/2 (a up, b up, c unknown)")
}

// Freshness travels by hearsay: a node that hears nothing from c directly judges as the others do.
func TestOneWayLoss(t *testing.T) {
	b := newLab(t, 4, 1, "a", "b", "c")
	b.run(3 * time.Second)
	b.cut = func(from, to string) bool { return from == "c" && to == "a" }
	b.run(20 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
	b.sees = only("c", "b")
	b.run(8 * time.Second) // c's registers reach a through b
	b.all(0, "down 2/3 (a up, b down: refused, c down: refused)")
	b.kill(b.node("c"))
	b.run(time.Second)
	b.boot(b.node("c"))
	b.sees = nil
	b.run(12 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
	// After a silence longer than VoteExpiry c votes at a only because b vouches for it.
	b.kill(b.node("c"))
	b.run(10 * time.Second)
	b.boot(b.node("c"))
	b.run(10 * time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
}

// Registers that were lost are found by the digests, within a second or so.
func TestRepair(t *testing.T) {
	b := newLab(t, 5, 50, "a", "b")
	b.run(3 * time.Second)
	a, c := b.node("a"), b.node("b")
	a.quiet, c.quiet = true, true
	b.cut = func(from, to string) bool { return from == "b" }
	for i := range 10 {
		b.observe("b", i, checks.Down, "refused")
	}
	b.run(3 * time.Second) // longer than heartbeats repeat
	b.one("a", 3, "up 0/2 (a up, b up)")
	b.cut = nil
	before := a.pulls
	b.run(2 * time.Second)
	b.all(3, "up 1/2 (a up, b down: refused)")
	if got := a.pulls - before; got == 0 || got > 2 {
		t.Errorf("%d pulls", got)
	}
	before = a.pulls + c.pulls
	b.run(time.Minute)
	if got := a.pulls + c.pulls - before; got != 0 {
		t.Errorf("%d pulls in a quiet minute", got)
	}
}

// A node whose registers differ from what it claims for 3 s does not vote, and votes again once repaired.
func TestDisagreementStopsVotes(t *testing.T) {
	b := newLab(t, 6, 1, "a", "b")
	b.run(3 * time.Second)
	a := b.node("a")
	h := checks.Heartbeat{Node: "z", Incarnation: 7, Instance: 9, Own: 0}
	beat := func(own checks.Digest) {
		h.Counter++
		h.Own = own
		a.l.Hear(h, b.now)
		b.settle(a)
	}
	vote := checks.Register{Kind: checks.KindObservation, Key: b.targets[0].Key(), Writer: "z", Version: checks.Version{Incarnation: 7, Seq: 1},
		Payload: checks.EncodeObservation(checks.Observation{State: checks.Down, Reason: "odd"})}
	a.l.Merge([]checks.Register{vote}, b.now)
	b.settle(a)
	b.one("a", 0, "up 0/2 (a up, b up, z down stale: odd)")
	beat(1)
	if p := a.peer("z", b.now); p.Votes || !p.Fresh {
		t.Errorf("votes before a digest agrees: %+v", p)
	}
	own := a.peer("z", b.now).Own
	beat(own)
	b.one("a", 0, "up 1/3 (a up, b up, z down: odd)")
	for range 3 {
		beat(1)
		b.one("a", 0, "up 1/3 (a up, b up, z down: odd)")
		b.run(time.Second)
	}
	b.run(100 * time.Millisecond)
	b.one("a", 0, "up 0/2 (a up, b up, z down stale: odd)")
	if !slices.ContainsFunc(a.log, func(s string) bool { return strings.Contains(s, "node z differ") }) {
		t.Errorf("no alarm: %q", a.log)
	}
	beat(own)
	b.one("a", 0, "up 1/3 (a up, b up, z down: odd)")
	// A replay is no sign of life.
	b.run(4 * time.Second)
	a.l.Hear(h, b.now)
	b.run(1500 * time.Millisecond)
	b.one("a", 0, "up 0/2 (a up, b up, z down stale: odd)")
}

// A full state from its owner replaces: what it no longer has goes, what is newer stays.
func TestFullReplaces(t *testing.T) {
	b := newLab(t, 7, 3, "a")
	a := b.node("a")
	reg := func(i int, seq uint64) checks.Register {
		return checks.Register{Kind: checks.KindObservation, Key: b.targets[i].Key(), Writer: "z", Version: checks.Version{Incarnation: 7, Seq: seq},
			Payload: checks.EncodeObservation(checks.Observation{State: checks.Up})}
	}
	a.l.Hear(checks.Heartbeat{Node: "z", Incarnation: 7, Instance: 9, Counter: 1}, b.now)
	a.l.Merge([]checks.Register{reg(0, 1), reg(1, 2), reg(2, 9)}, b.now)
	a.l.Full("y", "z", 7, []checks.Register{reg(1, 5)}, b.now)
	if p := a.peer("z", b.now); p.Registers != 3 {
		t.Errorf("from another node nothing goes: %+v", p)
	}
	a.l.Full("z", "z", 7, []checks.Register{reg(1, 5)}, b.now)
	if p := a.peer("z", b.now); p.Registers != 2 {
		t.Errorf("from itself what is older goes: %+v", p)
	}
}

func TestRemovedTarget(t *testing.T) {
	b := newLab(t, 8, 2, "a", "b")
	b.run(3 * time.Second)
	gone := b.targets[1]
	b.configure(b.node("a"), b.targets[:1])
	b.settle(b.node("a"))
	b.run(time.Second)
	if v := b.node("a").snap.Verdict(gone); v.State != checks.Unknown || b.node("a").snap.Verdicts.Len() != 1 {
		t.Errorf("a still judges it: %v", v)
	}
	if got := b.node("b").snap.Verdict(gone).String(); got != "up 0/1 (b up)" {
		t.Errorf("b: %s", got)
	}
	if got := b.node("b").l.Holders(gone); !slices.Equal(got, []string{"b"}) {
		t.Errorf("holders: %v", got)
	}
	// Long after, what was written as gone is forgotten, by its node and then by its peers.
	b.run(15 * time.Minute)
	if p := b.node("b").peer("a", b.now); p.Registers != 1 || !p.Votes {
		t.Errorf("b knows of a: %+v", p)
	}
	b.configure(b.node("a"), b.targets)
	b.settle(b.node("a"))
	b.run(3 * time.Second)
	b.all(1, "up 0/2 (a up, b up)")
}

// Votes of nodes with other probes never mix: they are other targets. Tuning keeps everything.
func TestReload(t *testing.T) {
	b := newLab(t, 9, 1, "a", "b")
	b.sees = nobody
	b.run(4 * time.Second)
	a := b.node("a")
	old := b.targets[0]
	b.quorum = checks.Quorum{Kind: checks.AnyVote}
	b.configure(a, b.targets)
	b.settle(a)
	b.one("a", 0, "down 2/2 (a down: refused, b down: refused)")
	changed := old
	changed.Probe.Sum[0] = 1
	a.quiet = true
	a.l.Inherit(changed, old)
	b.targets[0] = changed
	b.configure(a, b.targets)
	b.settle(a)
	b.one("a", 0, "down stale (a unknown)")
	if s, ok := a.snap.History(changed); !ok || s != checks.Down {
		t.Errorf("history %v %v", s, ok)
	}
	b.run(500 * time.Millisecond)
	if got := b.node("b").snap.Verdict(old).String(); got != "down 1/1 (b down: refused)" {
		t.Errorf("b: %s", got)
	}
	b.observe("a", 0, checks.Up, "")
	b.one("a", 0, "up 0/1 (a up)")
}

// With a disk, a verdict younger than 60 s is there at once, stale; an older one when start_grace is over.
func TestRestoredVerdicts(t *testing.T) {
	for _, tc := range []struct {
		name         string
		off          time.Duration
		void         bool // a probe found out nothing
		first, later string
	}{
		{"young", 30 * time.Second, false, "down stale (a unknown)", "down stale (a unknown)"},
		{"old", 2 * time.Minute, false, "unknown (a unknown)", "down stale (a unknown)"},
		{"old, no network yet", 2 * time.Minute, true, "unknown (a unknown)", "down stale (a unknown: no route)"},
		{"from the future", -time.Minute, false, "unknown (a unknown)", "down stale (a unknown)"},
	} {
		b := newLab(t, 10, 1, "a")
		b.sees = nobody
		b.run(4 * time.Second)
		a := b.node("a")
		b.kill(a)
		a.diskTime = b.now.Add(-tc.off)
		a.quiet = true
		b.boot(a)
		if tc.void {
			a.l.Observe(b.targets[0], checks.Observation{Reason: "no route"}, b.now)
			b.settle(a)
		}
		b.run(time.Second)
		b.one("a", 0, tc.first)
		if _, ok := a.snap.History(b.targets[0]); ok != strings.HasPrefix(tc.first, "down") {
			t.Errorf("%s: history %v", tc.name, ok)
		}
		b.run(5 * time.Second)
		b.one("a", 0, tc.later)
	}
}

// The age of a verdict on disk is that of the votes that made it: what is written anew at each start, or
// while there are no votes, does not become young by that.
func TestRestoredVerdictsAge(t *testing.T) {
	b := newLab(t, 10, 1, "a")
	b.sees = nobody
	b.run(4 * time.Second)
	a := b.node("a")
	b.kill(a)
	a.quiet = true
	for _, off := range []time.Duration{40 * time.Second, 15 * time.Second} {
		b.run(off)
		b.boot(a)
		b.one("a", 0, "down stale (a unknown)")
		b.run(time.Second)
		b.kill(a)
	}
	b.run(10 * time.Second) // 65 s in all, of which it was on for 2
	b.boot(a)
	b.one("a", 0, "unknown (a unknown)")
	b.run(6 * time.Second)
	b.one("a", 0, "down stale (a unknown)")
	b.kill(a) // an old verdict that counts is still old
	b.run(time.Second)
	b.boot(a)
	b.one("a", 0, "unknown (a unknown)")
	a.quiet = false
	b.run(4 * time.Second)
	b.kill(a)
	b.run(40 * time.Second)
	a.quiet = true
	b.boot(a)
	b.one("a", 0, "down stale (a unknown)")
}

func TestSuspend(t *testing.T) {
	b := newLab(t, 11, 1, "a", "b", "c")
	b.run(3 * time.Second)
	a := b.node("a")
	a.quiet = true
	a.l.Woke(b.now)
	b.settle(a)
	b.one("a", 0, "up stale (a unknown: woke from a suspend, b up stale, c up stale)")
	if a.resets != 1 {
		t.Errorf("%d resets", a.resets)
	}
	b.run(1100 * time.Millisecond)
	b.all(0, "up 0/2 (a unknown: woke from a suspend, b up, c up)")
	a.quiet = false
	b.run(time.Second)
	b.all(0, "up 0/3 (a up, b up, c up)")
}

// A loop that is starved or stopped for longer than VoteExpiry is a suspend.
func TestLateTick(t *testing.T) {
	b := newLab(t, 12, 1, "a")
	b.run(3 * time.Second)
	a := b.node("a")
	b.now = b.now.Add(20 * time.Second)
	a.l.Tick(b.now)
	b.settle(a)
	if a.resets != 1 {
		t.Errorf("%d resets", a.resets)
	}
	b.one("a", 0, "up stale (a unknown: woke from a suspend)")
}

func TestZonesDiffer(t *testing.T) {
	b := newLab(t, 13, 1, "a", "b")
	b.node("b").zones = 77
	b.configure(b.node("b"), b.targets)
	b.run(3 * time.Second)
	if !slices.Contains(b.node("a").log, "node b serves other zone content") {
		t.Errorf("alarms: %q", b.node("a").log)
	}
	if p := b.node("a").peer("b", b.now); p.Zones != 77 || !p.Votes {
		t.Errorf("%+v", p)
	}
}

// A peer whose alarm grew is helped at once, but not one whose alarm is merely seen for the first time.
func TestHints(t *testing.T) {
	b := newLab(t, 14, 1, "a", "b")
	b.run(3 * time.Second)
	a := b.node("a")
	h := checks.Register{Kind: checks.KindObservation, Key: b.targets[0].Key(), Writer: "b",
		Version: checks.Version{Incarnation: a.peer("b", b.now).Incarnation, Seq: 1000},
		Payload: checks.EncodeObservation(checks.Observation{State: checks.Up, Fails: 1, Alarm: 1})}
	a.l.Merge([]checks.Register{h}, b.now)
	a.l.Merge([]checks.Register{h}, b.now)
	if r := a.l.Ready(b.now); len(r.Hints) != 1 || r.Hints[0] != b.targets[0] {
		t.Errorf("hints: %v", r.Hints)
	}
}

// What is expected of the cluster's size may become known later: it decides what a majority is.
func TestExpect(t *testing.T) {
	now := time.Unix(0, 0)
	l := checks.NewLedger(checks.LedgerConfig{Node: "a", Incarnation: 1, Instance: 1, VoteExpiry: 5 * time.Second, Nodes: 3}, now)
	for _, row := range []struct {
		nodes    int
		majority bool
	}{{3, false}, {2, true}, {3, false}} {
		l.Expect(row.nodes)
		if snap, _ := l.Verdicts(now); snap.Nodes != row.nodes || snap.Majority != row.majority {
			t.Errorf("of %d nodes one alone: size %d, majority %t", row.nodes, snap.Nodes, snap.Majority)
		}
	}
}
