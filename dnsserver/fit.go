package dnsserver

import (
	"slices"

	"github.com/miekg/dns"
)

// limit is the most bytes the response may have.
func (r *responder) limit() int {
	switch {
	case r.Via.stream():
		return dns.MaxMsgSize - 1
	case !r.Msg.EDNS:
		return dns.MinMsgSize
	}
	return int(min(max(r.Msg.Size, dns.MinMsgSize), r.udpSize()))
}

// fit leaves out what the client has no room for: first additional records that are a courtesy, whole
// RRsets at a time (RFC 2181 §9); then the extended errors; and when what is left does not fit,
// everything, with TC set, so that the client comes back over TCP.
func (r *responder) fit() {
	limit := r.limit()
	if r.msg.Len() <= limit {
		return
	}
	var opt []dns.RR
	if r.Msg.EDNS {
		last := len(r.msg.Extra) - 1
		opt, r.msg.Extra = r.msg.Extra[last:], r.msg.Extra[:last]
	}
	extra := r.msg.Extra
	for {
		r.msg.Extra = slices.Concat(extra, opt)
		if r.msg.Len() <= limit {
			return
		}
		if len(extra) <= r.required {
			break
		}
		last := *extra[len(extra)-1].Header()
		for len(extra) > r.required && sameRRset(extra[len(extra)-1].Header(), &last) {
			extra = extra[:len(extra)-1]
		}
	}
	if r.Msg.EDNS {
		o := opt[0].(*dns.OPT)
		o.Option = slices.DeleteFunc(o.Option, func(o dns.EDNS0) bool { return o.Option() == dns.EDNS0EDE })
		if r.msg.Len() <= limit {
			return
		}
	}
	r.msg.Truncated = true
	r.msg.Answer, r.msg.Ns, r.msg.Extra = nil, nil, opt
}

func sameRRset(a, b *dns.RR_Header) bool { return a.Name == b.Name && a.Rrtype == b.Rrtype }
