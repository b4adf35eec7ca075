package main

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A client asks over UDP by system calls that wait in the kernel: what it measures is the server's time and not
// that of a poller, whose threads would take the cores from it.
type client struct {
	fd  int
	buf []byte
}

func connect(server string) (*client, error) {
	to, err := netip.ParseAddrPort(server)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if err != nil {
		_ = unix.Close(fd) // the error at hand says more
		return nil, fmt.Errorf("connect to %s: %w", server, err)
	}
	return &client{fd, make([]byte, 4096)}, nil
}

func (c *client) close() { _ = unix.Close(c.fd) } // all has been read

// exchange asks and returns the answer, which is good until the next.
func (c *client) exchange(question []byte) ([]byte, error) {
	if _, err := unix.Write(c.fd, question); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	for {
		switch n, err := unix.Read(c.fd, c.buf); err {
		case nil:
			return c.buf[:n], nil
		case unix.EINTR:
		default:
			return nil, fmt.Errorf("no answer: %w", err)
		}
	}
}
