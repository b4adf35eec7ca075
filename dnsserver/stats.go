package dnsserver

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
)

// Stats is what a Server has counted since it was made. Every label comes from the configuration or from
// a list in this file, never from a client.
type Stats struct {
	Requests  []RequestCount
	Responses []ResponseCount
	Durations []ZoneHistogram // seconds
	Truncated []ZoneCount
	ECS       []ZoneCount      // queries with a client subnet
	Sizes     []ProtoHistogram // bytes of responses
	Targets   []TargetCount    // answers that held a target of a pool
	Dropped   []DropCount
	Cookies   []CookieCount
	Limits    edge.LimitStats
	Streams   []StreamCount // connections now, by transport
	Ended     []EndCount    // connections that were closed
	Panics    uint64
	// Certificate is that of DoT and DoH; nil: there is none.
	Certificate *CertificateStats
}

// A StreamCount counts the connections of one transport.
type StreamCount struct {
	Proto string
	N     int
}

// An EndCount counts connections by why they were closed.
type EndCount struct {
	Proto, Reason string
	N             uint64
}

// CertificateStats tell of the certificate that is shown.
type CertificateStats struct {
	NotAfter time.Time
	Good     bool // its files, as they were last read
}

// A RequestCount counts queries. Zone is "none" where no zone is asked for.
type RequestCount struct {
	Zone, Proto, Family, Type string
	N                         uint64
}

// A ResponseCount counts responses by what they were made from.
type ResponseCount struct {
	Zone, Rcode, Source string
	N                   uint64
}

// A ZoneCount counts something of a zone.
type ZoneCount struct {
	Zone string
	N    uint64
}

// A TargetCount counts the answers that held one target of a pool.
type TargetCount struct {
	Zone, Pool, Target string
	N                  uint64
}

// A CookieCount counts queries by what their cookie was worth.
type CookieCount struct {
	Result string
	N      uint64
}

// A DropCount counts packets that got no answer.
type DropCount struct {
	Reason string
	N      uint64
}

// A Histogram counts values up to each bound, and not up to the bound before; the last count is of what
// exceeds all bounds.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// A ZoneHistogram is the histogram of a zone.
type ZoneHistogram struct {
	Zone string
	Histogram
}

// A ProtoHistogram is the histogram of a protocol.
type ProtoHistogram struct {
	Proto string
	Histogram
}

// stats is what is counted besides answers: seldom, by any goroutine. Answers are counted by workers.
type stats struct {
	proxy  atomic.Uint64
	unsent atomic.Uint64
	ended  [transports][endings]atomic.Uint64
	panics atomic.Uint64
}

// total adds up what all workers have counted.
func (s *Server) total() *counters {
	s.workersMu.Lock()
	all := slices.Clone(s.workers)
	s.workersMu.Unlock()
	sum := new(counters)
	for _, w := range all {
		w.mu.Lock()
		sum.merge(&w.counters)
		w.mu.Unlock()
	}
	return sum
}

// overflowed returns how many packets found no room in the buffers of the sockets.
func (s *Server) overflowed() (sum uint64) {
	for _, l := range s.listeners {
		for _, u := range l.udp {
			sum += u.overflowed()
		}
	}
	return sum
}

// Stats returns what has been counted. Counters that are zero are left out.
func (s *Server) Stats() Stats {
	c := s.total()
	out := Stats{Panics: s.stats.panics.Load(), Dropped: []DropCount{
		{"malformed", c.short}, {"not_query", c.response}, {"proxy", s.stats.proxy.Load()}, {"unsent", s.stats.unsent.Load()},
		{"rate_limit", c.withheld}, {"overflow", s.overflowed()},
	}}
	if s.cfg.Limiter != nil {
		out.Limits = s.cfg.Limiter.Stats()
	}
	for r := range edge.CookieResults {
		out.Cookies = append(out.Cookies, CookieCount{r.String(), c.cookies[r]})
	}
	s.streamStats(&out)
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	out.Targets = s.places.targetCounts(c.targets)
	for place, z := range c.zones {
		if z != nil {
			z.add(&out, s.places.label(place))
		}
	}
	out.sort()
	for via := range transports {
		out.Sizes = append(out.Sizes, ProtoHistogram{via.String(), snapshot(&c.sizes[via], sizeBounds[:], 1)})
	}
	return out
}

// add adds the counters of one zone.
func (z *zoneCounters) add(out *Stats, label string) {
	for via, requests := range z.requests {
		if requests == nil {
			continue
		}
		for f := range requests {
			for q, n := range requests[f] {
				if n > 0 {
					out.Requests = append(out.Requests, RequestCount{label, Transport(via).String(), families[f], typeName(q), n})
				}
			}
		}
	}
	for rc := range z.responses {
		for src, n := range z.responses[rc] {
			if n > 0 {
				out.Responses = append(out.Responses, ResponseCount{label, rcodeName(rc), edge.Source(src).String(), n})
			}
		}
	}
	out.Durations = append(out.Durations, ZoneHistogram{label, snapshot(&z.durations, durationBounds[:], 1e-9)})
	out.Truncated = append(out.Truncated, ZoneCount{label, z.truncated})
	out.ECS = append(out.ECS, ZoneCount{label, z.ecs})
}

// sort orders the counts of zones by label, so that what is shown does not depend on what was asked first.
func (st *Stats) sort() {
	slices.SortStableFunc(st.Requests, func(a, b RequestCount) int { return cmp.Compare(a.Zone, b.Zone) })
	slices.SortStableFunc(st.Responses, func(a, b ResponseCount) int { return cmp.Compare(a.Zone, b.Zone) })
	slices.SortFunc(st.Durations, func(a, b ZoneHistogram) int { return cmp.Compare(a.Zone, b.Zone) })
	slices.SortFunc(st.Truncated, func(a, b ZoneCount) int { return cmp.Compare(a.Zone, b.Zone) })
	slices.SortFunc(st.ECS, func(a, b ZoneCount) int { return cmp.Compare(a.Zone, b.Zone) })
}

// snapshot returns a histogram of values of a unit.
func snapshot[T int | time.Duration](h *histogram, bounds []T, unit float64) Histogram {
	out := Histogram{Counts: slices.Clone(h.counts[:len(bounds)+1]), Sum: float64(h.sum) * unit}
	for _, b := range bounds {
		out.Bounds = append(out.Bounds, float64(b)*unit)
	}
	return out
}

func typeName(i int) string {
	if i == len(qtypes) {
		return "other"
	}
	return dns.TypeToString[qtypes[i]]
}

func rcodeName(i int) string {
	switch {
	case i == len(rcodes):
		return "other"
	case rcodes[i] == dns.RcodeBadVers:
		return "BADVERS" // miekg/dns has TSIG's name for 16
	}
	return dns.RcodeToString[rcodes[i]]
}
