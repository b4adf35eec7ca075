package edge

import (
	"encoding/binary"
	"net/netip"
)

const (
	optionFixed = 4 // code and length

	optionNSID      = 3
	optionSubnet    = 8
	optionCookie    = 10
	optionKeepalive = 11
	optionPadding   = 12
)

// optionsFit reports whether options fill the data of their record.
func optionsFit(options []byte) bool {
	for len(options) > 0 {
		_, _, rest, ok := nextOption(options)
		if !ok {
			return false
		}
		options = rest
	}
	return true
}

// nextOption splits off the first of some options.
func nextOption(options []byte) (code uint16, data, rest []byte, ok bool) {
	if len(options) < optionFixed {
		return 0, nil, nil, false
	}
	end := optionFixed + int(binary.BigEndian.Uint16(options[2:]))
	if end > len(options) {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint16(options), options[optionFixed:end:end], options[end:], true
}

// readOptions reads the options of version 0, which fit. Of an option that comes twice the first counts
// (RFC 7873 §5.2), and both have to be well formed. It reports whether they are.
func (q *Query) readOptions(options []byte) bool {
	for len(options) > 0 {
		code, data, rest, _ := nextOption(options)
		options = rest
		switch code {
		case optionNSID:
			q.NSID = true
		case optionKeepalive:
			q.Keepalive = true
		case optionPadding:
			q.Padding = true
		case optionCookie:
			if !cookieFits(data) {
				return false
			}
			if q.Cookie == nil {
				q.Cookie = data
			}
		case optionSubnet:
			s, ok := readSubnet(data)
			if !ok {
				return false
			}
			if !q.Subnet.Present {
				q.Subnet = s
			}
		}
	}
	return true
}

// cookieFits reports whether a COOKIE option has a client cookie, and a server cookie of a length that
// there is or none (RFC 7873 §5.2.2).
func cookieFits(data []byte) bool { return len(data) == 8 || len(data) >= 16 && len(data) <= 40 }

// Tells reports whether a subnet says anything of the client: one of length 0 does not (RFC 7871 §7.1.2),
// and nobody is at a mapped address.
func (s Subnet) Tells() bool { return s.Prefix.Bits() > 0 && !s.Prefix.Addr().Is4In6() }

// readSubnet reads a client subnet option: the octets that its prefix needs, no fewer and no more, no bit
// set beyond the prefix, and a scope of 0 (RFC 7871 §6, §7.1.1).
func readSubnet(data []byte) (s Subnet, ok bool) {
	const fixed = 4 // family and two lengths
	if len(data) < fixed || data[3] != 0 {
		return Subnet{}, false
	}
	family, bits := binary.BigEndian.Uint16(data), int(data[2])
	octets := data[fixed:]
	if len(octets) != (bits+7)/8 {
		return Subnet{}, false
	}
	var addr netip.Addr
	switch family {
	case 0:
		return Subnet{Present: true}, bits == 0
	case 1:
		var b [4]byte
		if len(octets) > len(b) {
			return Subnet{}, false
		}
		copy(b[:], octets)
		addr = netip.AddrFrom4(b)
	case 2:
		var b [16]byte
		if len(octets) > len(b) {
			return Subnet{}, false
		}
		copy(b[:], octets)
		addr = netip.AddrFrom16(b)
	default:
		return Subnet{}, false
	}
	p := netip.PrefixFrom(addr, bits)
	return Subnet{Present: true, Family: family, Prefix: p}, p.IsValid() && p.Masked() == p
}
