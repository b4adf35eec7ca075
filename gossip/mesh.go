package gossip

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"vitalns/checks"
)

// ErrUnencrypted is returned by New for a mesh without keys on an address that others can reach.
var ErrUnencrypted = errors.New("refusing to run unencrypted on an address that is not loopback")

// A Config says who a node is in its cluster. It is not changed after New.
type Config struct {
	Node  string   // name, at most MaxName bytes; no other node has it
	Bind  string   // address and port for UDP and TCP; peers are told this address. Port 0 takes any
	Join  []string // host:port of nodes to begin with; its own address among them does no harm
	Label string   // the cluster's name: nodes with different ones never meet. At most 64 bytes
	Keys  [][]byte // AES keys, the first encrypts; none is allowed on loopback only
	Meta  Meta
	// Transport replaces UDP and TCP on Bind. The mesh closes it.
	Transport memberlist.NodeAwareTransport
	Logger    *slog.Logger // nil: no logs
	Seed      uint64       // of the jitter between attempts to join
}

// A Message is what a node has sent: one of its fields beside From is set.
type Message struct {
	From      string
	Heartbeat *checks.Heartbeat // of From itself, From's own name included: there may be two of it
	Registers []checks.Register
	Pull      *checks.Pull // From asks for registers: answer it with Reply
	State     *State
	Conflict  *Conflict
}

// A State is all registers one node wrote, as that node or another has them, or with Owner "" everything
// the sender holds, which is what a node that joins is given.
type State struct {
	Owner       string
	Incarnation uint64
	Registers   []checks.Register
}

// A Conflict says that two nodes have one name: the member known by it and another, maybe this node. A
// node that comes back at a new address is reported too, until the old one is given up.
type Conflict struct {
	Node        string
	Addr, Other string // of the member and of the other
	Taken       bool   // it is this node's name and Other was there first: this one is not heard
}

const (
	maxLabel    = 64
	maxDatagram = 1200 // bytes of a UDP payload, encryption and label included
	// inboxSize and inboxBytes bound what waits for deliver; more is dropped and counted.
	inboxSize  = 8192
	inboxBytes = 64 << 20
	// What memberlist and we put around a message: the label's head, encryption, checksum, message type.
	labelHead, cryptHead, checksumHead, typeHead = 2, 29, 5, 1
	retransmitMult                               = 4
)

// A Mesh is one node's part in the cluster. Its methods may be called from any goroutine and never block,
// Run and Close excepted.
type Mesh struct {
	cfg     Config
	logger  *slog.Logger
	bind    netip.AddrPort
	wire    *wire
	started time.Time
	budget  int // bytes of a message that goes into one datagram

	list    *memberlist.Memberlist                // set by Run before anything uses it
	running atomic.Pointer[memberlist.Memberlist] // list, for those who may ask before Run
	join    *joiner
	peers   *peers
	out     *outbox
	rumours rumours
	streams *streams
	claim   claim
	cursor  beatCursor // of sendLoop
	local   atomic.Pointer[localState]

	inbox  chan []byte // messages as they came
	queued atomic.Int64
	notes  chan note // from under memberlist's locks: to log and to report

	counts counters
}

type localState struct {
	registers []checks.Register
	at        time.Time
}

// A note is a log line or a conflict on its way to the goroutine that may take its time.
type note struct {
	level    slog.Level
	msg      string
	args     []any
	conflict *Conflict
}

