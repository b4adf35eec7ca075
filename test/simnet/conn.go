package simnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// A conn is one side of a stream. Writes never block; each is one segment, which arrives after the delay
// of the path, in order. A segment that meets a cut stops the stream in that direction for good: the
// reader waits until its deadline, as it would in a partition longer than its patience.
type conn struct {
	end           *Transport
	local, remote netip.AddrPort
	from, to      string // the addresses of the transports, for the path
	in, out       *half
}

// connect makes a stream from t to a peer and returns its two sides.
func (t *Transport) connect(to *Transport) (near, far *conn) {
	local := netip.AddrPortFrom(t.addr.Addr(), t.net.port())
	there, back := newHalf(), newHalf()
	near = &conn{end: t, local: local, remote: to.addr, from: t.name, to: to.name, in: back, out: there}
	far = &conn{end: to, local: to.addr, remote: local, from: to.name, to: t.name, in: there, out: back}
	return near, far
}

func (c *conn) LocalAddr() net.Addr  { return tcpAddr(c.local) }
func (c *conn) RemoteAddr() net.Addr { return tcpAddr(c.remote) }

func (c *conn) Read(b []byte) (int, error) { return c.in.read(b) }

func (c *conn) Write(b []byte) (int, error) {
	late, ok := c.end.net.segment(c.from, c.to)
	if err := c.out.write(segment{data: append([]byte(nil), b...)}, late, ok); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close ends both directions: the peer reads what was sent, then the end.
func (c *conn) Close() error {
	late, ok := c.end.net.segment(c.from, c.to)
	_ = c.out.write(segment{last: true}, late, ok) // a second Close changes nothing
	c.in.abandon()
	c.end.forget(c)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline does nothing: writes never block.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// A segment is what one write sent.
type segment struct {
	data []byte
	at   time.Time // when it arrives
	last bool      // the end of the stream
}

// A half is one direction of a stream.
type half struct {
	wake chan struct{} // holds one token when the fields below have changed

	mu       sync.Mutex // protects all below; not held while waiting
	segs     []segment
	deadline time.Time
	stopped  bool // a segment met a cut: nothing arrives any more
	ended    bool // the writer has closed
	left     bool // the reader has closed
}

func newHalf() *half { return &half{wake: make(chan struct{}, 1)} }

func (h *half) write(s segment, late time.Duration, ok bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return io.ErrClosedPipe
	}
	h.ended = s.last
	if h.left && !s.last {
		return &net.OpError{Op: "write", Net: "tcp", Err: errRefused}
	}
	if !ok {
		h.stopped = true
	}
	if h.stopped {
		return nil
	}
	s.at = time.Now().Add(late)
	if n := len(h.segs); n > 0 && h.segs[n-1].at.After(s.at) {
		s.at = h.segs[n-1].at
	}
	h.segs = append(h.segs, s)
	h.ring()
	return nil
}

// ring wakes the reader. h.mu is held; the send never blocks.
func (h *half) ring() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *half) setDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	h.ring()
}

func (h *half) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = true
	h.segs = nil
	h.ring()
}

func (h *half) read(b []byte) (int, error) {
	for {
		n, wait, err := h.poll(b, time.Now())
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if wait < 0 {
			<-h.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-h.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// poll reads what has arrived. With nothing to read and no error it says how long to wait, less than
// nothing for as long as it takes.
func (h *half) poll(b []byte, now time.Time) (n int, wait time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left {
		return 0, 0, net.ErrClosed
	}
	if !h.deadline.IsZero() && !now.Before(h.deadline) {
		return 0, 0, os.ErrDeadlineExceeded
	}
	wait = -1
	if !h.deadline.IsZero() {
		wait = h.deadline.Sub(now)
	}
	if len(h.segs) == 0 {
		return 0, wait, nil
	}
	s := &h.segs[0]
	if now.Before(s.at) {
		if late := s.at.Sub(now); wait < 0 || late < wait {
			wait = late
		}
		return 0, wait, nil
	}
	if s.last {
		return 0, 0, io.EOF // stays, for further reads
	}
	n = copy(b, s.data)
	s.data = s.data[n:]
	if len(s.data) == 0 {
		h.segs[0] = segment{}
		h.segs = h.segs[1:]
	}
	return n, wait, nil
}
