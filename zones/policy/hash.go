package policy

import (
	"encoding/binary"
	"net/netip"
)

// ByHash serves each client prefix with one member, the same on every node: the one with the greatest
// rendezvous hash, so that a member that leaves moves only its own clients.
func ByHash(members []Member) Choice {
	return Choice{Mode: Hash, Members: members}
}

// highest returns the position of the member with the greatest hash for the client's key.
func highest(members []Member, key uint64) int {
	best, most := 0, uint64(0)
	for i, m := range members {
		if h := mix(m.Key ^ mix(key)); i == 0 || h > most {
			best, most = i, h
		}
	}
	return best
}

// The bits of a client's address that Hash looks at.
const (
	ClientBits4 = 24
	ClientBits6 = 48
)

// ClientKey is the key of a client prefix: an address stands for its /24 or /48, a longer prefix is cut
// to that, a shorter one stands for itself. It is equal on every node and in every version.
func ClientKey(client netip.Prefix) uint64 {
	addr, bits := client.Addr(), client.Bits()
	if addr.Is4In6() {
		addr, bits = addr.Unmap(), max(bits-96, 0)
	}
	most := ClientBits6
	if addr.Is4() {
		most = ClientBits4
	}
	p, err := addr.Prefix(min(max(bits, 0), most))
	if err != nil {
		return 0 // no client is known: all such queries are one client
	}
	b := p.Addr().As16()
	return mix(mix(binary.BigEndian.Uint64(b[:8])) ^ binary.BigEndian.Uint64(b[8:]))
}

// MemberKey is the Key of a member by the names of its zone, pool and target: FNV-1a over the three,
// each followed by a zero byte, then mixed. It is equal on every node and in every version.
func MemberKey(zone, pool, target string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{zone, pool, target} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h *= 1099511628211 // the zero byte
	}
	return mix(h)
}