// New checks the configuration and opens the sockets, so that a wrong key, a taken port or a missing key
// shows at once. Its error is ErrUnencrypted if the address needs a key.
func New(cfg Config) (*Mesh, error) {
	if cfg.Node == "" || len(cfg.Node) > MaxName {
		return nil, fmt.Errorf("gossip: node name %q: must have 1 to %d bytes", cfg.Node, MaxName)
	}
	if len(cfg.Label) > maxLabel {
		return nil, fmt.Errorf("gossip: cluster name %q: longer than %d bytes", cfg.Label, maxLabel)
	}
	bind, err := netip.ParseAddrPort(cfg.Bind)
	if err != nil {
		return nil, fmt.Errorf("gossip: bind address %q: must be IP:PORT", cfg.Bind)
	}
	if bind.Addr().IsUnspecified() {
		return nil, fmt.Errorf("gossip: bind address %q: peers are told this address, so it must be one of this host", cfg.Bind)
	}
	for i, key := range cfg.Keys {
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("gossip: key %d: %w", i+1, err)
		}
	}
	if len(cfg.Keys) == 0 && !bind.Addr().IsLoopback() {
		return nil, fmt.Errorf("gossip: %w: %s (set key_file; vitalns keygen cluster makes a key)", ErrUnencrypted, cfg.Bind)
	}
	m := &Mesh{
		cfg: cfg, logger: cfg.Logger, bind: bind, started: time.Now(),
		peers: newPeers(cfg.Node), out: newOutbox(),
		inbox: make(chan []byte, inboxSize), notes: make(chan note, 256),
		claim: claim{done: make(chan struct{})},
	}
	if m.logger == nil {
		m.logger = slog.New(slog.DiscardHandler)
	}
	m.streams = &streams{mesh: m}
	m.budget = maxDatagram - labelHead - len(cfg.Label) - cryptHead - checksumHead - typeHead
	transport := cfg.Transport
	if transport == nil {
		if transport, err = listen(bind, log.New(logWriter{m}, "", 0)); err != nil {
			return nil, fmt.Errorf("gossip: %w", err)
		}
	}
	m.wire = newWire(transport, &m.counts)
	if err := m.setBind(); err != nil {
		return nil, errors.Join(fmt.Errorf("gossip: %w", err), m.Close())
	}
	if m.join, err = newJoiner(cfg.Join, m.Addr()); err != nil {
		return nil, errors.Join(fmt.Errorf("gossip: join address: %w", err), m.Close())
	}
	return m, nil
}

// listen opens UDP and TCP on one port. Port 0 is drawn by the TCP listener and may be taken for UDP, so
// that is tried more than once.
func listen(bind netip.AddrPort, logger *log.Logger) (t *memberlist.NetTransport, err error) {
	for range 10 {
		t, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{bind.Addr().String()}, BindPort: int(bind.Port()), Logger: logger,
		})
		if err == nil || bind.Port() != 0 {
			break
		}
	}
	return t, err
}

// setBind learns the port that was drawn.
func (m *Mesh) setBind() error {
	ip, port, err := m.wire.FinalAdvertiseAddr("", 0)
	if err != nil {
		return fmt.Errorf("bind address: %w", err)
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return fmt.Errorf("bind address: %v is no address", ip)
	}
	m.bind = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	return nil
}

// Addr returns the address and port peers reach this node at.
func (m *Mesh) Addr() string { return m.bind.String() }

// Close closes the sockets of a mesh that does not run. Run does it by itself.
func (m *Mesh) Close() error { return m.wire.Shutdown() }

// Run joins the cluster and takes part in it until ctx is done, then leaves it, closes the sockets and
// returns nil. It is called once. deliver is called from this goroutine, with values nothing else holds;
// while it takes its time messages queue up to a bound. A ping of memberlist's that is under way may hold
// a goroutine for a second after Run.
func (m *Mesh) Run(ctx context.Context, deliver func(Message)) error {
	list, err := memberlist.Create(m.memberlistConfig())
	if err != nil {
		return errors.Join(fmt.Errorf("gossip: %w", err), m.Close())
	}
	m.list = list
	m.running.Store(list)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-m.claim.done:
			m.sendLoop(ctx)
		}
	})
	var joining sync.WaitGroup
	joining.Go(func() { m.joinLoop(ctx) })
	m.deliverLoop(ctx, deliver)
	wg.Wait()
	err = m.leave()
	joining.Wait()
	m.streams.wg.Wait()
	return err
}

// leave says farewell in our own words, which is quick, and in memberlist's. A node without a name of its own
// goes as it came: its farewell would be that of the one that has the name.
func (m *Mesh) leave() error {
	m.streams.close()
	if m.named() {
		m.farewell()
	}
	if err := m.list.Shutdown(); err != nil {
		return fmt.Errorf("gossip: close: %w", err)
	}
	return nil
}

