package gossip

import (
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// A peer that is gone must not hold up the others that wait to be tried.
	dialTimeout = 2 * time.Second
	// A whole state on a slow line; also memberlist's own patience with a stream.
	streamTimeout = 5 * time.Second
)

// A wire is a transport that counts what is sent and gives every stream a deadline: memberlist sends user
// messages without one.
type wire struct {
	memberlist.NodeAwareTransport
	counts  *counters
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup
	err     error // of Shutdown

	mu     sync.Mutex // protects the fields below
	conns  map[*countedConn]struct{}
	closed bool
}

func newWire(t memberlist.NodeAwareTransport, c *counters) *wire {
	w := &wire{
		NodeAwareTransport: t, counts: c, streams: make(chan net.Conn), done: make(chan struct{}),
		conns: make(map[*countedConn]struct{}),
	}
	w.wg.Go(w.accept)
	return w
}

// accept wraps the streams that peers open, so that answers are counted too.
func (w *wire) accept() {
	for {
		select {
		case c := <-w.NodeAwareTransport.StreamCh():
			select {
			case w.streams <- w.wrap(c):
			case <-w.done:
				_ = c.Close() // nobody will read it
				return
			}
		case <-w.done:
			return
		}
	}
}

func (w *wire) StreamCh() <-chan net.Conn { return w.streams }

func (w *wire) WriteTo(b []byte, addr string) (time.Time, error) {
	return w.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (w *wire) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	w.counts.packetsSent.Add(1)
	w.counts.bytesSent.Add(uint64(len(b)))
	return w.NodeAwareTransport.WriteToAddress(b, a)
}

func (w *wire) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return w.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (w *wire) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	w.counts.streamsSent.Add(1)
	c, err := w.NodeAwareTransport.DialAddressTimeout(a, min(timeout, dialTimeout))
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(streamTimeout)); err != nil {
		_ = c.Close() // the first error counts
		return nil, err
	}
	return w.wrap(c), nil
}

func (w *wire) wrap(c net.Conn) *countedConn {
	cc := &countedConn{c, w}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = c.Close() // its user sees that soon enough
	} else {
		w.conns[cc] = struct{}{}
	}
	return cc
}

// hangUp closes every stream, so that nobody waits for one.
func (w *wire) hangUp() {
	w.mu.Lock()
	w.closed = true
	conns := w.conns
	w.conns = nil
	w.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // the same
	}
}

// Shutdown closes the transport and its streams. It takes what still waits to be read: a transport may wait for its
// reader, and there is none when the mesh never ran.
func (w *wire) Shutdown() error {
	w.once.Do(func() {
		stopped := make(chan struct{})
		w.wg.Go(func() {
			for {
				select {
				case <-w.PacketCh():
				case c := <-w.NodeAwareTransport.StreamCh():
					_ = c.Close() // nobody will read it
				case <-stopped:
					return
				}
			}
		})
		close(w.done)
		w.err = w.NodeAwareTransport.Shutdown()
		close(stopped)
		w.wg.Wait()
		w.hangUp()
	})
	return w.err
}

type countedConn struct {
	net.Conn
	wire *wire
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wire.counts.bytesSent.Add(uint64(n))
	return n, err
}

func (c *countedConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

// A Transport carries packets and streams in place of UDP and TCP.
type Transport = memberlist.NodeAwareTransport
