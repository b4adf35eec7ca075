package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Connections are made by system calls of our own, not by net.Dialer, for three reasons. Only the call
// itself tells "this node has no route" (void) from "a router said so" (a failure): it answers the one
// at once and the other later, with the same number. A probe from a configured address does not take a
// local port for itself alone. And most of a core is left when 10,000 targets are probed each second.

// A conn is a connection of a probe: it is reset when closed, so that nothing of it stays in TIME_WAIT,
// and its reads and writes fail with os.ErrDeadlineExceeded once its context is done.
type conn struct {
	*os.File
	peer netip.AddrPort
	stop func() bool
}

func (c *conn) Close() error {
	c.stop()
	return c.File.Close()
}

func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }

// LocalAddr is there for net.Conn; nobody asks.
func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// dial connects to a TCP port.
func (e *Env) dial(ctx context.Context, to netip.AddrPort) (*conn, error) {
	s, err := e.connect(to, unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	return s.wait(ctx)
}

// knock finds out whether a TCP port takes connections: it asks for one, and resets it once it is granted, before
// it stands on the other side. The target's system answers, and its program is not disturbed.
func (e *Env) knock(ctx context.Context, to netip.AddrPort) error {
	s := &socket{fd: e.idle.take(to.Addr()), to: to, addr: sockaddr(to)}
	if s.fd < 0 {
		var err error
		if s.fd, err = e.socket(to.Addr(), unix.SOCK_STREAM); err != nil {
			return err
		}
		grantOnly(s.fd)
	}
	if err := s.start(unix.SOCK_STREAM); err != nil {
		return err
	}
	if s.connected {
		if e.source(to.Addr()).IsValid() {
			_ = unix.Close(s.fd) // nothing was written that could be lost
		} else {
			e.idle.put(s)
		}
		return nil
	}
	c, err := s.wait(ctx)
	if err != nil {
		return err
	}
	_ = c.Close() // as above
	return nil
}

// dialUDP makes a socket that takes packets of one peer only.
func (e *Env) dialUDP(ctx context.Context, to netip.AddrPort) (*conn, error) {
	s, err := e.connect(to, unix.SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	return s.wait(ctx)
}

// A socket is one whose connection is under way.
type socket struct {
	fd        int
	to        netip.AddrPort
	addr      unix.Sockaddr
	connected bool
}

// connect starts to connect. Its errors are this node's own; those of the network come from wait.
func (e *Env) connect(to netip.AddrPort, typ int) (*socket, error) {
	fd, err := e.socket(to.Addr(), typ)
	if err != nil {
		return nil, err
	}
	s := &socket{fd: fd, to: to, addr: sockaddr(to)}
	if err := s.start(typ); err != nil {
		return nil, err
	}
	return s, nil
}

// socket makes a socket for a target.
func (e *Env) socket(to netip.Addr, typ int) (fd int, err error) {
	if fd, err = newSocket(family(to), typ, 0); err != nil {
		return -1, err
	}
	if typ == unix.SOCK_STREAM {
		err = voidCall(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	}
	if source := e.source(to); err == nil && source.IsValid() {
		err = bindSource(fd, source)
	}
	if err != nil {
		_ = unix.Close(fd) // the error at hand says more
		return -1, err
	}
	return fd, nil
}

// start begins to connect. After an error the socket is closed.
func (s *socket) start(typ int) (err error) {
	defer func() {
		if err != nil {
			_ = unix.Close(s.fd) // the error at hand says more
		}
	}()
	switch err := unix.Connect(s.fd, s.addr); {
	case err == nil:
		s.connected = typ == unix.SOCK_DGRAM
	case err == unix.EINPROGRESS || err == unix.EINTR:
	default:
		return voidCall(err)
	}
	if s.connected {
		return nil
	}
	// What is on this host, or next to it, has often answered by now: then no poller is needed.
	s.connected, err = s.established()
	return err
}

// established reports whether the connection stands. It may be asked before the poller knows.
func (s *socket) established() (bool, error) {
	switch err := unix.Connect(s.fd, s.addr); err {
	case nil, unix.EISCONN:
		return true, s.refuseSelf()
	case unix.EALREADY, unix.EINPROGRESS, unix.EINTR:
		return false, nil
	default:
		return false, refusal(s.fd, err)
	}
}

// refuseSelf refuses a connection to itself: a closed port of this host, in the range that local ports
// are taken from, can be met by the very socket that asks for it.
func (s *socket) refuseSelf() error {
	if !isLocalPort(s.to.Port()) {
		return nil
	}
	local, err := unix.Getsockname(s.fd)
	if err != nil {
		return voidCall(err)
	}
	if addrPort(local) == s.to {
		return unix.ECONNREFUSED
	}
	return nil
}

// wait waits until the connection stands or ctx is done. The socket is the conn's, or closed.
func (s *socket) wait(ctx context.Context) (*conn, error) {
	f := os.NewFile(uintptr(s.fd), "probe")
	c := &conn{File: f, peer: s.to}
	c.stop = context.AfterFunc(ctx, func() {
		_ = f.SetDeadline(time.Unix(1, 0)) // fails only if the probe has ended by itself
	})
	if s.connected {
		return c, nil
	}
	err := s.poll(f)
	if err != nil {
		_ = c.Close() // the error at hand says more
		return nil, err
	}
	return c, nil
}

func (s *socket) poll(f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return void("this node: %v", err)
	}
	var failure error
	err = rc.Write(func(uintptr) bool {
		var done bool
		done, failure = s.established()
		return done || failure != nil
	})
	if failure != nil {
		return failure
	}
	return err
}

func bindSource(fd int, source netip.Addr) error {
	lateBind(fd)
	err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0)))
	if err == unix.EADDRNOTAVAIL {
		return void("source %s is no address of this node", source)
	}
	return voidCall(err)
}

// voidCall words an error that a system call gave at once.
func voidCall(err error) error {
	if err == nil {
		return nil
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return localErrno(errno)
	}
	return void("this node: %v", err)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
