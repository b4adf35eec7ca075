package live

import (
	"fmt"
	"math/rand/v2"
	"net"
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
