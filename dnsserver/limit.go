package dnsserver

import (
	"log/slog"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
)

// limit holds a response against the rate of its client. Where the client's address is no forged one (the
// transport or a valid cookie shows it) there is no limit.
func (w *worker) limit(p *packet, tr *edge.Trace) edge.Action {
	if w.cfg.Limiter == nil || p.via.stream() || w.in.Cookie.Result == edge.ValidCookie {
		return edge.Send
	}
	return w.cfg.Limiter.Check(w.clock, p.client, tr.Class())
}

// slip returns what stands for a response that is above the rate: its header, its question, and OPT where
// it had one, so it is no longer than the query but for a server cookie. What it says an honest client can
// act on, and one whose address was forged cannot: BADCOOKIE with a cookie for a client that has cookies
// (RFC 7873 §5.2.3), else TC, to ask again over TCP. An error is told as it is: TCP would bring no more.
func (w *worker) slip(tr *edge.Trace) *dns.Msg {
	q := Query{Msg: &w.query, UDPSize: w.cfg.UDPSize}
	m := newReply(q.Msg)
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	if q.Msg.EDNS {
		opt.SetUDPSize(q.udpSize())
		opt.SetDo(q.Msg.DO)
		m.Extra = []dns.RR{opt}
	}
	class, authoritative := tr.Class(), tr.Authoritative
	tr.Truncated, tr.Members, tr.Others = false, nil, nil // nothing of it is told
	switch {
	case w.in.Cookie.Result != edge.NoCookie:
		tr.Rcode = dns.RcodeBadCookie
		opt.Option = []dns.EDNS0{cookieOption(w.in.Cookie)}
	case class != edge.Failure:
		m.Authoritative, tr.Rcode, tr.Truncated = authoritative, dns.RcodeSuccess, true
	}
	m.Rcode, m.Truncated = tr.Rcode, tr.Truncated
	return m
}

// sweepEvery is how soon a prefix that begins to be limited is told.
const sweepEvery = time.Second

// watchLimits tells which prefixes are limited, until stop.
func (s *Server) watchLimits(stop <-chan struct{}) {
	if s.cfg.Limiter == nil {
		return
	}
	log := limitLog{logger: s.logger}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			log.tell(now, s.cfg.Limiter.Sweep(now.Sub(s.began)))
		}
	}
}

// limitLines is how many lines a minute tell of single prefixes. Those above are summed up in one.
const limitLines = 20

// A limitLog says who is limited. Not concurrency safe.
type limitLog struct {
	logger *slog.Logger
	since  time.Time // when the minute began
	lines  int       // in it
	untold int       // and those that were not said
}

func (l *limitLog) tell(now time.Time, episodes []edge.Episode) {
	if now.Sub(l.since) >= time.Minute {
		if l.untold > 0 {
			l.logger.Warn("responses limited: more than can be told one by one", "beginnings_and_ends", l.untold)
		}
		l.since, l.lines, l.untold = now, 0, 0
	}
	for _, e := range episodes {
		if l.lines == limitLines {
			l.untold++
			continue
		}
		l.lines++
		if !e.Over {
			l.logger.Warn("responses limited", "prefix", e.Prefix, "class", e.Class)
			continue
		}
		l.logger.Info("responses no longer limited", "prefix", e.Prefix, "class", e.Class, "lasted", e.Lasted.Round(time.Second),
			"sent", e.Sent, "slipped", e.Slipped, "dropped", e.Dropped)
	}
}
