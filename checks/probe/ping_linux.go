package probe

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A pingSocket sends echo requests and receives what comes of them.
type pingSocket struct {
	file *os.File
	fd   int
	v4   bool
	raw  bool
	id   uint16 // of a raw socket; the kernel gives an unprivileged one its own
}

const noICMPRight = "no right to ICMP: set net.ipv4.ping_group_range, or give CAP_NET_RAW"

// openPing opens an unprivileged ping socket, or where this process may not, a raw one.
func openPing(to, source netip.Addr) (*pingSocket, error) {
	s := &pingSocket{v4: to.Is4(), id: uint16(rand.Uint32())}
	protocol := unix.IPPROTO_ICMPV6
	if s.v4 {
		protocol = unix.IPPROTO_ICMP
	}
	var err error
	s.fd, err = unix.Socket(family(to), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err == unix.EACCES || err == unix.EPERM || err == unix.EPROTONOSUPPORT {
		s.raw = true
		s.fd, err = unix.Socket(family(to), unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	}
	if err == unix.EACCES || err == unix.EPERM {
		return nil, void(noICMPRight)
	}
	if err != nil {
		return nil, voidCall(err)
	}
	if err := s.prepare(source); err != nil {
		_ = unix.Close(s.fd) // the error at hand says more
		return nil, err
	}
	s.file = os.NewFile(uintptr(s.fd), "ping")
	return s, nil
}

// replyRoom is the receive buffer of a socket, in bytes: for the replies that come while its reader waits for a
// core. What finds it full is lost, as on the way. The kernel's own has room for less than 200.
const replyRoom = 4 << 20

func (s *pingSocket) prepare(source netip.Addr) error {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, replyRoom) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, replyRoom) // as much as net.core.rmem_max lets it have
	}
	var err error
	switch {
	case s.raw && s.v4:
		const icmpFilter = 1 // ICMP_FILTER: types whose bit is set are not received
		keep := 1<<icmp4Reply | 1<<icmp4Unreachable | 1<<icmp4Exceeded
		err = unix.SetsockoptInt(s.fd, unix.SOL_RAW, icmpFilter, int(^uint32(keep)))
	case s.raw:
		var filter unix.ICMPv6Filter // types whose bit is set are not received
		for i := range filter.Data {
			filter.Data[i] = ^uint32(0)
		}
		for _, typ := range []int{icmp6Reply, icmp6Unreachable, icmp6Exceeded} {
			filter.Data[typ/32] &^= 1 << (typ % 32)
		}
		err = unix.SetsockoptICMPv6Filter(s.fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter)
	case s.v4:
		err = unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_RECVERR, 1)
	default:
		err = unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	}
	if err != nil {
		return voidCall(err)
	}
	if source.IsValid() {
		return bindSource(s.fd, source)
	}
	return nil
}

func (s *pingSocket) close() { _ = s.file.Close() } // nothing is written that could be lost

// send sends one request. An error that came in for an earlier request is reported by the kernel to
// whoever calls next, once: it is none of this one's business, and its report is read from the queue.
func (s *pingSocket) send(to netip.Addr, seq uint16, nonce uint64) error {
	packet := echoRequest(to, s.id, seq, nonce)
	rc, err := s.file.SyscallConn()
	if err != nil {
		return void("this node: %v", err)
	}
	const mostEarlier = 8
	var sent error
	err = rc.Control(func(fd uintptr) {
		for range mostEarlier {
			if sent = unix.Sendto(int(fd), packet, 0, sockaddr(netip.AddrPortFrom(to, 0))); sent == nil {
				return
			}
		}
	})
	if err != nil {
		return void("this node: %v", err)
	}
	return voidCall(sent)
}

// receive hands on what comes in, until the socket is closed.
func (s *pingSocket) receive(deliver func(echo)) {
	rc, err := s.file.SyscallConn()
	if err != nil {
		return // closed before the first read
	}
	buf, control := make([]byte, 2048), make([]byte, 512)
	_ = rc.Read(func(fd uintptr) bool { // ends only by close
		for s.drain(int(fd), buf, control, deliver) {
		}
		return false
	})
}

// drain reads one message, from the queue of errors first; false when there is none.
func (s *pingSocket) drain(fd int, buf, control []byte, deliver func(echo)) bool {
	if !s.raw {
		n, oobn, _, from, err := unix.Recvmsg(fd, buf, control, unix.MSG_ERRQUEUE)
		if err == nil {
			if e, ok := s.queued(from, buf[:n], control[:oobn]); ok {
				deliver(e)
			}
			return true
		}
	}
	n, from, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return !errors.Is(err, unix.EAGAIN) // any other error is an earlier request's, told once
	}
	if e, ok := s.parse(addrPort(from).Addr(), buf[:n]); ok {
		deliver(e)
	}
	return true
}

func (s *pingSocket) parse(from netip.Addr, b []byte) (echo, bool) {
	if !s.v4 {
		e, ok := parseICMP6(from, b)
		return e, ok && s.mine(e)
	}
	if s.raw {
		var ok bool
		if b, ok = stripIPv4(b); !ok {
			return echo{}, false
		}
	}
	e, ok := parseICMP4(from, b)
	return e, ok && s.mine(e)
}

// mine reports whether the request was this socket's: a raw one hears of everybody's.
func (s *pingSocket) mine(e echo) bool { return !s.raw || e.id == s.id }

// queued reads a message of the queue of errors: the request as it was sent, and what became of it.
func (s *pingSocket) queued(to unix.Sockaddr, request, control []byte) (echo, bool) {
	if len(request) < 8 || request[0] != icmp4Request && request[0] != icmp6Request {
		return echo{}, false
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return echo{}, false
	}
	for _, m := range messages {
		isError := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR ||
			m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if isError && len(m.Data) >= 4 {
			e := requestOf(addrPort(to).Addr(), request)
			e.errno = syscall.Errno(binary.NativeEndian.Uint32(m.Data)) // sock_extended_err.ee_errno
			return e, e.errno != 0
		}
	}
	return echo{}, false
}
