package dnsserver

import (
	"encoding/hex"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
)

// edns is what the OPT record of the response will say besides what that of the query asked for.
type edns struct {
	scope int // leading bits of the client subnet that the answer depended on
	notes []*dns.EDNS0_EDE
}

// maxNotes bounds the extended errors of one response.
const maxNotes = 3

// maxNSID bounds the node's name in a response.
const maxNSID = 128

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

// writeEDNS adds the OPT record of the response, if the query had one (RFC 6891 §6.1.1).
func (r *responder) writeEDNS() {
	q := r.Msg
	if !q.EDNS {
		return
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(r.udpSize())
	opt.SetDo(q.DO)
	if q.NSID && r.NSID != "" {
		nsid := hex.EncodeToString([]byte(r.NSID[:min(len(r.NSID), maxNSID)]))
		opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: nsid})
	}
	if q.Subnet.Present && r.msg.Rcode != dns.RcodeFormatError {
		opt.Option = append(opt.Option, subnetOption(q.Subnet, r.edns.scope))
	}
	if q.Keepalive && r.Via.stream() && r.Keepalive > 0 {
		units := uint16(r.Keepalive / (100 * time.Millisecond))
		opt.Option = append(opt.Option, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE, Timeout: units})
	}
	if r.Cookie.Result != edge.NoCookie {
		opt.Option = append(opt.Option, cookieOption(r.Cookie))
	}
	for _, n := range r.edns.notes {
		opt.Option = append(opt.Option, n)
	}
	r.msg.Extra = append(r.msg.Extra, opt)
}

// cookieOption returns the cookie for a client that has cookies (RFC 7873 §4).
func cookieOption(c edge.Cookie) dns.EDNS0 {
	return &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(c.Answer[:])}
}

// subnetOption returns the client subnet of a query with a scope, as a response has it (RFC 7871 §7.2.1).
func subnetOption(s edge.Subnet, scope int) dns.EDNS0 {
	o := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: s.Family, SourceScope: uint8(scope)}
	if s.Family != 0 {
		o.SourceNetmask, o.Address = uint8(s.Prefix.Bits()), s.Prefix.Addr().AsSlice()
	}
	return o
}

// udpSize is the most this node sends over UDP.
func (q *Query) udpSize() uint16 {
	if q.UDPSize == 0 {
		return DefaultUDPSize
	}
	return max(q.UDPSize, dns.MinMsgSize)
}
