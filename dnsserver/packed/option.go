package packed

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

const (
	maxNotes    = 3 // extended errors of one response
	maxNoteText = 255
	maxNSID     = 128

	padBlock = 468 // the size that padded responses are a multiple of

	optFixed    = 11 // of an OPT record, with its owner, the root
	optionFixed = 4  // of an option: code and length
	subnetFixed = 4  // family and two lengths
)

// A note is an extended error (RFC 8914).
type note struct {
	code uint16
	text string
}

// note adds an extended error. One text is sent once.
func (a *Answerer) note(code uint16, text string) {
	n := note{code, text[:min(len(text), maxNoteText)]}
	for _, have := range a.notes[:a.noted] {
		if have == n {
			return
		}
	}
	if a.noted < maxNotes {
		a.notes[a.noted] = n
		a.noted++
	}
}

func (a *Answerer) saysNSID() bool { return a.q.NSID && len(a.nsid) > 0 }

func (a *Answerer) saysKeepalive() bool {
	return a.q.Keepalive && a.in.Stream && a.in.Keepalive > 0
}

// subnetSize is how many bytes of its address a client subnet has.
func (a *Answerer) subnetSize() int { return (a.q.Subnet.Prefix.Bits() + 7) / 8 }

// optSize is the size of the OPT record of the response.
func (a *Answerer) optSize() int {
	if !a.q.EDNS {
		return 0
	}
	n := optFixed
	if a.in.Cookie.Result != edge.NoCookie {
		n += optionFixed + len(a.in.Cookie.Answer)
	}
	if a.isUsual() {
		return n
	}
	if a.saysNSID() {
		n += optionFixed + len(a.nsid)
	}
	if a.q.Subnet.Present {
		n += optionFixed + subnetFixed + max(a.subnetSize(), 0)
	}
	if a.saysKeepalive() {
		n += optionFixed + 2
	}
	for i := range a.notes[:a.noted] {
		n += optionFixed + 2 + len(a.notes[i].text)
	}
	if a.padded {
		n += optionFixed + a.padding
	}
	return n
}

// isUsual reports whether the response has no option but a cookie, as most have.
func (a *Answerer) isUsual() bool {
	return a.noted == 0 && !a.q.NSID && !a.q.Keepalive && !a.q.Padding && !a.q.Subnet.Present
}

// writeOPT writes the OPT record of the response (RFC 6891).
func (a *Answerer) writeOPT() {
	size := a.optSize()
	b := a.w.room(size)
	if b == nil {
		return
	}
	flags := uint64(0) // the upper half of them
	if a.q.DO {
		flags = 0x80
	}
	// The owner is the root, a byte that is 0; the extended RCODE and the version are 0 as well.
	binary.BigEndian.PutUint64(b, uint64(dns.TypeOPT)<<40|uint64(a.udpSize)<<24|flags)
	binary.BigEndian.PutUint16(b[8:], uint16(size-optFixed)>>8)
	b[10] = byte(size - optFixed)
	if b = b[optFixed:]; len(b) == 0 {
		return
	}
	if a.isUsual() {
		a.writeCookie(b)
		return
	}
	if a.saysNSID() {
		b = option(b, dns.EDNS0NSID, len(a.nsid))
		b = b[copy(b, a.nsid):]
	}
	if s := &a.q.Subnet; s.Present {
		n := max(a.subnetSize(), 0)
		b = option(b, dns.EDNS0SUBNET, subnetFixed+n)
		binary.BigEndian.PutUint16(b, s.Family)
		b[2], b[3] = uint8(max(s.Prefix.Bits(), 0)), uint8(a.scope)
		addr := s.Prefix.Addr().As16()
		from := addr[:]
		if s.Family == 1 {
			from = addr[12:]
		}
		b = b[subnetFixed+copy(b[subnetFixed:], from[:n]):]
	}
	if a.saysKeepalive() {
		b = option(b, dns.EDNS0TCPKEEPALIVE, 2)
		binary.BigEndian.PutUint16(b, uint16(a.in.Keepalive/(100*time.Millisecond)))
		b = b[2:]
	}
	if a.in.Cookie.Result != edge.NoCookie {
		b = a.writeCookie(b)
	}
	for _, n := range a.notes[:a.noted] {
		b = option(b, dns.EDNS0EDE, 2+len(n.text))
		binary.BigEndian.PutUint16(b, n.code)
		b = b[2+copy(b[2:], n.text):]
	}
	if a.padded {
		clear(option(b, dns.EDNS0PADDING, a.padding))
	}
}

// writeCookie writes the cookie of the response and returns what follows it.
func (a *Answerer) writeCookie(b []byte) []byte {
	c := &a.in.Cookie.Answer
	b = option(b, dns.EDNS0COOKIE, len(c))
	*(*[len(c)]byte)(b) = *c
	return b[len(c):]
}

// pad hides the size of the response from those who see it pass (RFC 7830 §4, RFC 8467 §4.1).
func (a *Answerer) pad() {
	if !a.q.Padding || !a.in.Encrypted {
		return
	}
	size := a.w.n + a.optSize() + optionFixed
	padded := min((size+padBlock-1)/padBlock*padBlock, a.limit)
	a.padded, a.padding = padded >= size, padded-size
}

// option writes the head of an option and returns what follows it.
func option(b []byte, code uint16, size int) []byte {
	binary.BigEndian.PutUint16(b, code)
	binary.BigEndian.PutUint16(b[2:], uint16(size))
	return b[optionFixed:]
}

// useSubnet reports whether the client subnet stands for the client (RFC 7871): not where it says nothing,
// and not for additional records, which nobody keeps for one subnet (§7.3.1).
func (a *Answerer) useSubnet(d zones.DynamicID) bool {
	return !a.courteous && a.q.Subnet.Tells() && a.set.ECS(d)
}

// client is the prefix that the hash policy looks at, and what an address in a rule is compared with.
func (a *Answerer) client(d zones.DynamicID) netip.Prefix {
	if a.useSubnet(d) {
		return a.q.Subnet.Prefix
	}
	addr := a.in.Client.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen())
}
