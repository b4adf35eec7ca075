package dnsserver

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vitalns/dnsserver/edge"
)

var errStranger = errors.New("its sender is not in proxy_from")

// trusts reports whether an address may say for whom it asks.
func (s *Server) trusts(from netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.ProxyFrom, func(p netip.Prefix) bool { return p.Contains(from) })
}

// refuseProxy tells of a connection or datagram that is refused for its PROXY header.
func (s *Server) refuseProxy(from netip.Addr, err error) {
	if more, ok := s.proxyLog.turn(time.Now()); ok {
		s.logger.Warn("PROXY header refused", "from", from, "error", err, "since_last_line", more)
	}
}

// unwrap takes the PROXY header off a datagram. A datagram without a good one from one who may send it is
// dropped, counted and logged.
func (s *Server) unwrap(datagram []byte, from netip.Addr) (query []byte, client netip.Addr, ok bool) {
	err := errStranger
	size := 0
	if s.trusts(from) {
		client, size, err = edge.ReadProxy(datagram)
	}
	if err != nil {
		s.stats.proxy.Add(1)
		s.refuseProxy(from, err)
		return nil, client, false
	}
	if !client.IsValid() {
		client = from // it asks for itself
	}
	return datagram[size:], client, true
}

// A logTurn lets one line a minute be logged of what may happen any number of times.
type logTurn struct {
	mu   sync.Mutex // protects the rest
	next time.Time
	held int
}

// turn reports whether a line may be logged, and how many were not since the last.
func (l *logTurn) turn(now time.Time) (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.held++
		return 0, false
	}
	held, l.held, l.next = l.held, 0, now.Add(time.Minute)
	return held, true
}
