package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/cmd/internal/node"
	"vitalns/test/simnet"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// A cluster is machines, the network between them, and the world that they probe.
type cluster struct {
	t     *testing.T
	net   *simnet.Net
	world *world
	zero  time.Time
	opt   options
	nodes []*machine
	spawn sync.WaitGroup // of killed lives that still end
}

// options of a cluster; the zero value of each has the default of the product.
type options struct {
	seed       uint64
	size       int
	zone       string // TOML
	expected   int    // [cluster] nodes; 0: size
	voteExpiry time.Duration
	cold       bool          // the machines are off at first
	lone       bool          // no [cluster]
	rotation   time.Duration // of cookie secrets
}

// A machine is the host of one node. It has one life after the other.
type machine struct {
	c     *cluster
	name  string
	addr  string
	disk  *disk
	zone  string                   // its own zone file
	own   func(checks.Target) bool // targets on this host
	lives uint64
	file  *node.File // what the node file says now, for a reload

	life *life // nil: off
	past []happening

	mu     sync.Mutex // protects frozen and slept
	frozen chan struct{}
	slept  time.Duration // by which CLOCK_BOOTTIME is ahead of the bubble's time
}

// A life is one run of a node.
type life struct {
	*node.Node
	transport *simnet.Transport
	mount     *mount
	stop      context.CancelFunc
	done      chan struct{}
	err       error     // of Run, once done is closed
	seq       uint64    // of the last event that was noted
	served    time.Time // when it began to answer; zero: not yet
}

// A happening is an event of a life.
type happening struct {
	node.Event
	serving bool // the node answered queries then
}

// simulate runs f in a bubble with a cluster, and ends it.
func simulate(t *testing.T, opt options, f func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := assemble(t, opt)
		defer c.end()
		if !opt.cold {
			c.boot()
		}
		f(c)
	})
}

// assemble makes a cluster whose machines are off.
func assemble(t *testing.T, opt options) *cluster {
	if opt.expected == 0 {
		opt.expected = opt.size
	}
	c := &cluster{t: t, net: simnet.New(opt.seed), world: newWorld(opt.seed), zero: time.Now(), opt: opt}
	c.net.SetDelay(time.Millisecond, time.Millisecond)
	for i := range opt.size {
		c.add(nameOf(i), fmt.Sprintf("127.0.%d.%d:7946", 1+i/200, 1+i%200))
	}
	return c
}

func nameOf(i int) string { return fmt.Sprintf("n%02d", i+1) }

// add puts another machine in place, which is off.
func (c *cluster) add(name, addr string) *machine {
	file, _ := node.ParseFile("", nil)
	m := &machine{c: c, name: name, addr: addr, disk: &disk{}, zone: c.opt.zone, file: file,
		own: func(checks.Target) bool { return false }}
	c.nodes = append(c.nodes, m)
	return m
}

// end stops all machines and waits until nothing of them runs any more.
func (c *cluster) end() {
	for _, m := range c.nodes {
		if m.life != nil {
			m.life.stop()
		}
	}
	for _, m := range c.nodes {
		if m.life != nil {
			_ = m.off() // logged
		}
	}
	c.spawn.Wait()
	time.Sleep(2 * time.Second) // pings of memberlist's that are under way
}

// machine returns one by its place, from 1.
func (c *cluster) machine(i int) *machine { return c.nodes[i-1] }

// running are the machines that are on.
func (c *cluster) running() []*machine {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(m *machine) bool { return m.life == nil })
}

// boot starts every machine that is off.
func (c *cluster) boot() {
	for _, m := range c.nodes {
		if m.life == nil {
			m.boot()
		}
	}
}

