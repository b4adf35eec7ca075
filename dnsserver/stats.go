package dnsserver

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
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

var (
	families = [...]string{"4", "6"}
	rcodes   = [...]int{
		dns.RcodeSuccess, dns.RcodeFormatError, dns.RcodeServerFailure, dns.RcodeNameError,
		dns.RcodeNotImplemented, dns.RcodeRefused, dns.RcodeYXDomain, dns.RcodeNotAuth, dns.RcodeBadVers, dns.RcodeBadCookie,
	}
	qtypes = [...]uint16{
		dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeCNAME, dns.TypeDNAME, dns.TypeMX, dns.TypeTXT,
		dns.TypeSRV, dns.TypePTR, dns.TypeCAA, dns.TypeDS, dns.TypeDNSKEY, dns.TypeHTTPS, dns.TypeSVCB,
		dns.TypeTLSA, dns.TypeNAPTR, dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR,
	}
	durationBounds = [...]float64{5e-6, 20e-6, 80e-6, 320e-6, 1280e-6, 5120e-6, 20480e-6, 81920e-6}
	sizeBounds     = [...]float64{64, 128, 256, 512, 1232, 4096, 16384}
)

// stats is counted by every goroutine that answers, without locks.
type stats struct {
	zones    sync.Map // label of a configured zone, or "none" -> *zoneStats
	targets  sync.Map // targetKey -> *atomic.Uint64
	sizes    [transports]histogram
	short    atomic.Uint64
	response atomic.Uint64
	proxy    atomic.Uint64
	unsent   atomic.Uint64
	withheld atomic.Uint64
	ended    [transports][endings]atomic.Uint64
	panics   atomic.Uint64
	cookies  [edge.CookieResults]atomic.Uint64
}

// zoneStats are the counters of one zone. A zone that is removed keeps them: there are no more than were
// ever configured.
type zoneStats struct {
	requests  [transports][len(families)][len(qtypes) + 1]atomic.Uint64
	responses [len(rcodes) + 1][sources]atomic.Uint64
	durations histogram
	truncated atomic.Uint64
	ecs       atomic.Uint64
}

// A targetKey is a target of a pool that was ever configured.
type targetKey struct{ zone, pool, target string }

// countTargets counts the targets of one answer.
func (s *stats) countTargets(set *zones.Set, d zones.Drawn) {
	if len(d.Members) == 0 {
		return
	}
	ref := set.Pools()[d.From]
	for _, i := range d.Members {
		k := targetKey{ref.ZoneLabel, ref.Pool.Name, ref.Pool.Members[i].Name}
		n, ok := s.targets.Load(k)
		if !ok {
			n, _ = s.targets.LoadOrStore(k, new(atomic.Uint64))
		}
		n.(*atomic.Uint64).Add(1)
	}
}

// histogram counts values by bucket. sum is in nanoseconds or bytes.
type histogram struct {
	counts [len(durationBounds) + 1]atomic.Uint64 // as many as the longer list of bounds needs
	sum    atomic.Uint64
}

func (h *histogram) add(bounds []float64, v float64, sum uint64) {
	h.counts[bucket(bounds, v)].Add(1)
	h.sum.Add(sum)
}

func (h *histogram) snapshot(bounds []float64, unit float64) Histogram {
	out := Histogram{Bounds: bounds, Sum: float64(h.sum.Load()) * unit}
	for i := range len(bounds) + 1 {
		out.Counts = append(out.Counts, h.counts[i].Load())
	}
	return out
}

func (s *stats) drop(v edge.Verdict) {
	if v == edge.Short {
		s.short.Add(1)
	} else {
		s.response.Add(1)
	}
}

// withhold counts a query whose response is not sent, since its client gets too many.
func (s *stats) withhold(p packet, query *edge.Query, tr trace) {
	s.ask(p, query, s.zone(tr.zone))
	s.withheld.Add(1)
}

