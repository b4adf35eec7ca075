//go:build !linux

package dnsserver

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"
)

// Elsewhere an address has one socket, with several readers, who take one query at a time.

func socketsPerAddress() int { return 1 }

func share(syscall.RawConn) error { return errors.ErrUnsupported }

type udpSocket struct{ *net.UDPConn }

func takeUDP(conn *net.UDPConn) (*udpSocket, error) { return &udpSocket{conn}, nil }

func (u *udpSocket) serve(s *Server, l *listener, stop <-chan struct{}) {
	var readers sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		readers.Go(func() { s.servePackets(l, u.UDPConn, stop) })
	}
	readers.Wait()
}

func (u *udpSocket) interrupt() { _ = u.SetReadDeadline(past) } // what is being answered is still written

func (u *udpSocket) setReceiveBuffer(size int) (got int) {
	if u.SetReadBuffer(size) != nil {
		return 0
	}
	return size
}

func (u *udpSocket) overflowed() uint64 { return 0 }
