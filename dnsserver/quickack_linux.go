package dnsserver

import (
	"net"

	"golang.org/x/sys/unix"
)

// acknowledge tells the client of a handshake at once that its end has arrived. The kernel would wait for
// something to send, and a client with Nagle's algorithm, such as dig, would wait for that with its first
// query: 40 ms.
func acknowledge(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }) // it only takes longer
	}
}