func (m *Mesh) farewell() {
	bye := appendHead(nil, kindLeave, viaPacket, m.cfg.Node)
	say := func() {
		for _, r := range m.peers.routes(time.Now()) {
			m.sendPacket(r, kindLeave, bye)
		}
	}
	say()
	if err := m.list.Leave(leaveTimeout); err != nil {
		m.logger.Debug("leave", "err", err)
	}
	say()
}

// leaveTimeout is for memberlist's farewell to be gossiped; what it misses our own has told.
const leaveTimeout = 500 * time.Millisecond

// memberlistConfig tunes memberlist. Votes do not wait for it (heartbeats decide who is fresh), so its
// failure detection may be calm; it decides who is sent heartbeats at all.
func (m *Mesh) memberlistConfig() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	d := delegate{m}
	c.Name, c.Label, c.Transport = m.cfg.Node, m.cfg.Label, m.wire
	c.BindAddr, c.BindPort = m.bind.Addr().String(), int(m.bind.Port())
	c.AdvertiseAddr, c.AdvertisePort = "", 0 // the transport knows
	c.Delegate, c.Events, c.Conflict, c.Ping = d, d, d, d
	c.Logger = log.New(logWriter{m}, "", 0)
	if len(m.cfg.Keys) > 0 {
		// The keys were checked; NewKeyring fails for nothing else.
		c.Keyring, _ = memberlist.NewKeyring(m.cfg.Keys, m.cfg.Keys[0])
	}
	c.EnableCompression = false // most messages are small, and LZW costs more than it saves
	c.UDPBufferSize = maxDatagram - checksumHead
	c.TCPTimeout = streamTimeout
	c.HandoffQueueDepth = 4096
	c.RetransmitMult = retransmitMult
	c.GossipInterval = 200 * time.Millisecond
	c.ProbeInterval, c.ProbeTimeout = time.Second, 500*time.Millisecond
	c.AwarenessMaxMultiplier = 1 // a longer interval would keep a probe, and so a goroutine, beyond the end of Run
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = 4, 3
	c.GossipToTheDeadTime = 30 * time.Second
	c.PushPullInterval = 30 * time.Second // membership only: a few hundred bytes
	c.DeadNodeReclaimTime = time.Second
	return c
}

// Publish sends registers to every member, at once or with what else comes within 2 ms, and gossips them.
// A newer version replaces a queued older one. What exceeds a limit or the queue is dropped and counted.
func (m *Mesh) Publish(rs []checks.Register) {
	now := time.Now()
	good := make([]checks.Register, 0, len(rs))
	for _, r := range rs {
		if fits(r) {
			good = append(good, r)
		} else {
			m.counts.dropped[dropLarge].Add(1)
		}
	}
	m.counts.dropped[dropQueue].Add(uint64(m.out.publish(good, now)))
	m.gossip(good, now)
}

// gossip queues those registers for memberlist's broadcasts that fit in a datagram.
func (m *Mesh) gossip(rs []checks.Register, now time.Time) {
	small := make([]checks.Register, 0, len(rs))
	for _, r := range rs {
		if m.fitsPacket(r) {
			small = append(small, r)
		}
	}
	m.counts.dropped[dropGossip].Add(uint64(m.rumours.add(small, gossipTimes(m.peers.alive()), now)))
}

// Beat sends a heartbeat to every member. What does not fit in one datagram of its recent registers and
// hearsay is in the next ones.
func (m *Mesh) Beat(h checks.Heartbeat) { m.out.setBeat(h) }

// Pull asks the member p.From, by UDP, and by TCP as well if it is asked again within 3 s.
func (m *Mesh) Pull(p checks.Pull) { m.post(letter{to: p.From, pull: &p, at: time.Now()}) }

// Reply sends a state to a member: by UDP if it fits in a datagram and the member hears those, else by
// TCP, and if that fails as plain registers by UDP.
func (m *Mesh) Reply(to string, s State) { m.post(letter{to: to, state: &s, at: time.Now()}) }

func (m *Mesh) post(l letter) {
	if !m.out.post(l) {
		m.counts.dropped[dropQueue].Add(1)
	}
}

// SetLocal says what a node that joins is given: everything this one holds, with ages as of at. The
// slice is not changed afterwards.
func (m *Mesh) SetLocal(rs []checks.Register, at time.Time) {
	m.local.Store(&localState{rs, at})
}