// boot starts the machine's node.
func (m *machine) boot() {
	m.c.t.Helper()
	loaded := m.load()
	if loaded.Problems.Errors() > 0 {
		var b strings.Builder
		_ = loaded.Problems.Format(&b) // a Builder takes everything
		m.c.t.Fatalf("zone of %s:\n%s", m.name, b.String())
	}
	m.lives++
	l := &life{mount: &mount{disk: m.disk}, done: make(chan struct{})}
	cfg := node.Config{Node: m.name, Version: "test", StartGrace: 5 * time.Second, CookieRotation: m.c.opt.rotation}
	world := node.World{Load: m.load, Store: l.mount, Boot: m.bootTime, OwnHost: func() func(checks.Target) bool { return m.own },
		Seed: m.c.opt.seed<<32 ^ seedOf(m.addr) ^ m.lives<<24}
	if !m.c.opt.lone {
		var err error
		if l.transport, err = m.c.net.Transport(m.addr); err != nil {
			m.c.t.Fatal(err)
		}
		world.Transport = l.transport
		cfg.Cluster = &node.Cluster{Bind: m.addr, Nodes: m.c.opt.expected, Name: "sim", VoteExpiry: m.c.opt.voteExpiry}
		for _, seed := range m.c.nodes[:min(2, len(m.c.nodes))] {
			cfg.Cluster.Join = append(cfg.Cluster.Join, seed.addr)
		}
	}
	l.Node = node.New(cfg, world, loaded)
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	m.life = l
	go func() {
		l.err = l.Run(ctx)
		close(l.done)
	}()
	synctest.Wait()
	m.note()
}

// load reads the machine's zone file, with probers that look at the world.
func (m *machine) load() node.Loaded {
	sources, problems := zonefile.Load([]zonefile.File{{Path: "zone.toml", Text: []byte(m.zone)}},
		zonefile.Options{Env: &probe.Env{}, Nodes: m.c.opt.expected, Cluster: true})
	l := node.Loaded{File: m.file, Sources: sources, Problems: problems}
	if problems.Errors() > 0 {
		return l
	}
	for _, s := range sources {
		for i := range s.Watches {
			s.Watches[i].Prober = prober{m}
		}
		l.Digest = checks.Digest(binary.BigEndian.Uint64(s.Content[:]))
	}
	var err error
	if l.Set, err = zones.Compile(sources); err != nil {
		m.c.t.Errorf("compile: %v", err)
	}
	return l
}

// off stops the node as SIGTERM does, and waits for it. It returns what Run returned.
func (m *machine) off() error {
	if m.suspended() {
		m.awaken(0)
	}
	m.life.stop()
	<-m.life.done
	return m.gone()
}

// kill ends the node as SIGKILL does: no farewell, and nothing more reaches the disk.
func (m *machine) kill() {
	l := m.life
	if m.suspended() {
		m.awaken(0)
	}
	if l.transport != nil {
		_ = l.transport.Shutdown() // always nil
	}
	l.mount.unmount()
	l.stop()
	m.c.spawn.Go(func() { <-l.done })
	m.note()
	m.life = nil
}

// gone takes leave of a life that is done.
func (m *machine) gone() error {
	err := m.life.err
	m.note()
	m.life = nil
	if err != nil {
		m.c.t.Logf("%s: %v", m.name, err)
	}
	return err
}

// note keeps what has happened since it was last noted: a node forgets what is old.
func (m *machine) note() {
	for _, e := range m.life.Events() {
		if e.Seq <= m.life.seq {
			continue
		}
		m.life.seq = e.Seq
		m.past = append(m.past, happening{e, !m.life.served.IsZero()})
		if e.Text == "ready to answer" {
			m.life.served = e.Time
		}
	}
}

// suspend freezes the machine: its node does nothing and is not heard. awaken ends that after the time
// that was slept, by a clock that the machine's own does not know of.
func (m *machine) suspend() {
	m.c.net.Down(m.addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen = make(chan struct{})
}

func (m *machine) awaken(more time.Duration) {
	m.mu.Lock()
	m.slept += more
	close(m.frozen)
	m.frozen = nil
	m.mu.Unlock()
	m.c.net.Up(m.addr)
}

func (m *machine) suspended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frozen != nil
}

// awake waits until the machine is not suspended.
func (m *machine) awake() {
	m.mu.Lock()
	frozen := m.frozen
	m.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// bootTime is CLOCK_BOOTTIME. The loop reads it each time it wakes.
func (m *machine) bootTime() time.Duration {
	m.awake()
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.c.zero) + time.Hour + m.slept
}

func seedOf(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:])
}
