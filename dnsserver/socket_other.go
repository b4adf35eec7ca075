//go:build !linux

package dnsserver

import (
	"errors"
	"net"
	"runtime"
	"syscall"
)

// Elsewhere an address has one socket, with several readers, who take one query at a time.

func socketsPerAddress() int { return 1 }

func readersPerSocket() int { return max(2, runtime.GOMAXPROCS(0)) }

func share(syscall.RawConn) error { return errors.ErrUnsupported }

func setReceiveBuffer(conn *net.UDPConn, size int) (got int) {
	if conn.SetReadBuffer(size) != nil {
		return 0
	}
	return size
}

func overflowed(*net.UDPConn) uint64 { return 0 }

func (s *Server) serveBatches(*listener, *net.UDPConn, <-chan struct{}) error {
	return errors.ErrUnsupported
}
