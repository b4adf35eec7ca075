package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vitalns/checks"
	"vitalns/checks/runner"
	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
	"vitalns/gossip"
	"vitalns/zones"
)

// A World is everything a node touches. All of it is handed in, so that whole nodes run in virtual time.
type World struct {
	// Load reads and checks the configuration as it is now. It is called at each reload and plan.
	Load func() Loaded
	// Settle is called when what was loaded is in force, or was looked at, and the rest of it can go. It may
	// take long. Nil: nothing is to be done.
	Settle func()
	// Store keeps state over a restart; nil: nothing is kept.
	Store Store
	// Transport carries gossip; nil: real sockets.
	Transport gossip.Transport
	// Listen binds the DNS listeners; nil: the node answers no queries by itself.
	Listen func(Answers) (Server, error)
	// Boot reads a clock that goes on while the machine is suspended, from any origin; nil: it never is.
	Boot func() time.Duration
	// OwnHost returns a predicate for the targets on this host; nil: none is.
	OwnHost func() func(checks.Target) bool
	Logger  *slog.Logger // nil: silent
	// Seed is what must differ between two nodes and two starts: instance id, jitter.
	Seed uint64
}

// A Server answers queries until ctx is done, then drains.
type Server interface {
	Serve(ctx context.Context) error
	Addrs() []netip.AddrPort                      // of UDP and TCP
	AddrsOf(dnsserver.Transport) []netip.AddrPort // of any
	Reload()                                      // takes up files of its own that have changed
	Stats() dnsserver.Stats
	Forget()      // what it keeps of tables before the one of now
	Close() error // of one that does not serve
}

// Answers is what a DNS server needs of a node. Its funcs may be called from any goroutine.
type Answers struct {
	Table   func() *zones.Table
	Explain func(zones.Name) string // one line, for CH TXT
	Cookies *edge.Jar
	Limiter *edge.Limiter
}

// Config is what only a start can change.
type Config struct {
	Node, Site, Version string
	StartGrace          time.Duration
	Cluster             *Cluster // nil: a lone node
	Meta                gossip.Meta
	CookieRotation      time.Duration // 0: cookieRotation
}

// Cluster is how a node finds and talks to its peers.
type Cluster struct {
	Bind       string
	Join       []string
	Nodes      int  // how many there should be, this one included
	Counted    bool // Nodes are those of Join and this one: names of Join that are its own do not count
	Name       string
	Keys       [][]byte
	VoteExpiry time.Duration
}

// defaultVoteExpiry lets a quick restart and a lost heartbeat or four pass without a vote being lost.
const defaultVoteExpiry = 5 * time.Second

// Queues between the loop and its neighbours. Gossip that finds its queue full is dropped and counted:
// heartbeats repair what was lost. A command that finds its queue full waits for its context.
const (
	inboxSize    = 4096
	commandsSize = 64
)

// A Node is one nameserver. Make it with New, run it with Run; the other methods may be called from any
// goroutine while it runs.
type Node struct {
	cfg      Config
	world    World
	log      *slog.Logger
	registry *prometheus.Registry
	events   *history
	counters counters

	ledger *checks.Ledger // owned by the loop
	runner *runner.Runner
	mesh   *gossip.Mesh // nil: a lone node
	saver  *saver

	table    atomic.Pointer[zones.Table]
	snapshot atomic.Pointer[checks.Snapshot]
	server   atomic.Pointer[Server] // nil until the node is ready
	waiting  atomic.Pointer[string] // what readiness waits for; "" once it is there
	cookies  edge.Jar
	limiter  *edge.Limiter // nil: the node answers no queries by itself
	ready    chan struct{} // closed when the DNS listeners may open
	begun    chan struct{} // closed when the parts are made
	ended    chan struct{} // closed when Run returns

	reloading chan struct{} // holds one while files are read, by a reload or a plan

	inbox    chan gossip.Message
	commands chan func(now time.Time)
	observed *outbox
	failed   chan error // has room for one: why the node must not go on

	// The rest is owned by the loop.
	loaded      Loaded
	served      map[string][]string // of it: the targets of each address, as they are saved; read only
	started     time.Time
	loadedAt    time.Time
	reloadError string        // of the last reload; "" if it was good
	saveAt      time.Time     // when the state goes to disk next
	calm        time.Time     // not before then for news that can wait
	pause       time.Duration // after the last save, and after news that can wait
	incarnation uint64
	isReady     bool
	serialsDue  bool            // this start's or reload's serials are not written yet
	secrets     []checks.Secret // of cookies
	wheel       time.Time       // when the wheel of slots stood at 0
	placed      placedFor
	local       checks.Digest // of what the mesh hands to joiners
	wakeAt      time.Duration // by World.Boot, when the loop means to wake; 0: not known
	pools       map[string]*poolHistory
	states      map[checks.Target]checks.State // last reported
	alarms      []saidAlarm                    // the last few, for status
	reminded    map[string]time.Time           // when each lasting alarm of the last minute was said
	twin        string                         // address of another node of this one's name, if one was met
}

// New makes a node of a configuration that was loaded without errors.
func New(cfg Config, world World, first Loaded) *Node {
	if world.Logger == nil {
		world.Logger = slog.New(slog.DiscardHandler)
	}
	if world.Store == nil {
		world.Store = noStore{}
	}
	if world.Settle == nil {
		world.Settle = func() {}
	}
	n := &Node{
		cfg: cfg, world: world, log: world.Logger, loaded: first, events: newHistory(),
		saver: newSaver(world.Store, world.Logger),
		ready: make(chan struct{}), begun: make(chan struct{}), ended: make(chan struct{}), reloading: make(chan struct{}, 1),
		inbox: make(chan gossip.Message, inboxSize), commands: make(chan func(time.Time), commandsSize),
		observed: newOutbox(), failed: make(chan error, 1), pools: map[string]*poolHistory{}, reminded: map[string]time.Time{}, states: map[checks.Target]checks.State{},
	}
	n.await("starting")
	n.registry = newRegistry(n)
	return n
}

// Registry is what /metrics shows.
func (n *Node) Registry() *prometheus.Registry { return n.registry }

// Table is what is answered now; nil before Run has made its parts.
func (n *Node) Table() *zones.Table { return n.table.Load() }

// Snapshot is what is thought of every target now; nil before Run has made its parts.
func (n *Node) Snapshot() *checks.Snapshot { return n.snapshot.Load() }

// Cookies makes and checks server cookies, by the secrets of the moment.
func (n *Node) Cookies() *edge.Jar { return &n.cookies }

// Events is what has happened, the oldest first, as far back as it is remembered.
func (n *Node) Events() []Event {
	all, _ := n.events.since(0)
	return all
}

var errStopped = errors.New("the node has stopped, or does not answer")

// call runs f in the loop and waits for it. After an error f has not run and will not.
func (n *Node) call(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	var taken atomic.Bool // by the loop, or taken back
	err := errStopped
	select {
	case n.commands <- func(now time.Time) {
		if taken.CompareAndSwap(false, true) {
			defer close(done)
			f(now)
		}
	}:
	case <-n.ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", err, ctx.Err())
	}
	select {
	case <-done:
		return nil
	case <-n.ended:
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", err, ctx.Err())
	}
	if taken.CompareAndSwap(false, true) {
		return err
	}
	<-done
	return nil
}
