package dnsserver

import (
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"
)

const headerSize = 12

// A verdict on a packet, before it is a query. The zero verdict drops it.
type verdict uint8

const (
	dropShort    verdict = iota // no header to answer to
	dropResponse                // a response: answering it could go on for ever
	malformed                   // answered with FORMERR
	wellFormed
)

// decode reads a packet. A malformed one comes back as what can be answered: its header, and its
// question where that can be read. miekg/dns forgives counts that lie and a question cut short; a
// client that wrote them gets FORMERR (RFC 1035 §4.1.1).
func decode(wire []byte) (*dns.Msg, verdict) {
	if len(wire) < headerSize {
		return nil, dropShort
	}
	if wire[2]&0x80 != 0 {
		return nil, dropResponse
	}
	m := new(dns.Msg)
	err := m.Unpack(wire)
	m.Response = false
	counts := [...]int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)}
	for i, n := range counts {
		if int(binary.BigEndian.Uint16(wire[4+2*i:])) != n {
			err = dns.ErrBuf
		}
	}
	if end, ok := questionEnd(wire); len(m.Question) > 0 && (!ok || end > len(wire)) {
		m.Question, err = nil, dns.ErrBuf
	}
	if err != nil || asksForSubnet(m) && !subnetsFit(wire) {
		return m, malformed
	}
	return m, wellFormed
}

func asksForSubnet(m *dns.Msg) bool {
	opt := m.IsEdns0()
	return opt != nil && slices.ContainsFunc(opt.Option, func(o dns.EDNS0) bool {
		return o.Option() == dns.EDNS0SUBNET
	})
}

// subnetsFit reports whether each client subnet option of a query that could be unpacked has the octets
// its prefix needs, no fewer and no more (RFC 7871 §6). Unpacked options show neither: miekg/dns fills up
// short addresses and cuts long ones.
func subnetsFit(wire []byte) bool {
	const fixed = 10 // type, class, TTL and length of the data
	at, ok := questionEnd(wire)
	for ok && at < len(wire) {
		_, end, err := dns.UnpackDomainName(wire, at)
		if err != nil || end+fixed > len(wire) {
			return false
		}
		rdata := wire[end+fixed:]
		size := int(binary.BigEndian.Uint16(wire[end+fixed-2:]))
		if size > len(rdata) {
			return false
		}
		if binary.BigEndian.Uint16(wire[end:]) == dns.TypeOPT && !optionsFit(rdata[:size]) {
			return false
		}
		at = end + fixed + size
	}
	return ok
}

func optionsFit(options []byte) bool {
	const fixed, subnetFixed = 4, 4 // code and length; family and two prefix lengths
	for len(options) >= fixed {
		code, size := binary.BigEndian.Uint16(options), int(binary.BigEndian.Uint16(options[2:]))
		if options = options[fixed:]; size > len(options) {
			return false
		}
		if code == dns.EDNS0SUBNET && (size < subnetFixed || size != subnetFixed+(int(options[2])+7)/8) {
			return false
		}
		options = options[size:]
	}
	return true
}

// questionEnd returns where the first question ends. A name there has nothing to point to.
func questionEnd(wire []byte) (end int, ok bool) {
	at := headerSize
	for at < len(wire) {
		n := int(wire[at])
		if n > 63 {
			return 0, false
		}
		at += 1 + n
		if n == 0 {
			return at + 4, true
		}
	}
	return 0, false
}

// formatError returns the response to a malformed message.
func formatError(query *dns.Msg) *dns.Msg {
	m := newReply(query)
	m.Rcode = dns.RcodeFormatError
	return m
}
