package dnsserver

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// DefaultUDPSize is the most that is sent over UDP, and what is advertised: it fits every path without
// fragments (DNS flag day 2020).
const DefaultUDPSize = 1232

// A Query is a message and all that its response depends on besides the table.
type Query struct {
	Msg     *edge.Query
	Verdict edge.Verdict // of the message: one that is not OK is dropped, or answered with FORMERR
	Cookie  edge.Cookie  // what the message's cookie is worth, and the one for the response
	Client  netip.Addr   // where it came from
	Via     Transport
	// Keepalive is how long a connection may idle; a client that asks is told (RFC 7828).
	Keepalive time.Duration
	Draw      uint64 // random: rotation and weighted choice follow it
	UDPSize   uint16 // most to send over UDP; 0: DefaultUDPSize
	NSID      string // this node's name (RFC 5001); "" none
	Version   string // for CHAOS version.bind; "" refuses
	// Explain says in one line what is answered for a name and why; it is asked for with
	// `dig CH TXT NAME`. Nil, or an empty line, refuses.
	Explain   func(zones.Name) string
	ExplainTo []netip.Prefix // who gets it; nil: loopback
}

// Respond builds the response to a query from one table, or returns nil to drop it. It is pure: what has
// memory or a clock comes before it. The response fits the client: truncated, where it has to be.
func Respond(t *zones.Table, q Query) *dns.Msg {
	m, _ := respond(t, q)
	return m
}

// A responder makes one response.
type responder struct {
	Query
	table *zones.Table
	set   *zones.Set
	msg   *dns.Msg
	edns  edns
	trace edge.Trace

	zone     zones.ZoneID   // that of the question
	glue     *zones.Outcome // the referral whose name servers need addresses
	required int            // records of Extra that must not be left out

	courteous bool // what is being added is additional
}

func respond(t *zones.Table, q Query) (*dns.Msg, edge.Trace) {
	if q.Verdict < edge.Malformed {
		return nil, edge.Trace{Zone: edge.NoZone}
	}
	r := responder{Query: q, table: t, set: t.Set(), msg: newReply(q.Msg), trace: edge.Trace{Zone: edge.NoZone}}
	r.msg.Rcode = r.question()
	if r.msg.Rcode != dns.RcodeSuccess && r.msg.Rcode != dns.RcodeNameError && r.msg.Rcode != dns.RcodeYXDomain {
		r.msg.Authoritative = false
		r.msg.Answer, r.msg.Ns, r.msg.Extra = nil, nil, nil
		r.trace.Source, r.trace.Members, r.trace.Others = edge.FromError, nil, nil
	}
	r.additional()
	r.writeEDNS()
	r.fit()
	r.pad()
	r.writeTSIG()
	r.trace.Rcode, r.trace.Authoritative, r.trace.Truncated = r.msg.Rcode, r.msg.Authoritative, r.msg.Truncated
	r.trace.Answered = len(r.msg.Answer) > 0
	return r.msg, r.trace
}

// noQuestion answers a message that asks nothing: for a cookie, or about one (RFC 7873 §5.4).
func (r *responder) noQuestion() int {
	switch r.Cookie.Result {
	case edge.ClientCookie, edge.ValidCookie:
		return dns.RcodeSuccess
	case edge.BadCookie:
		return dns.RcodeBadCookie
	}
	return dns.RcodeFormatError
}

// question looks at the message as a whole and answers its question. It returns the response code.
func (r *responder) question() int {
	m := r.Msg
	switch {
	case r.Verdict == edge.Malformed:
		return dns.RcodeFormatError
	case m.Version != 0:
		return dns.RcodeBadVers // RFC 6891 §6.1.3
	case m.Opcode != dns.OpcodeQuery:
		return dns.RcodeNotImplemented
	case m.TSIG != 0:
		return dns.RcodeNotAuth // no key is known here (RFC 8945 §5.2.1)
	case m.Name == nil:
		return r.noQuestion()
	}
	qname, _, err := zones.NameFromWire(m.Name)
	if err != nil {
		return dns.RcodeFormatError
	}
	q := r.msg.Question[0]
	switch q.Qclass {
	case dns.ClassINET:
	case dns.ClassCHAOS:
		return r.chaos(qname, q)
	default:
		return dns.RcodeRefused
	}
	switch q.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		if r.set.Lookup(qname, dns.TypeSOA).Kind != zones.ApexSOA {
			return dns.RcodeNotAuth // RFC 5936 §2.2.1
		}
		return dns.RcodeRefused
	case dns.TypeMAILA, dns.TypeMAILB:
		return dns.RcodeNotImplemented
	case dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeNone:
		return dns.RcodeFormatError
	}
	return r.chain(qname, q)
}
