package gossip_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitalns/checks"
	"vitalns/gossip"
	"vitalns/test/simnet"
)

func TestMain(m *testing.M) {
	if raceEnabled {
		runtime.GOMAXPROCS(1)
	}
	goleak.VerifyTestMain(m)
}

// A node is a mesh that runs, and what it was given.
type node struct {
	mesh *gossip.Mesh
	stop context.CancelFunc
	done chan error

	mu        sync.Mutex // protects the fields below
	registers map[string]arrival
	states    []gossip.Message
	beats     map[string]checks.Heartbeat
	pulls     []gossip.Message
	conflicts []gossip.Conflict
}

type arrival struct {
	checks.Register
	at time.Time
}

func (n *node) deliver(m gossip.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	keep := func(rs []checks.Register) {
		for _, r := range rs {
			if _, ok := n.registers[r.Key]; !ok {
				n.registers[r.Key] = arrival{r, now}
			}
		}
	}
	keep(m.Registers)
	switch {
	case m.Heartbeat != nil:
		n.beats[m.From] = *m.Heartbeat
	case m.State != nil:
		n.states = append(n.states, m)
		keep(m.State.Registers)
	case m.Pull != nil:
		n.pulls = append(n.pulls, m)
	case m.Conflict != nil:
		n.conflicts = append(n.conflicts, *m.Conflict)
	}
}

// look reads what was given to n under its lock.
func look[T any](n *node, f func(*node) T) T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return f(n)
}

// have returns when a register arrived.
func (n *node) have(key string) (arrival, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.registers[key]
	return a, ok
}

// counter returns the last heartbeat of a node that came.
func (n *node) counter(name string) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.beats[name].Counter
}

// alive returns the names of the live members, this node included.
func (n *node) alive() []string {
	names := map[string]bool{}
	for _, m := range n.mesh.Members() {
		if m.State == gossip.Alive {
			names[m.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (n *node) member(t *testing.T, name string) gossip.Member {
	t.Helper()
	for _, m := range n.mesh.Members() {
		if m.Name == name || name == m.Addr {
			return m
		}
	}
	t.Fatalf("no member %s in %+v", name, n.mesh.Members())
	return gossip.Member{}
}

func (n *node) close(t *testing.T) {
	t.Helper()
	n.stop()
	if err := <-n.done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func addrOf(i int) string { return fmt.Sprintf("127.0.1.%d:7946", i+1) }
func nameOf(i int) string { return fmt.Sprintf("ns%02d", i) }

// start runs a mesh. Without a transport in cfg it takes one of the net at cfg.Bind.
func start(t *testing.T, nw *simnet.Net, cfg gossip.Config) *node {
	t.Helper()
	if nw != nil {
		tr, err := nw.Transport(cfg.Bind)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Transport = tr
	}
	cfg.Label = "test"
	mesh, err := gossip.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	n := &node{mesh: mesh, stop: stop, done: make(chan error, 1), registers: map[string]arrival{}, beats: map[string]checks.Heartbeat{}}
	go func() { n.done <- mesh.Run(ctx, n.deliver) }()
	return n
}

// cluster starts size nodes that join the first two.
func cluster(t *testing.T, nw *simnet.Net, size int) []*node {
	t.Helper()
	nodes := make([]*node, size)
	for i := range nodes {
		nodes[i] = start(t, nw, gossip.Config{
			Node: nameOf(i), Bind: addrOf(i), Join: []string{addrOf(0), addrOf(1)}, Seed: uint64(i),
		})
	}
	return nodes
}

// finish stops nodes and waits until memberlist's own timers are through.
func finish(t *testing.T, nodes ...*node) {
	t.Helper()
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() { n.close(t) })
	}
	wg.Wait()
	time.Sleep(2 * time.Second)
}

// beat sends heartbeats of every node each second, as the ledgers' loops do, for d.
func beat(nodes []*node, d time.Duration) {
	for range int(d / time.Second) {
		for i, n := range nodes {
			n.beatOnce(i, len(nodes))
		}
		time.Sleep(time.Second)
	}
}

func (n *node) beatOnce(i, size int) {
	h := checks.Heartbeat{Node: nameOf(i), Incarnation: 1790000000000, Counter: uint64(time.Now().Unix())}
	for j := range size {
		if j != i {
			h.Heard = append(h.Heard, checks.Hearsay{Node: nameOf(j), Incarnation: 1790000000000, Counter: h.Counter})
		}
	}
	n.mesh.Beat(h)
}

func register(key string, i int) checks.Register {
	return checks.Register{
		Kind: checks.KindObservation, Key: key, Writer: nameOf(i),
		Version: checks.Version{Incarnation: 1, Seq: 1}, Payload: []byte("payload"),
	}
}

func wantAlive(t *testing.T, nodes []*node, size int) {
	t.Helper()
	for i, n := range nodes {
		if got := n.alive(); len(got) != size {
			t.Errorf("%s has %d live members, want %d: %s", nameOf(i), len(got), size, strings.Join(got, " "))
		}
	}
}
