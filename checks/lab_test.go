package checks_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vitalns/checks"
)

// A lab is a cluster of ledgers in plain code: a queue of messages in flight, a clock that jumps from
// one event to the next, and nodes that probe what is true of them each second. No gossip, no socket.
type lab struct {
	t       *testing.T
	rng     *rand.Rand
	start   time.Time
	now     time.Time
	expect  int // cluster size
	nodes   []*labNode
	wire    wire
	seq     int
	delay   time.Duration // most that a message takes
	loss    float64
	cut     func(from, to string) bool
	targets []checks.Target
	quorum  checks.Quorum
	sees    func(node string, t checks.Target) bool // what a probe by node finds; nil: all are well
	local   bool                                    // targets are on the node's own host
}

type labNode struct {
	name      string
	l         *checks.Ledger
	on        bool
	instance  uint64
	disk      []checks.Register
	diskInc   uint64
	diskTime  time.Time
	obs       map[checks.Target]checks.Observation
	probeAt   time.Time
	joinAt    time.Time
	snap      *checks.Snapshot
	log       []string // alarms
	flips     map[checks.Target][]checks.State
	duplicate *checks.Duplicate
	resets    int
	published int
	pulls     int
	changes   int
	quiet     bool // does not probe by itself
	zones     checks.Digest
}

type letter struct {
	at       time.Time
	seq      int
	from, to string
	deliver  func(n *labNode)
}

type wire []letter

func (w wire) Len() int { return len(w) }
func (w wire) Less(i, j int) bool {
	return w[i].at.Before(w[j].at) || w[i].at.Equal(w[j].at) && w[i].seq < w[j].seq
}
func (w wire) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *wire) Push(x any)   { *w = append(*w, x.(letter)) }
func (w *wire) Pop() any {
	old := *w
	x := old[len(old)-1]
	*w = old[:len(old)-1]
	return x
}

const labExpiry = 5 * time.Second

func newLab(t *testing.T, seed uint64, targets int, names ...string) *lab {
	t.Helper()
	// A time without monotonic reading: nothing here is real.
	b := &lab{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_790_000_000, 0), delay: 5 * time.Millisecond, expect: len(names)}
	b.start = b.now
	for i := range targets {
		b.targets = append(b.targets, checks.Target{Host: fmt.Sprintf("192.0.2.%d", i+1), Port: 80, Probe: checks.Identity{Type: "http"}})
	}
	for _, name := range names {
		n := &labNode{name: name}
		b.nodes = append(b.nodes, n)
		b.boot(n)
	}
	return b
}

func (b *lab) node(name string) *labNode {
	for _, n := range b.nodes {
		if n.name == name {
			return n
		}
	}
	b.t.Helper()
	b.t.Fatalf("there is no node %s", name)
	return nil
}

// boot starts a node with what is on its disk.
func (b *lab) boot(n *labNode) {
	inc := max(n.diskInc+1, uint64(b.now.UnixMilli()))
	b.bootAs(n, inc)
}

func (b *lab) bootAs(n *labNode, inc uint64) {
	n.on, n.instance = true, b.rng.Uint64()|1
	n.l = checks.NewLedger(checks.LedgerConfig{Node: n.name, Incarnation: inc, Instance: n.instance, VoteExpiry: labExpiry,
		StartGrace: 5 * time.Second, Nodes: b.expect, Joining: b.expect > 1}, b.now)
	n.diskInc = inc
	n.obs = map[checks.Target]checks.Observation{}
	n.flips = map[checks.Target][]checks.State{}
	n.snap, n.duplicate = nil, nil
	if n.disk != nil {
		n.l.Restore(n.disk, b.now.Sub(n.diskTime), b.now)
	}
	b.configure(n, b.targets)
	n.joinAt = b.now.Add(10 * time.Millisecond)
	n.probeAt = b.now.Add(time.Duration(b.rng.Int64N(int64(200 * time.Millisecond))))
	b.settle(n)
}

func (b *lab) configure(n *labNode, targets []checks.Target) {
	var ws []checks.Watch
	for _, t := range targets {
		ws = append(ws, checks.Watch{Target: t, Interval: time.Second, Quorum: b.quorum})
	}
	n.l.Configure(ws, func(checks.Target) bool { return b.local }, n.zones, b.now)
}

// kill stops a node, as a SIGKILL does; its disk is what it last saved.
func (b *lab) kill(n *labNode) {
	n.disk, n.diskTime = n.l.Saved(b.now), b.now
	n.on = false
}

func (b *lab) send(from, to string, deliver func(*labNode)) {
	if b.rng.Float64() < b.loss {
		return
	}
	b.sendSafe(from, to, deliver)
}

// sendSafe is for what goes over TCP if it is lost over UDP.
func (b *lab) sendSafe(from, to string, deliver func(*labNode)) {
	if b.cut != nil && b.cut(from, to) {
		return
	}
	b.seq++
	d := time.Duration(b.rng.Int64N(int64(b.delay))) + 1
	heap.Push(&b.wire, letter{b.now.Add(d), b.seq, from, to, deliver})
}

func (b *lab) sendAll(n *labNode, deliver func(*labNode)) {
	for _, other := range b.nodes {
		if other != n {
			b.send(n.name, other.name, deliver)
		}
	}
}

