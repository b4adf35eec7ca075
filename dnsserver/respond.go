package dnsserver

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// DefaultUDPSize is the most that is sent over UDP, and what is advertised: it fits every path without
// fragments (DNS flag day 2020).
const DefaultUDPSize = 1232

// A Query is a message and all that its response depends on besides the table.
type Query struct {
	Msg    *dns.Msg
	Client netip.Addr // where it came from
	Via    Transport
	// Keepalive is how long a connection may idle; a client that asks is told (RFC 7828).
	Keepalive time.Duration
	Draw      uint64 // random: rotation and weighted choice follow it
	UDPSize   uint16 // most to send over UDP; 0: DefaultUDPSize
	NSID      string // this node's name (RFC 5001); "" none
	Version   string // for CHAOS version.bind; "" refuses
	// Explain says in one line what is answered for a name and why; it is asked for with
	// `dig CH TXT NAME` from loopback. Nil, or an empty line, refuses.
	Explain func(zones.Name) string
}

// Respond builds the response to a query from one table, or returns nil to drop it. It is pure: what has
// memory or a clock comes before it. The response fits the client: truncated, where it has to be.
func Respond(t *zones.Table, q Query) *dns.Msg {
	m, _ := respond(t, q)
	return m
}

// A source says what an answer was made from, for metrics.
type source uint8

const (
	fromError source = iota
	fromStatic
	fromPool
	fromNegative
	sources // how many there are
)

func (s source) String() string { return [...]string{"error", "static", "pool", "negative"}[s] }

// A trace is what metrics want to know of a response.
type trace struct {
	zone   string // label of the zone of the question; "" none
	source source
	ecs    bool        // the query carried a client subnet
	drawn  zones.Drawn // what a pool answered, if one did
}

// A responder makes one response.
type responder struct {
	Query
	table *zones.Table
	set   *zones.Set
	msg   *dns.Msg
	edns  edns
	trace trace

	glue     *zones.Outcome // the referral whose name servers need addresses
	required int            // records of Extra that must not be left out
}

func respond(t *zones.Table, q Query) (*dns.Msg, trace) {
	if q.Msg.Response {
		return nil, trace{}
	}
	r := responder{Query: q, table: t, set: t.Set(), msg: newReply(q.Msg)}
	r.msg.Rcode = r.edns.read(q.Msg)
	r.trace.ecs = r.edns.subnet != nil
	if r.msg.Rcode == dns.RcodeSuccess {
		r.msg.Rcode = r.question()
	}
	if r.msg.Rcode != dns.RcodeSuccess && r.msg.Rcode != dns.RcodeNameError && r.msg.Rcode != dns.RcodeYXDomain {
		r.msg.Authoritative = false
		r.msg.Answer, r.msg.Ns, r.msg.Extra = nil, nil, nil
		r.trace.source, r.trace.drawn = fromError, zones.Drawn{}
	}
	r.additional()
	r.edns.write(&r.Query, r.msg)
	r.fit()
	return r.msg, r.trace
}

// newReply returns an empty response to a query: id, opcode, RD, CD and the question, spelt as it came.
func newReply(query *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(query)
	m.Compress = true
	return m
}

// question checks the rest of the message and answers its question. It returns the response code.
func (r *responder) question() int {
	m := r.Msg
	if m.Opcode != dns.OpcodeQuery {
		return dns.RcodeNotImplemented
	}
	// RFC 9619: exactly one question. An authority section comes with IXFR alone (RFC 1995 §3).
	if len(m.Question) != 1 || len(m.Answer) > 0 || len(m.Ns) > 0 && m.Question[0].Qtype != dns.TypeIXFR {
		return dns.RcodeFormatError
	}
	q := m.Question[0]
	qname, err := zones.ParseName(q.Name)
	if err != nil {
		return dns.RcodeFormatError
	}
	switch q.Qclass {
	case dns.ClassINET:
	case dns.ClassCHAOS:
		return r.chaos(qname, q)
	default:
		return dns.RcodeRefused
	}
	switch q.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		return dns.RcodeRefused
	case dns.TypeMAILA, dns.TypeMAILB:
		return dns.RcodeNotImplemented
	case dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeNone:
		return dns.RcodeFormatError
	}
	return r.chain(qname, q)
}
