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
// RRsets at a time (RFC 2181 §9), those that come later before those that come first; then the extended
// errors; and when what is left does not fit, everything, with TC set, so that the client comes back over
// TCP.
func (r *responder) fit() {
	if r.fits() {
		return
	}
	var opt []dns.RR
	if r.Msg.EDNS {
		last := len(r.msg.Extra) - 1
		opt, r.msg.Extra = r.msg.Extra[last:], r.msg.Extra[:last]
	}
	kept, courtesy := slices.Clip(r.msg.Extra[:r.required]), r.msg.Extra[r.required:]
	r.msg.Extra = slices.Concat(kept, opt)
	if r.fits() {
		for len(courtesy) > 0 {
			n := 1
			for n < len(courtesy) && sameRRset(courtesy[n].Header(), courtesy[0].Header()) {
				n++
			}
			more := append(kept, courtesy[:n]...)
			if r.msg.Extra = slices.Concat(more, opt); r.fits() {
				kept = slices.Clip(more)
			}
			courtesy = courtesy[n:]
		}
		r.msg.Extra = slices.Concat(kept, opt)
		return
	}
	if r.Msg.EDNS {
		o := opt[0].(*dns.OPT)
		o.Option = slices.DeleteFunc(o.Option, func(o dns.EDNS0) bool { return o.Option() == dns.EDNS0EDE })
		if r.fits() {
			return
		}
	}
	r.msg.Truncated = true
	r.msg.Answer, r.msg.Ns, r.msg.Extra = nil, nil, opt
}

// fits reports whether the client has room for the response. It is written only where Msg.Len says no, which
// takes what texts have escaped for longer than it is.
func (r *responder) fits() bool { return r.msg.Len() <= r.limit() || r.size() <= r.limit() }

// size is how many bytes the response has.
func (r *responder) size() int {
	if wire, err := r.msg.Pack(); err == nil {
		return len(wire)
	}
	return r.msg.Len()
}

// padBlock is the size that padded responses are a multiple of (RFC 8467 §4.1).
const padBlock = 468

// pad hides the size of the response from those who see it pass, where it is encrypted and the client
// padded its query (RFC 7830 §4); elsewhere padding would be of no use but to an attacker.
func (r *responder) pad() {
	const fixed = 4 // code and length of the option
	if !r.Msg.Padding || !r.Via.encrypted() {
		return
	}
	size := r.size() + fixed
	padded := min((size+padBlock-1)/padBlock*padBlock, r.limit())
	if o := r.msg.IsEdns0(); o != nil && padded >= size {
		o.Option = append(o.Option, &dns.EDNS0_PADDING{Padding: make([]byte, padded-size)})
	}
}

func sameRRset(a, b *dns.RR_Header) bool { return a.Name == b.Name && a.Rrtype == b.Rrtype }