// settle does what the loop of a node does after every event.
func (b *lab) settle(n *labNode) {
	s, c := n.l.Verdicts(b.now)
	n.snap = s
	n.changes += len(c.Targets)
	for _, t := range c.Targets {
		state := s.Verdict(t).State
		if f := n.flips[t]; len(f) == 0 || f[len(f)-1] != state {
			n.flips[t] = append(f, state)
		}
	}
	r := n.l.Ready(b.now)
	if r.Outbid != 0 {
		n.diskInc = r.Outbid
	}
	if len(r.Publish) > 0 {
		n.published += len(r.Publish)
		b.sendAll(n, func(to *labNode) { to.l.Merge(r.Publish, b.now) })
	}
	if r.Heartbeat != nil {
		b.sendAll(n, func(to *labNode) { to.l.Hear(*r.Heartbeat, b.now) })
	}
	for _, p := range r.Pulls {
		n.pulls++
		b.sendSafe(n.name, p.From, func(to *labNode) {
			owner, inc, rs := to.l.Answer(p, b.now)
			b.sendSafe(to.name, n.name, func(back *labNode) { back.l.Full(to.name, owner, inc, rs, b.now) })
		})
	}
	if r.Reset {
		n.resets++
		n.obs = map[checks.Target]checks.Observation{}
	}
	if r.Duplicate != nil {
		n.duplicate = r.Duplicate
	}
	n.log = append(n.log, r.Alarms...)
	if n.duplicate != nil && n.duplicate.Fatal {
		n.on = false
	}
}

// probe is a runner of the plainest kind: fall 2, rise 1, no doubt, once a second.
func (b *lab) probe(n *labNode) {
	n.probeAt = b.now.Add(time.Second)
	if n.quiet {
		return
	}
	for _, t := range b.targets {
		o := n.obs[t]
		if b.sees == nil || b.sees(n.name, t) {
			o = checks.Observation{State: checks.Up, Alarm: o.Alarm}
		} else {
			o.Fails++
			o.Alarm++
			o.Reason = "refused"
			if o.Fails >= 2 || o.State == checks.Down {
				o.State, o.Fails = checks.Down, 0
			}
		}
		n.obs[t] = o
		n.l.Observe(t, o, b.now)
	}
}

// join exchanges full states with a random peer, as memberlist's push/pull does, until there is one.
func (b *lab) join(n *labNode) {
	n.joinAt = time.Time{}
	if n.l.Exchanged() {
		return
	}
	n.joinAt = b.now.Add(time.Second)
	other := b.nodes[b.rng.IntN(len(b.nodes))]
	if other == n || !other.on || b.cut != nil && (b.cut(n.name, other.name) || b.cut(other.name, n.name)) {
		return
	}
	mine, theirs := n.l.All(b.now), other.l.All(b.now)
	n.l.Merge(theirs, b.now)
	other.l.Merge(mine, b.now)
	b.settle(other)
}

// run lets so much time pass.
func (b *lab) run(d time.Duration) {
	end := b.now.Add(d)
	for {
		next, do := end, func() {}
		if len(b.wire) > 0 && b.wire[0].at.Before(next) {
			next, do = b.wire[0].at, func() {
				m := heap.Pop(&b.wire).(letter)
				for _, n := range b.nodes {
					if n.name == m.to && n.on {
						m.deliver(n)
						b.settle(n)
					}
				}
			}
		}
		for _, n := range b.nodes {
			if !n.on {
				continue
			}
			if at := n.l.NextExpiry(); at.Before(next) {
				next, do = at, func() { n.l.Tick(b.now); b.settle(n) }
			}
			if n.probeAt.Before(next) {
				next, do = n.probeAt, func() { b.probe(n); b.settle(n) }
			}
			if !n.joinAt.IsZero() && n.joinAt.Before(next) {
				next, do = n.joinAt, func() { b.join(n); b.settle(n) }
			}
		}
		if !next.Before(end) {
			b.now = end
			return
		}
		if next.After(b.now) {
			b.now = next
		}
		do()
	}
}

func (b *lab) observe(name string, i int, state checks.State, reason checks.Reason) {
	n := b.node(name)
	n.l.Observe(b.targets[i], checks.Observation{State: state, Reason: reason}, b.now)
	b.settle(n)
}

// verdicts draws what every node that runs thinks of a target, one line each.
func (b *lab) verdicts(i int) (lines []string) {
	for _, n := range b.nodes {
		if n.on {
			lines = append(lines, n.name+": "+n.snap.Verdict(b.targets[i]).String())
		}
	}
	return lines
}

// all checks that every node that runs draws the same.
func (b *lab) all(i int, want string) {
	b.t.Helper()
	for _, line := range b.verdicts(i) {
		if got := line[len("x: "):]; got != want {
			b.t.Errorf("after %v: target %d: got %s\nwant %s", b.now.Sub(b.start), i, line, want)
		}
	}
}

func (b *lab) one(name string, i int, want string) {
	b.t.Helper()
	if got := b.node(name).snap.Verdict(b.targets[i]).String(); got != want {
		b.t.Errorf("after %v: target %d: got %s: %s\nwant %s", b.now.Sub(b.start), i, name, got, want)
	}
}

func (n *labNode) peer(name string, now time.Time) checks.Peer {
	ps := n.l.Peers(now)
	i := slices.IndexFunc(ps, func(p checks.Peer) bool { return p.Node == name })
	if i < 0 {
		return checks.Peer{}
	}
	return ps[i]
}

func (n *labNode) flipped(t checks.Target) string { return fmt.Sprint(n.flips[t]) }
