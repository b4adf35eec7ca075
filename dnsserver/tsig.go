package dnsserver

import "github.com/miekg/dns"

// writeTSIG answers a signature by a key that is not known here, as all are: its record comes back with
// the error and no MAC (RFC 8945 §5.2.1, §5.3.2), last of all.
func (r *responder) writeTSIG() {
	if r.Msg.TSIG == 0 || r.msg.Rcode != dns.RcodeNotAuth {
		return
	}
	rr, _, err := dns.UnpackRR(r.Msg.Wire, r.Msg.TSIG)
	if err != nil {
		return // it has the shape of one, and nothing that can be said again
	}
	if t, ok := rr.(*dns.TSIG); ok {
		t.MAC, t.MACSize, t.OtherData, t.OtherLen = "", 0, "", 0
		t.OrigId, t.Error = r.Msg.ID, dns.RcodeBadKey
		if r.msg.Len()+dns.Len(t) > r.limit() {
			r.msg.Truncated = true // RFC 8945 §5.3
			return
		}
		r.msg.Extra = append(r.msg.Extra, t)
	}
}
