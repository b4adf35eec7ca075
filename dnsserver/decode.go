package dnsserver

import (
	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
)

// NewQuery packs a message and reads it as if it had arrived over UDP. The caller fills in the rest.
func NewQuery(m *dns.Msg) (Query, error) {
	wire, err := m.Pack()
	if err != nil {
		return Query{}, err
	}
	q := Query{Msg: new(edge.Query)}
	q.Verdict = edge.Read(wire, q.Msg)
	return q, nil
}

// newReply returns an empty response to a query: id, opcode, RD and the question, spelt as it came. CD
// and AD are clear in what an authority says (RFC 4035 §3.1.6).
func newReply(q *edge.Query) *dns.Msg {
	m := new(dns.Msg)
	m.Id, m.Response, m.Opcode, m.RecursionDesired = q.ID, true, int(q.Opcode), q.RD
	m.Compress = true
	if q.Name != nil {
		m.Question = []dns.Question{{Name: spelling(q), Qtype: q.Type, Qclass: q.Class}}
	}
	return m
}

// spelling returns the name of the question in presentation form.
func spelling(q *edge.Query) string {
	const at = 12 // RFC 1035 §4.1.1
	name, _, err := dns.UnpackDomainName(q.Wire, at)
	if err != nil {
		panic("dnsserver: internal error: a question that was read cannot be unpacked: " + err.Error())
	}
	return name
}
