package dnsserver

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// chaos answers the questions of class CH that people ask with dig: who are you, what version, and why
// is this the answer.
func (r *responder) chaos(qname zones.Name, q dns.Question) int {
	if q.Qtype != dns.TypeTXT && q.Qtype != dns.TypeANY {
		return dns.RcodeRefused
	}
	text := ""
	switch qname.String() {
	case "version.bind.", "version.server.":
		text = r.Version
	case "id.server.", "hostname.bind.":
		text = r.NSID
	default:
		if r.Explain != nil && r.explains() {
			text = r.Explain(qname)
		}
	}
	if text == "" {
		return dns.RcodeRefused
	}
	r.msg.Authoritative = true
	r.answer(edge.FromStatic, &dns.TXT{
		Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS},
		Txt: textStrings(text),
	})
	return dns.RcodeSuccess
}

// explains reports whether the client is told why an answer is as it is: it is on loopback, unless
// something else was said.
func (r *responder) explains() bool {
	if r.ExplainTo == nil {
		return r.Client.IsLoopback()
	}
	return slices.ContainsFunc(r.ExplainTo, func(p netip.Prefix) bool { return p.Contains(r.Client) })
}

// textStrings splits a text into the strings of a TXT record, at most 255 bytes each, escaped as
// miekg/dns wants them. What does not fit in a response is cut.
func textStrings(text string) []string {
	const longest, most = 255, 16
	var out []string
	for text != "" && len(out) < most {
		n := min(len(text), longest)
		out = append(out, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text[:n]))
		text = text[n:]
	}
	return out
}
