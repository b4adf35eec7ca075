package dnsserver

import (
	"encoding/binary"

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
	if err != nil {
		return m, malformed
	}
	return m, wellFormed
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
