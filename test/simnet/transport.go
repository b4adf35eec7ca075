package simnet

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// What a transport holds for a reader that is late. Packets beyond are lost, as in a socket's buffer;
// streams beyond are refused, as in a listener's backlog.
const (
	packetBacklog = 4096
	streamBacklog = 128
)

var (
	errRefused = errors.New("connection refused")
	errClosed  = net.ErrClosed
)

// A Transport is one end of a Net. It never blocks a sender. After Shutdown it has no goroutine and no
// open stream.
type Transport struct {
	net     *Net
	addr    netip.AddrPort
	name    string // addr as text: what peers dial
	packets chan *memberlist.Packet
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once

	mu     sync.Mutex // protects conns and closed
	conns  map[*conn]struct{}
	closed bool
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

func newTransport(n *Net, addr netip.AddrPort) *Transport {
	return &Transport{
		net:     n,
		addr:    addr,
		name:    addr.String(),
		packets: make(chan *memberlist.Packet, packetBacklog),
		streams: make(chan net.Conn, streamBacklog),
		done:    make(chan struct{}),
		conns:   make(map[*conn]struct{}),
	}
}

// Addr returns the address and port of t.
func (t *Transport) Addr() string { return t.name }

// FinalAdvertiseAddr returns the address of t, whatever is asked for.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IP(t.addr.Addr().AsSlice()), int(t.addr.Port()), nil
}

// PacketCh returns the packets that arrive.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the streams that peers open.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo sends b as one packet. Like UDP it does not tell whether it arrives.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	now := time.Now()
	if t.isClosed() {
		return now, &net.OpError{Op: "write", Net: "udp", Addr: udpAddr(t.addr), Err: errClosed}
	}
	to, after := t.net.packet(t.name, addr, len(b))
	if to == nil {
		return now, nil
	}
	p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: udpAddr(t.addr)}
	if after <= 0 {
		to.receive(p)
		return now, nil
	}
	time.AfterFunc(after, func() { to.receive(p) })
	return now, nil
}

// WriteToAddress is WriteTo: the name of the node is not looked at.
func (t *Transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

func (t *Transport) receive(p *memberlist.Packet) {
	p.Timestamp = time.Now()
	select {
	case <-t.done:
	case t.packets <- p:
	default: // the buffer is full: lost
	}
}

// DialTimeout opens a stream. It takes one round trip; nothing that is cut or off answers.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		to, _ := netip.ParseAddrPort(addr)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: tcpAddr(to), Err: err}
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	to, after, ok := t.net.handshake(t.name, addr)
	for tries := 0; !ok && tries < retries; tries++ {
		retry := time.NewTimer(synRetry << tries)
		select {
		case <-t.done:
			retry.Stop()
			return fail(errClosed)
		case <-deadline.C:
			retry.Stop()
			return fail(errTimeout{})
		case <-retry.C:
			to, after, ok = t.net.handshake(t.name, addr)
		}
	}
	if !ok {
		return fail(errTimeout{})
	}
	trip := time.NewTimer(after)
	defer trip.Stop()
	select {
	case <-t.done:
		return fail(errClosed)
	case <-deadline.C:
		return fail(errTimeout{})
	case <-trip.C:
	}
	if to == nil {
		return fail(errRefused)
	}
	near, far := t.connect(to)
	if !t.keep(near) || !to.keep(far) {
		_ = near.Close() // nobody reads its error
		return fail(errRefused)
	}
	select {
	case to.streams <- far:
		return near, nil
	default: // the backlog is full
		_, _ = near.Close(), far.Close() // nobody has seen them
		return fail(errRefused)
	}
}

// DialAddressTimeout is DialTimeout: the name of the node is not looked at.
func (t *Transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// Shutdown closes t and its streams, at once and without a word to its peers but the end of the streams.
func (t *Transport) Shutdown() error {
	t.once.Do(func() {
		t.net.close(t)
		t.mu.Lock()
		t.closed = true
		conns := t.conns
		t.conns = nil
		t.mu.Unlock()
		close(t.done)
		for c := range conns {
			_ = c.Close() // always nil
		}
	})
	return nil
}

func (t *Transport) isClosed() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

func (t *Transport) keep(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *Transport) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

func udpAddr(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }
func tcpAddr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }

// errTimeout is a net.Error that says Timeout, as a dialer's does.
type errTimeout struct{}

func (errTimeout) Error() string   { return "i/o timeout" }
func (errTimeout) Timeout() bool   { return true }
func (errTimeout) Temporary() bool { return true }
