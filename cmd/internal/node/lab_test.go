package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/dnsserver"
	"vitalns/test/simnet"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// A lab is one whole node in a bubble, with a world that a test turns: its probes, disk and listeners.
type lab struct {
	t    *testing.T
	disk memory
	boot func() time.Duration
	log  *slog.Logger // nil: silent

	mu      sync.Mutex // protects all up to bad
	text    string     // of the zone file
	file    string     // text of the node file
	cookies []checks.Secret
	bad     map[string]bool

	node   *Node
	server *stubServer
	stop   context.CancelFunc
	done   chan error
}

// A memory is a Store; slow has each Save take its time, and shows two that overlap.
type memory struct {
	mu       sync.Mutex // protects all below
	raw      []byte
	slow     time.Duration
	full     bool
	writing  bool
	overlaps int
}

var errDisk = errors.New("no space left on device")

func (m *memory) Load() (s Saved, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.raw == nil {
		return s, nil
	}
	return s, json.Unmarshal(m.raw, &s)
}

func (m *memory) Save(s Saved) error {
	m.mu.Lock()
	if m.writing {
		m.overlaps++
	}
	m.writing = true
	slow, full := m.slow, m.full
	m.mu.Unlock()
	time.Sleep(slow)
	raw, err := json.Marshal(s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing = false
	if full {
		return errDisk
	}
	m.raw = raw
	return err
}

func (m *memory) saved(t *testing.T) Saved {
	t.Helper()
	s, err := m.Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A stubServer stands for the DNS listeners.
type stubServer struct {
	lameduck time.Duration
	opens    time.Duration // what opening takes
	mu       sync.Mutex    // protects the rest
	serving  bool
	reloads  int
}

func (s *stubServer) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reloads++
}

func (s *stubServer) Serve(ctx context.Context) error {
	s.set(true)
	<-ctx.Done()
	time.Sleep(s.lameduck)
	s.set(false)
	return nil
}

func (s *stubServer) set(serving bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = serving
}

func (s *stubServer) isServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

func (s *stubServer) Forget()                 {}
func (s *stubServer) Addrs() []netip.AddrPort { return nil }
func (s *stubServer) Stats() dnsserver.Stats  { return dnsserver.Stats{} }
func (s *stubServer) Close() error            { return nil }

func (s *stubServer) AddrsOf(dnsserver.Transport) []netip.AddrPort { return nil }

const labZone = `
zone = "example.org"
ns   = { ns1 = "192.0.2.53" }
[checks.web]
type = "tcp"
port = 80
interval = "1s"
[pools.web]
policy  = "all"
check   = "web"
targets = [{ name = "lon", address = "192.0.2.1" }, { name = "fra", address = "192.0.2.2" }]
[records.www]
pool = "web"
`

func newLab(t *testing.T) *lab {
	return &lab{t: t, text: labZone, bad: map[string]bool{}, server: &stubServer{}}
}

// Probe implements checks.Prober.
func (b *lab) Probe(_ context.Context, t checks.Target) checks.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bad[t.Host] {
		return checks.Result{Kind: checks.Failed, Reason: "refused"}
	}
	return checks.Result{Kind: checks.OK}
}

func (b *lab) kill(host string, dead bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad[host] = dead
}

func (b *lab) load() Loaded {
	b.mu.Lock()
	text, nodeFile, cookies := b.text, b.file, b.cookies
	b.mu.Unlock()
	file, _ := ParseFile("", []byte(nodeFile))
	sources, problems := zonefile.Load([]zonefile.File{{Path: "zone.toml", Text: []byte(text)}}, zonefile.Options{Env: &probe.Env{}, Nodes: 1})
	l := Loaded{File: file, Sources: sources, Problems: problems, Cookies: cookies}
	if problems.Errors() > 0 {
		return l
	}
	for _, s := range sources {
		for i := range s.Watches {
			s.Watches[i].Prober = b
		}
	}
	l.Digest = contentDigest(sources)
	var err error
	if l.Set, err = zones.Compile(sources); err != nil {
		b.t.Error(err)
	}
	return l
}

// start begins a life of the node and returns when it has settled.
func (b *lab) start(cfg Config) {
	b.t.Helper()
	if cfg.Node == "" {
		cfg.Node = "a"
	}
	l := b.load()
	if l.Problems.Errors() > 0 {
		b.t.Fatal(l.Problems)
	}
	world := World{Load: b.load, Store: &b.disk, Boot: b.boot, Logger: b.log, Seed: 1}
	if cfg.Cluster != nil {
		cfg.Cluster.Bind, cfg.Cluster.Nodes = "127.0.0.1:7946", 3
		transport, err := simnet.New(1).Transport(cfg.Cluster.Bind)
		if err != nil {
			b.t.Fatal(err)
		}
		world.Transport = transport
	}
	world.Listen = func(Answers) (Server, error) {
		time.Sleep(b.server.opens)
		return b.server, nil
	}
	b.node = New(cfg, world, l)
	var ctx context.Context
	ctx, b.stop = context.WithCancel(context.Background())
	b.done = make(chan error, 1)
	go func() { b.done <- b.node.Run(ctx) }()
	synctest.Wait()
}

// end stops the node and waits for it.
func (b *lab) end() {
	b.t.Helper()
	b.stop()
	if err := <-b.done; err != nil {
		b.t.Errorf("run: %v", err)
	}
}

func (b *lab) verdict(host string) checks.Verdict {
	for t, v := range b.node.Snapshot().All() {
		if t.Host == host {
			return v
		}
	}
	return checks.Verdict{}
}

func bubble(t *testing.T, f func(b *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newLab(t)) })
}
