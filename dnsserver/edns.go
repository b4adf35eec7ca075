package dnsserver

import (
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// edns is what the OPT record of a query asks for, and what that of the response will say (RFC 6891).
type edns struct {
	present bool
	size    uint16 // what the client can take
	do      bool
	nsid    bool
	alive   bool // asks how long a TCP connection may idle
	subnet  *dns.EDNS0_SUBNET
	scope   int // leading bits of the subnet that the answer depended on
	notes   []*dns.EDNS0_EDE
}

// maxNotes bounds the extended errors of one response.
const maxNotes = 3

// maxNSID bounds the node's name in a response.
const maxNSID = 128

// read takes in the OPT record of a query. It returns the response code that the record alone causes.
func (e *edns) read(m *dns.Msg) int {
	var opt *dns.OPT
	for _, rr := range m.Extra {
		o, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		if opt != nil || o.Hdr.Name != "." {
			e.present = true
			return dns.RcodeFormatError // RFC 6891 §6.1.1
		}
		opt = o
	}
	if opt == nil {
		return dns.RcodeSuccess
	}
	e.present, e.size, e.do = true, opt.UDPSize(), opt.Do()
	if opt.Version() != 0 {
		return dns.RcodeBadVers
	}
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_NSID:
			e.nsid = true
		case *dns.EDNS0_TCP_KEEPALIVE:
			e.alive = true
		case *dns.EDNS0_SUBNET:
			if _, ok := subnetPrefix(o); !ok {
				return dns.RcodeFormatError // RFC 7871 §7.1.1
			}
			e.subnet = o
		}
	}
	return dns.RcodeSuccess
}

// subnetPrefix returns the prefix a client subnet option names, and whether the option is well formed.
// Family 0 with length 0 asks that no subnet be used: the zero prefix.
func subnetPrefix(o *dns.EDNS0_SUBNET) (netip.Prefix, bool) {
	if o.SourceScope != 0 {
		return netip.Prefix{}, false
	}
	if o.Family == 0 {
		return netip.Prefix{}, o.SourceNetmask == 0
	}
	addr, ok := netip.AddrFromSlice(o.Address)
	if !ok {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	if addr.Is4() != (o.Family == 1) {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(addr, int(o.SourceNetmask))
	return p, p.IsValid() && p.Masked() == p
}

// explain adds an extended error (RFC 8914). One text is sent once.
func (e *edns) explain(code uint16, text string) {
	const longest = 255
	text = text[:min(len(text), longest)]
	for _, n := range e.notes {
		if n.InfoCode == code && n.ExtraText == text {
			return
		}
	}
	if len(e.notes) < maxNotes {
		e.notes = append(e.notes, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
	}
}

// write adds the OPT record of the response, if the query had one.
func (e *edns) write(q *Query, m *dns.Msg) {
	if !e.present {
		return
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(q.udpSize())
	opt.SetDo(e.do)
	if e.nsid && q.NSID != "" {
		nsid := hex.EncodeToString([]byte(q.NSID[:min(len(q.NSID), maxNSID)]))
		opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: nsid})
	}
	if e.subnet != nil && m.Rcode != dns.RcodeFormatError {
		echo := *e.subnet
		echo.SourceScope = uint8(e.scope)
		opt.Option = append(opt.Option, &echo)
	}
	if e.alive && q.Via.stream() && q.Keepalive > 0 {
		units := uint16(q.Keepalive / (100 * time.Millisecond))
		opt.Option = append(opt.Option, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE, Timeout: units})
	}
	for _, n := range e.notes {
		opt.Option = append(opt.Option, n)
	}
	m.Extra = append(m.Extra, opt)
}

// udpSize is the most this node sends over UDP.
func (q *Query) udpSize() uint16 {
	if q.UDPSize == 0 {
		return DefaultUDPSize
	}
	return max(q.UDPSize, dns.MinMsgSize)
}
