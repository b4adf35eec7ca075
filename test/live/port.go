package live

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// Ports that the kernel gives to clients are left out: a port of theirs may be taken at any moment.
const (
	leastPort = 10000
	mostPort  = 30000
)

// Address returns HOST:PORT with a port that is free for UDP and TCP at present.
func Address(host string) (string, error) {
	var last error
	for range 100 {
		addr := net.JoinHostPort(host, fmt.Sprint(leastPort+rand.IntN(mostPort-leastPort)))
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			last = err
			continue
		}
		udp, err := net.ListenPacket("udp", addr)
		_ = tcp.Close() // only its number is wanted
		if err == nil {
			_ = udp.Close() // as above
			return addr, nil
		}
		last = err
	}
	return "", fmt.Errorf("no free port on %s: %w", host, last)
}

// Loopback returns n addresses of 127/8 that most likely nobody else uses, with one port that is free on
// all of them.
func Loopback(n int) ([]netip.AddrPort, error) {
	var last error
next:
	for range 20 {
		x, y, port := byte(1+rand.IntN(254)), byte(rand.IntN(256)), uint16(leastPort+rand.IntN(mostPort-leastPort))
		addrs := make([]netip.AddrPort, n)
		for i := range addrs {
			addrs[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, x, y, byte(1 + i)}), port)
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addrs[i]))
			if err != nil {
				last = err
				continue next
			}
			_ = l.Close() // it was to be had
		}
		return addrs, nil
	}
	return nil, fmt.Errorf("no free addresses on loopback: %w", last)
}
