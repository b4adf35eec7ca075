package live

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Ports that the kernel gives to clients are left out: a port of theirs may be taken at any moment.
const (
	leastPort = 10000
	mostPort  = 30000
)

// Whether an address is free is not found out by binding it: the socket would live on for a moment in
// every child that is being started just then, and whoever the address is for could not have it. Each
// process that tests takes addresses of 127/8 of its own instead, and gives out each port once.
var (
	home  = [2]byte{byte(1 + rand.IntN(254)), byte(rand.IntN(256))}
	ports atomic.Uint32
)

func init() { ports.Store(rand.Uint32()) }

func nextPort() uint16 { return uint16(leastPort + ports.Add(1)%(mostPort-leastPort)) }

// Address returns HOST:PORT with a port that nothing uses, over UDP or TCP. Host "" is an IPv4 address of
// loopback that only this process takes.
func Address(host string) (string, error) {
	if host == "" {
		host = netip.AddrFrom4([4]byte{127, home[0], home[1], 1}).String()
	}
	for range 100 {
		if addr := net.JoinHostPort(host, fmt.Sprint(nextPort())); unused(addr) {
			return addr, nil
		}
	}
	return "", fmt.Errorf("no free port on %s", host)
}

// Loopback returns n addresses of 127/8, at most 254, that nothing uses, with one port.
func Loopback(n int) ([]netip.AddrPort, error) {
	for range 100 {
		x, y, port := byte(1+rand.IntN(254)), byte(rand.IntN(256)), nextPort()
		addrs := make([]netip.AddrPort, n)
		for i := range addrs {
			addrs[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, x, y, byte(1 + i)}), port)
		}
		if [2]byte{x, y} != home && unused(addrs[0].String()) {
			return addrs, nil
		}
	}
	return nil, errors.New("no free addresses on loopback")
}

// unused reports whether nobody accepts connections at an address: someone who listens on every address
// of this host might.
func unused(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = c.Close() // only asked whether anyone is there
	return false
}

// Listen listens at an address, which may have been closed by this process just now: it waits until no
// child that was being started holds the old socket any more.
func Listen(addr string) (net.Listener, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); ; <-tick.C {
		l, err := net.Listen("tcp", addr)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			return l, err
		}
	}
}