// ask counts one query.
func (s *stats) ask(p packet, query *edge.Query, z *zoneStats) {
	family := 1
	if p.client.Is4() {
		family = 0
	}
	qtype := len(qtypes)
	if query.Name != nil {
		qtype = place(qtypes[:], query.Type)
	}
	z.requests[p.via][family][qtype].Add(1)
}

// count counts one response.
func (s *stats) count(p packet, query *edge.Query, reply *dns.Msg, tr trace, size int, took time.Duration) {
	z := s.zone(tr.zone)
	s.ask(p, query, z)
	z.responses[place(rcodes[:], reply.Rcode)][tr.source].Add(1)
	z.durations.add(durationBounds[:], took.Seconds(), uint64(took))
	if reply.Truncated {
		z.truncated.Add(1)
	}
	if tr.ecs {
		z.ecs.Add(1)
	}
	s.sizes[p.via].add(sizeBounds[:], float64(size), uint64(size))
}

func (s *stats) zone(label string) *zoneStats {
	if label == "" {
		label = "none"
	}
	if z, ok := s.zones.Load(label); ok {
		return z.(*zoneStats)
	}
	z, _ := s.zones.LoadOrStore(label, new(zoneStats))
	return z.(*zoneStats)
}

// place returns where v stands in a list; its length, for "other", where it does not.
func place[T comparable](list []T, v T) int {
	if i := slices.Index(list, v); i >= 0 {
		return i
	}
	return len(list)
}

func bucket(bounds []float64, v float64) int {
	for i, b := range bounds {
		if v <= b {
			return i
		}
	}
	return len(bounds)
}

// Stats returns what has been counted. Counters that are zero are left out.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{Panics: c.panics.Load(), Dropped: []DropCount{
		{"malformed", c.short.Load()}, {"not_query", c.response.Load()}, {"proxy", c.proxy.Load()}, {"unsent", c.unsent.Load()},
		{"rate_limit", c.withheld.Load()},
	}}
	if s.cfg.Limiter != nil {
		out.Limits = s.cfg.Limiter.Stats()
	}
	for r := range edge.CookieResults {
		out.Cookies = append(out.Cookies, CookieCount{r.String(), c.cookies[r].Load()})
	}
	s.streamStats(&out)
	c.targets.Range(func(key, n any) bool {
		k := key.(targetKey)
		out.Targets = append(out.Targets, TargetCount{k.zone, k.pool, k.target, n.(*atomic.Uint64).Load()})
		return true
	})
	slices.SortFunc(out.Targets, func(a, b TargetCount) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Target, b.Target))
	})
	var labels []string
	c.zones.Range(func(label, _ any) bool {
		labels = append(labels, label.(string))
		return true
	})
	slices.Sort(labels)
	for _, label := range labels {
		c.zone(label).add(&out, label)
	}
	for via := range transports {
		out.Sizes = append(out.Sizes, ProtoHistogram{via.String(), c.sizes[via].snapshot(sizeBounds[:], 1)})
	}
	return out
}

// add adds the counters of one zone.
func (z *zoneStats) add(out *Stats, label string) {
	for p := range z.requests {
		for f := range z.requests[p] {
			for q := range z.requests[p][f] {
				if n := z.requests[p][f][q].Load(); n > 0 {
					out.Requests = append(out.Requests, RequestCount{label, Transport(p).String(), families[f], typeName(q), n})
				}
			}
		}
	}
	for rc := range z.responses {
		for src := range z.responses[rc] {
			if n := z.responses[rc][src].Load(); n > 0 {
				out.Responses = append(out.Responses, ResponseCount{label, rcodeName(rc), source(src).String(), n})
			}
		}
	}
	out.Durations = append(out.Durations, ZoneHistogram{label, z.durations.snapshot(durationBounds[:], 1e-9)})
	out.Truncated = append(out.Truncated, ZoneCount{label, z.truncated.Load()})
	out.ECS = append(out.ECS, ZoneCount{label, z.ecs.Load()})
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
