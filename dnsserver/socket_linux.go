package dnsserver

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketsPerAddress is how many sockets an address has over UDP, each with a reader of its own: the kernel
// spreads clients over them (SO_REUSEPORT).
func socketsPerAddress() int { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) }

// share lets further sockets have the address of a socket: one that is bound, or is about to be.
func share(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}

// A udpSocket is a socket in blocking mode, of which the runtime's poller knows nothing.
type udpSocket struct {
	file *os.File
	one  atomic.Pointer[net.UDPConn] // what is read from packet by packet, where there are no batches
}

// takeUDP makes a udpSocket of a connection, which is closed.
func takeUDP(conn *net.UDPConn) (u *udpSocket, err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var s int
		if s, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); failed != nil {
			return
		}
		if failed = unix.SetNonblock(s, false); failed != nil {
			_ = unix.Close(s) // the error at hand says more
			return
		}
		u = &udpSocket{file: os.NewFile(uintptr(s), "udp")}
	})
	return u, errors.Join(err, failed)
}

// control hands out the descriptor, if the socket is open. It stays open meanwhile.
func (u *udpSocket) control(f func(fd uintptr)) error {
	raw, err := u.file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}

// Close closes the socket. What was sent is sent.
func (u *udpSocket) Close() error {
	if one := u.one.Load(); one != nil {
		_ = one.Close() // as below
	}
	return u.file.Close()
}

// serve answers what comes to a socket of l until stop is closed and the socket interrupted.
func (u *udpSocket) serve(s *Server, l *listener, stop <-chan struct{}) {
	b, err := newBatch(s, l)
	if err == nil {
		defer b.close()
		var failed error
		err = u.control(func(fd uintptr) { failed = b.serve(fd, stop) })
		err = errors.Join(err, failed)
	}
	if err == nil {
		return
	}
	s.logger.Warn("queries over UDP are read one by one", "error", err)
	u.serveOne(s, l, stop)
}

// serveOne is serve without batches.
func (u *udpSocket) serveOne(s *Server, l *listener, stop <-chan struct{}) {
	conn, err := net.FilePacketConn(u.file)
	for err != nil {
		s.logger.Error("queries over UDP are not read, trying again", "error", err)
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
			conn, err = net.FilePacketConn(u.file)
		}
	}
	one := conn.(*net.UDPConn)
	u.one.Store(one)
	select {
	case <-stop: // perhaps interrupted before it was there
	default:
		s.servePackets(l, one, stop)
	}
}

// interrupt lets serve see that it is to stop.
func (u *udpSocket) interrupt() {
	if one := u.one.Load(); one != nil {
		_ = one.SetReadDeadline(past) // what is being answered is still written
	}
	// Of a socket without a peer this is an error, but what waits for it wakes up.
	_ = u.control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
}

// setReceiveBuffer sizes the buffer and returns what it has then. Without the right to more (CAP_NET_ADMIN)
// net.core.rmem_max bounds it.
func (u *udpSocket) setReceiveBuffer(size int) (got int) {
	_ = u.control(func(fd uintptr) { // closed: it has none
		s := int(fd)
		if unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, size) // what it gives is read now
		}
		if n, err := unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			got = n / 2 // the kernel doubles it for its own bookkeeping
		}
	})
	return got
}

// overflowed returns how many packets found the buffer full.
func (u *udpSocket) overflowed() uint64 {
	var info [unix.SK_MEMINFO_VARS]uint32
	_ = u.control(func(fd uintptr) { // closed: nobody asks any more
		size := uint32(unsafe.Sizeof(info))
		// An error, of an older kernel, leaves zeros.
		_, _, _ = syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[unix.SK_MEMINFO_DROPS])
}
