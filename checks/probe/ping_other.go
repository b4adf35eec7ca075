//go:build !linux

package probe

import "net/netip"

// A pingSocket cannot be had on this system.
type pingSocket struct{}

func openPing(netip.Addr, netip.Addr) (*pingSocket, error) {
	return nil, void("icmp checks need Linux")
}

func (*pingSocket) close()                                {}
func (*pingSocket) send(netip.Addr, uint16, uint64) error { return nil }
func (*pingSocket) receive(func(echo))                    {}
