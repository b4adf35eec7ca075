//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"vitalns/test/live"
)

// A wire counts what passes loopback from or to the gossip ports.
type wire struct {
	fd    int
	ports map[uint16]bool
	bytes atomic.Uint64
	stop  chan struct{}
	done  chan struct{}
}

// openWire listens to loopback, which takes CAP_NET_RAW.
func openWire(cluster []*live.Node) (*wire, error) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, err
	}
	const all = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return nil, fmt.Errorf("listen to loopback: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lo.Index}); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := &wire{fd: fd, ports: map[uint16]bool{}, stop: make(chan struct{}), done: make(chan struct{})}
	for _, n := range cluster {
		w.ports[netip.MustParseAddrPort(n.Gossip).Port()] = true
	}
	go w.count()
	return w, nil
}

// count adds up packets, each as it arrives, until it is stopped.
func (w *wire) count() {
	defer close(w.done)
	buf := make([]byte, 65536)
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		n, _, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil || n < 20 {
			continue // nothing came for a while
		}
		head := int(buf[0]&0xf) * 4
		if n < head+4 {
			continue
		}
		src, dst := binary.BigEndian.Uint16(buf[head:]), binary.BigEndian.Uint16(buf[head+2:])
		if w.ports[src] || w.ports[dst] {
			w.bytes.Add(uint64(binary.BigEndian.Uint16(buf[2:]))) // the length that IP says
		}
	}
}

// close ends it and returns how many bytes passed.
func (w *wire) close() uint64 {
	close(w.stop)
	<-w.done
	_ = unix.Close(w.fd) // read to the end
	return w.bytes.Load()
}
