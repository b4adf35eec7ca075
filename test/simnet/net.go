// Package simnet is a network in memory for whole clusters in virtual time: a memberlist transport with
// delay, loss, partitions, paths that carry one direction or one protocol only, and machines that are off.
//
// It knows addresses, packets and streams and refuses to know what they carry. No lock is held over a
// send, a delay or a callback and no socket is opened, so it works inside testing/synctest bubbles, and
// outside of them. Its one main call is [Net.Transport].
package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// A Proto is a set of the two ways in which a transport sends.
type Proto uint8

const (
	UDP  Proto = 1 << iota // packets
	TCP                    // streams
	Both = UDP | TCP
)

// Times of a kernel's TCP. They bound how loss shows in streams.
const (
	synRetry = time.Second
	segRetry = 200 * time.Millisecond
	retries  = 6
)

// A Net is a set of transports and what lies between them. The zero delay and loss are a perfect network.
// All methods may be called at any time from any goroutine.
type Net struct {
	mu        sync.Mutex // protects all below; never held over a send or a callback
	rng       *rand.Rand
	ends      map[string]*Transport
	delay     time.Duration
	jitter    time.Duration
	loss      float64
	groups    map[string]int
	divided   bool
	cuts      map[path]Proto
	down      map[string]bool
	ephemeral uint16
	largest   int
	packets   uint64
}

// A path leads from one address to another; "" stands for any.
type path struct{ from, to string }

// New returns a perfect network without transports. Its choices follow from seed.
func New(seed uint64) *Net {
	return &Net{
		rng:  rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)),
		ends: make(map[string]*Transport),
		cuts: make(map[path]Proto),
		down: make(map[string]bool),
	}
}

// SetDelay makes every packet and segment take delay, and at most jitter more.
func (n *Net) SetDelay(delay, jitter time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay, n.jitter = delay, jitter
}

// SetLoss loses each packet with probability p. Streams lose nothing: they are late by their retries.
func (n *Net) SetLoss(p float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = p
}

// Partition lets addresses reach only those of their own group. Those that are named in no group make
// one together. It replaces an earlier partition.
func (n *Net) Partition(groups ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.divided = true
	n.groups = make(map[string]int)
	for i, g := range groups {
		for _, addr := range g {
			n.groups[addr] = i + 1
		}
	}
}

// Cut loses what goes from one address to another by the protocols given; "" stands for any address.
// A stream needs both directions: data of one that is open are lost only in the direction that is cut.
func (n *Net) Cut(from, to string, what Proto) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[path{from, to}] |= what
}

// Heal ends every partition and cut. Machines that are down stay down.
func (n *Net) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.divided, n.groups = false, nil
	clear(n.cuts)
}

// Down switches the machine at addr off, as its peers see it: it neither sends nor receives, and nobody
// is told. Its transport lives on and hears nothing.
func (n *Net) Down(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[addr] = true
}

// Up ends Down.
func (n *Net) Up(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.down, addr)
}

// Packets returns how many packets were sent and the size of the largest.
func (n *Net) Packets() (sent uint64, largest int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.packets, n.largest
}

// Transport opens a transport at addr, an address and port that no open transport has. It is closed by
// its Shutdown, after which the address may be opened again.
func (n *Net) Transport(addr string) (*Transport, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", addr, err)
	}
	t := newTransport(n, ap)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ends[t.name] != nil {
		return nil, fmt.Errorf("open %s: address already in use", addr)
	}
	n.ends[t.name] = t
	return t, nil
}

// open reports whether anything passes from one address to the other. n.mu is held.
func (n *Net) open(from, to string, what Proto) bool {
	if n.down[from] || n.down[to] || n.divided && n.groups[from] != n.groups[to] {
		return false
	}
	for _, p := range [...]path{{from, to}, {"", to}, {from, ""}, {"", ""}} {
		if n.cuts[p]&what != 0 {
			return false
		}
	}
	return true
}

// latency draws the delay of one packet. n.mu is held.
func (n *Net) latency() time.Duration {
	if n.jitter <= 0 {
		return n.delay
	}
	return n.delay + time.Duration(n.rng.Int64N(int64(n.jitter)+1))
}

// packet decides on one packet: where it goes and when, or nil if it is lost.
func (n *Net) packet(from, to string, size int) (*Transport, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.packets++
	n.largest = max(n.largest, size)
	if !n.open(from, to, UDP) || n.loss > 0 && n.rng.Float64() < n.loss {
		return nil, 0
	}
	return n.ends[to], n.latency()
}

// segment decides on one segment of an open stream: when it arrives, or false if the path is cut. What
// is lost on an open path is sent again.
func (n *Net) segment(from, to string) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open(from, to, TCP) {
		return 0, false
	}
	return n.latency() + n.lateness(segRetry), true
}

// lateness draws what retries add, each twice as late as the one before. n.mu is held.
func (n *Net) lateness(retry time.Duration) (late time.Duration) {
	for range retries {
		if n.loss <= 0 || n.rng.Float64() >= n.loss {
			break
		}
		late += retry
		retry *= 2
	}
	return late
}

// handshake decides on one attempt to open a stream: who answers and after how long. ok is false if the
// path is cut, and then nobody answers at all; a nil end refuses.
func (n *Net) handshake(from, to string) (end *Transport, after time.Duration, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open(from, to, TCP) || !n.open(to, from, TCP) {
		return nil, 0, false
	}
	return n.ends[to], n.latency() + n.latency() + n.lateness(synRetry), true
}

// port returns the next local port for outgoing streams.
func (n *Net) port() uint16 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ephemeral++
	return 32768 + n.ephemeral%28000
}

// close forgets t, so that its address refuses streams and may be opened again.
func (n *Net) close(t *Transport) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ends[t.name] == t {
		delete(n.ends, t.name)
	}
}
