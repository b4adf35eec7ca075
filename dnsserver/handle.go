package dnsserver

import (
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
)

// A packet is a query as it arrived.
type packet struct {
	wire      []byte
	client    netip.Addr
	via       Transport
	keepalive time.Duration // of a stream: how long the connection may idle
}

// handle answers one packet; nil drops it. One that makes the program panic is answered with SERVFAIL,
// counted and logged; those after it are answered as ever.
func (s *Server) handle(p packet) (out []byte) {
	start := time.Now()
	query := new(edge.Query)
	defer func() {
		if cause := recover(); cause != nil {
			s.stats.panics.Add(1)
			s.logger.Error("panic while answering", "panic", cause, "stack", string(debug.Stack()))
			out = s.fail(p, query, start)
		}
	}()
	verdict := edge.Read(p.wire, query)
	if verdict < edge.Malformed {
		s.stats.drop(verdict)
		return nil
	}
	var cookie edge.Cookie
	if s.cfg.Cookies != nil && verdict == edge.OK {
		cookie = s.cfg.Cookies.Look(query, p.client, start)
		s.stats.cookies[cookie.Result].Add(1)
	}
	table := s.cfg.Table()
	q := Query{
		Msg: query, Verdict: verdict, Cookie: cookie, Client: p.client, Via: p.via, Keepalive: p.keepalive, Draw: s.draw(),
		UDPSize: s.cfg.UDPSize, NSID: s.cfg.NSID, Version: s.cfg.Version, Explain: s.cfg.Explain, ExplainTo: s.cfg.ExplainTo,
	}
	reply, tr := respond(table, q)
	if reply, tr = s.limit(q, reply, tr, start); reply == nil {
		s.stats.withhold(p, query, tr)
		return nil
	}
	s.stats.countTargets(table.Set(), tr.drawn)
	out, err := reply.Pack()
	if err != nil {
		s.logger.Error("pack response", "error", err)
		return s.fail(p, query, start)
	}
	s.stats.count(p, query, reply, tr, len(out), time.Since(start))
	return out
}

// fail answers a query that could not be answered; nil where not even its question can be written.
func (s *Server) fail(p packet, query *edge.Query, start time.Time) []byte {
	reply := newReply(query)
	reply.Rcode = dns.RcodeServerFailure
	out, err := reply.Pack()
	if err != nil {
		return nil
	}
	s.stats.count(p, query, reply, trace{}, len(out), time.Since(start))
	return out
}

// draw returns the next random number (splitmix64, from any goroutine).
func (s *Server) draw() uint64 {
	x := s.draws.Add(0x9e3779b97f4a7c15)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
