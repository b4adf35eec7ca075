package probe

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
)

// pings are the ICMP sockets of a node: one per family, shared by all its probes, open while at least
// one of them is under way. The zero pings is ready.
type pings struct {
	mu      sync.Mutex
	sockets [2]*pinger // by family, IPv4 first; mu protects it and the users of each
}

// A pinger is one socket with the goroutine that reads it. The last user closes it and waits for the
// goroutine.
type pinger struct {
	users int // protected by pings.mu

	open   sync.Once
	socket *pingSocket // set by open, with err
	err    error
	reader chan struct{} // closed when the reading goroutine has ended

	mu      sync.Mutex
	next    uint16             // protected by mu, as is waiting
	waiting map[uint16]*waiter // by sequence number
}

// A waiter is a ping whose answer has not come.
type waiter struct {
	to    netip.Addr
	nonce uint64
	done  chan error // holds one; never blocks the reader
}

// ping sends one echo request and waits for its reply.
func (p *pings) ping(ctx context.Context, to, source netip.Addr) error {
	g := p.acquire(to)
	defer p.release(g, to)
	g.open.Do(func() { g.start(to, source) })
	if g.err != nil {
		return g.err
	}
	w := &waiter{to: to, nonce: rand.Uint64(), done: make(chan error, 1)}
	seq, ok := g.enlist(w)
	if !ok {
		return void("more than %d pings at once", 1<<16)
	}
	defer g.strike(seq)
	if err := g.socket.send(to, seq, w.nonce); err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func slot(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func (p *pings) acquire(to netip.Addr) *pinger {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.sockets[slot(to)]
	if g == nil {
		g = &pinger{waiting: make(map[uint16]*waiter), reader: make(chan struct{})}
		p.sockets[slot(to)] = g
	}
	g.users++
	return g
}

func (p *pings) release(g *pinger, to netip.Addr) {
	p.mu.Lock()
	g.users--
	last := g.users == 0
	if last {
		p.sockets[slot(to)] = nil
	}
	p.mu.Unlock()
	if last && g.socket != nil {
		g.socket.close()
		<-g.reader
	}
}

func (g *pinger) start(to, source netip.Addr) {
	g.socket, g.err = openPing(to, source)
	if g.err != nil {
		return
	}
	g.next = uint16(rand.Uint32())
	go func() {
		defer close(g.reader)
		g.socket.receive(g.deliver)
	}()
}

func (g *pinger) enlist(w *waiter) (seq uint16, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 1<<16 {
		return 0, false
	}
	for g.waiting[g.next] != nil {
		g.next++
	}
	seq = g.next
	g.next++
	g.waiting[seq] = w
	return seq, true
}

func (g *pinger) strike(seq uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, seq)
}

// deliver hands an echo reply, or an error about a request, to the ping it belongs to.
func (g *pinger) deliver(e echo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.waiting[e.seq]
	if w == nil || w.to != e.peer || e.errno == 0 && w.nonce != e.nonce {
		return
	}
	var err error
	if e.errno != 0 {
		err = e.errno
	}
	select {
	case w.done <- err:
	default: // a second answer to the same request
	}
}

// An echo is a reply to an echo request, or, with an errno, an error that somebody on the way, or this
// host itself, has sent about one.
type echo struct {
	peer  netip.Addr // whom the request was for
	id    uint16
	seq   uint16
	nonce uint64 // only of a reply
	errno syscall.Errno
}

// Types of ICMP and ICMPv6 messages.
const (
	icmp4Reply       = 0
	icmp4Unreachable = 3
	icmp4Request     = 8
	icmp4Exceeded    = 11
	icmp6Unreachable = 1
	icmp6Exceeded    = 3
	icmp6Request     = 128
	icmp6Reply       = 129
)

// echoRequest makes an echo request with a nonce as its data. The kernel fills in the checksum of
// ICMPv6, and of ICMP on an unprivileged socket; a right one does no harm there.
func echoRequest(to netip.Addr, id, seq uint16, nonce uint64) []byte {
	b := make([]byte, 8, 16)
	b[0] = icmp4Request
	if !to.Is4() {
		b[0] = icmp6Request
	}
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	b = binary.BigEndian.AppendUint64(b, nonce)
	if to.Is4() {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// checksum is that of RFC 1071, for an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	return ^uint16(sum)
}

// parseICMP4 reads an ICMP message of that sender: a reply, or an error about a request.
func parseICMP4(from netip.Addr, b []byte) (echo, bool) {
	if len(b) < 8 {
		return echo{}, false
	}
	switch b[0] {
	case icmp4Reply:
		return parseReply(from, b)
	case icmp4Unreachable, icmp4Exceeded:
		inner := b[8:]
		ip, ok := stripIPv4(inner)
		const protocolICMP = 1
		if !ok || inner[9] != protocolICMP || len(ip) < 8 || ip[0] != icmp4Request {
			return echo{}, false
		}
		e := requestOf(netip.AddrFrom4([4]byte(inner[16:20])), ip)
		e.errno = unreachable4(b[0], b[1])
		return e, true
	}
	return echo{}, false
}

// parseICMP6 reads an ICMPv6 message of that sender: a reply, or an error about a request.
func parseICMP6(from netip.Addr, b []byte) (echo, bool) {
	if len(b) < 8 {
		return echo{}, false
	}
	switch b[0] {
	case icmp6Reply:
		return parseReply(from, b)
	case icmp6Unreachable, icmp6Exceeded:
		const header, nextICMP6 = 40, 58
		inner := b[8:]
		if len(inner) < header+8 || inner[0]>>4 != 6 || inner[6] != nextICMP6 || inner[header] != icmp6Request {
			return echo{}, false
		}
		e := requestOf(netip.AddrFrom16([16]byte(inner[24:40])), inner[header:])
		e.errno = unreachable6(b[0], b[1])
		return e, true
	}
	return echo{}, false
}

func parseReply(from netip.Addr, b []byte) (echo, bool) {
	if len(b) < 16 {
		return echo{}, false
	}
	e := requestOf(from, b)
	e.nonce = binary.BigEndian.Uint64(b[8:])
	return e, true
}

func requestOf(peer netip.Addr, b []byte) echo {
	return echo{peer: peer, id: binary.BigEndian.Uint16(b[4:]), seq: binary.BigEndian.Uint16(b[6:])}
}

// stripIPv4 returns what follows the header of an IPv4 packet.
func stripIPv4(b []byte) ([]byte, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, false
	}
	size := int(b[0]&0xf) * 4
	if size < 20 || len(b) < size {
		return nil, false
	}
	return b[size:], true
}

// unreachable4 and unreachable6 give an error the number that the kernel would give it.
func unreachable4(typ, code byte) syscall.Errno {
	switch {
	case typ == icmp4Unreachable && (code == 0 || code == 6 || code == 11):
		return syscall.ENETUNREACH
	case typ == icmp4Unreachable && (code == 9 || code == 10 || code == 13):
		return syscall.EACCES
	}
	return syscall.EHOSTUNREACH
}

func unreachable6(typ, code byte) syscall.Errno {
	switch {
	case typ == icmp6Unreachable && code == 0:
		return syscall.ENETUNREACH
	case typ == icmp6Unreachable && (code == 1 || code == 5 || code == 6):
		return syscall.EACCES
	}
	return syscall.EHOSTUNREACH
}
