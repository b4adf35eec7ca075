package dnsserver

import "encoding/binary"

// freshness is how many seconds a cache may keep a response: the least TTL of its answer; where that is
// empty, of its authority section, where a negative response has its SOA with the TTL that counts for it
// (RFC 8484 §5.1, RFC 2308 §5). It is 0 where nothing says how long: for errors.
func freshness(wire []byte) uint32 {
	const (
		header = 12
		fixed  = 10 // type, class, TTL and length of the data
	)
	if len(wire) < header {
		return 0
	}
	at := header
	for range binary.BigEndian.Uint16(wire[4:]) {
		at = skipName(wire, at) + 4
	}
	for section := range 2 {
		n := binary.BigEndian.Uint16(wire[6+2*section:])
		least := ^uint32(0)
		for range n {
			at = skipName(wire, at)
			if at+fixed > len(wire) {
				return 0
			}
			least = min(least, binary.BigEndian.Uint32(wire[at+4:]))
			at += fixed + int(binary.BigEndian.Uint16(wire[at+8:]))
		}
		if n > 0 {
			return least
		}
	}
	return 0
}

// skipName returns where a name ends; beyond the message where it does not.
func skipName(wire []byte, at int) int {
	for at < len(wire) {
		switch n := int(wire[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			return at + 2
		default:
			at += 1 + n
		}
	}
	return len(wire)
}
