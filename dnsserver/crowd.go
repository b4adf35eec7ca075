package dnsserver

import (
	"container/list"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// An ending is why a stream was closed. The zero ending is that its client was done.
type ending uint32

const (
	endClient    ending = iota
	endIdle             // no query within the time for that
	endSlowQuery        // a query not complete in its time
	endSlowRead         // a response not taken in its time
	endOverload         // idle for longer than all others when there was no more room
	endCrowded          // its client has as many as it may
	endNoQuery          // what came was no query
	endTLS              // no handshake
	endProxy            // no PROXY header, or from a stranger
	endHTTP             // over DoH: by its client, or by a limit of HTTP
	endLife             // it has lasted long enough
	endBroken           // an error of the connection
	endDrain            // the server stops
	endings
)

// String returns the ending as metrics name it.
func (e ending) String() string {
	return [...]string{"client", "idle", "slow_query", "slow_reader", "overload", "client_limit", "not_query", "tls", "proxy", "http", "lifetime", "broken", "shutdown"}[e]
}

// A crowd is the streams that are open: TCP, DoT and DoH alike. When there are as many as there may be,
// the one whose last query is the longest ago gives way to a new one; a client that has as many as one
// may gets no more. So neither those who hold connections and ask nothing, nor those who send a query
// for ever, keep others out.
type crowd struct {
	most, perClient int
	handshakes      chan struct{} // of TLS that are being computed: half of the cores is left to what answers

	mu      sync.Mutex           // protects the rest
	byUse   list.List            // of *stream; the one used last at the back
	clients map[netip.Prefix]int // no more than there are streams
	through [transports]int      // how many come by each
	until   time.Time            // when the server drains: no stream reads after it
}

func newCrowd(most, perClient int) *crowd {
	return &crowd{
		most: most, perClient: perClient, handshakes: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		clients: map[netip.Prefix]int{},
	}
}

// clientPrefix is what counts as one client: an address, or a /64 of IPv6, whose host can take any of it.
func clientPrefix(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // an address that is none counts as one client too
	return p
}

// enter takes a stream in, unless its client has as many as it may or the server drains. The one it
// returns, if any, was in longest without use; it is out, and to be closed.
func (c *crowd) enter(st *stream) (victim *stream, why ending, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.until.IsZero() {
		return nil, endDrain, false
	}
	if !c.count(st) {
		return nil, endCrowded, false
	}
	if c.byUse.Len() >= c.most {
		victim = c.oldest()
	}
	st.place = c.byUse.PushBack(st)
	c.through[st.via]++
	return victim, 0, true
}

// count adds a stream to those of its client, if it has one; false: it has enough.
func (c *crowd) count(st *stream) bool {
	if !st.client.IsValid() {
		return true
	}
	p := clientPrefix(st.client)
	if c.clients[p] >= c.perClient {
		return false
	}
	c.clients[p]++
	st.counted = p
	return true
}

// claim names the client of a stream that came in without. It reports false if that has enough.
func (c *crowd) claim(st *stream, client netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.place == nil {
		return false // given way to another
	}
	st.client = client
	return c.count(st)
}

// yield takes out the stream that was longest without use; nil: there is none.
func (c *crowd) yield() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.oldest()
}

func (c *crowd) oldest() *stream {
	front := c.byUse.Front()
	if front == nil {
		return nil
	}
	st := front.Value.(*stream)
	c.remove(st)
	return st
}

// use notes that a stream asks something.
func (c *crowd) use(st *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.place != nil {
		c.byUse.MoveToBack(st.place)
	}
}

// leave takes a stream out; it may have been taken out before.
func (c *crowd) leave(st *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(st)
}

func (c *crowd) remove(st *stream) {
	if st.place == nil {
		return
	}
	c.byUse.Remove(st.place)
	st.place = nil
	c.through[st.via]--
	if !st.counted.IsValid() {
		return
	}
	if c.clients[st.counted]--; c.clients[st.counted] == 0 {
		delete(c.clients, st.counted)
	}
}

// by returns how many streams there are by each transport, and whether more than half of the room is
// taken.
func (c *crowd) by() (n [transports]int, busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.through, c.byUse.Len() > c.most/2
}

// patience gives a stream time for what it is to send next, and less when the server drains.
func (c *crowd) patience(st *stream, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now().Add(d)
	if !c.until.IsZero() && c.until.Before(t) {
		t = c.until
	}
	_ = st.SetReadDeadline(t) // a connection that is closed shows in the read
}

// drain lets nobody in from now on, and has every stream read no longer than for a grace, in which what
// is on its way arrives. Those that HTTP has taken over are left to it.
func (c *crowd) drain(grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Now().Add(grace)
	for e := c.byUse.Front(); e != nil; e = e.Next() {
		if st := e.Value.(*stream); !st.handed {
			_ = st.SetReadDeadline(c.until)
		}
	}
}

// hand notes that HTTP takes a stream over, with its deadlines. It reports false when the server drains.
func (c *crowd) hand(st *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.handed = c.until.IsZero()
	return st.handed && st.SetDeadline(time.Time{}) == nil
}

// draining reports whether the server drains.
func (c *crowd) draining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.until.IsZero()
}
