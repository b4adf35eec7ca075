package dnsserver

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

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
	durationBounds = [...]time.Duration{
		5 * time.Microsecond, 20 * time.Microsecond, 80 * time.Microsecond, 320 * time.Microsecond, 1280 * time.Microsecond,
		5120 * time.Microsecond, 20480 * time.Microsecond, 81920 * time.Microsecond,
	}
	sizeBounds = [...]int{64, 128, 256, 512, 1232, 4096, 16384}
)

// counters are counted by one worker with plain additions, and summed up by Stats. Zones and targets stand
// at the places that a register gives.
type counters struct {
	zones           []*zoneCounters // nil: nothing yet
	targets         []uint64
	sizes           [transports]histogram
	cookies         [edge.CookieResults]uint64
	short, response uint64 // packets dropped
	withheld        uint64
}

// zoneCounters are those of one zone.
type zoneCounters struct {
	requests  [transports]*[len(families)][len(qtypes) + 1]uint64 // nil: nothing yet
	responses [len(rcodes) + 1][edge.Sources]uint64
	durations histogram
	truncated uint64
	ecs       uint64
}

// A histogram counts values by bucket. sum is in nanoseconds or bytes.
type histogram struct {
	counts [max(len(durationBounds), len(sizeBounds)) + 1]uint64
	sum    uint64
}

func (h *histogram) add(bucket int, times, sum uint64) {
	h.counts[bucket] += times
	h.sum += sum
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.sum += other.sum
}

// at returns the counters of the zone at a place.
func (c *counters) at(place int) *zoneCounters {
	if place >= len(c.zones) {
		c.zones = append(c.zones, make([]*zoneCounters, place+1-len(c.zones))...)
	}
	if c.zones[place] == nil {
		c.zones[place] = new(zoneCounters)
	}
	return c.zones[place]
}

// ask counts one query.
func (z *zoneCounters) ask(p *packet, query *edge.Query) {
	family := 1
	if p.client.Is4() {
		family = 0
	}
	qtype := len(qtypes)
	if query.Name != nil {
		qtype = place(qtypes[:], query.Type)
	}
	if z.requests[p.via] == nil {
		z.requests[p.via] = new([len(families)][len(qtypes) + 1]uint64)
	}
	z.requests[p.via][family][qtype]++
	if query.Subnet.Present {
		z.ecs++
	}
}

// respond counts one response.
func (z *zoneCounters) respond(tr *edge.Trace) {
	z.responses[place(rcodes[:], tr.Rcode)][tr.Source]++
	if tr.Truncated {
		z.truncated++
	}
}

// send counts the targets of one pool in a response.
func (c *counters) send(r *register, set *zones.Set, pool int, members []int) {
	first := r.pool(set, pool)
	for _, i := range members {
		if at := first + i; at >= len(c.targets) {
			c.targets = append(c.targets, make([]uint64, at+1-len(c.targets))...)
		}
		c.targets[first+i]++
	}
}

func (c *counters) drop(v edge.Verdict) {
	if v == edge.Short {
		c.short++
	} else {
		c.response++
	}
}

// merge adds what another has counted.
func (c *counters) merge(other *counters) {
	for place, z := range other.zones {
		if z != nil {
			c.at(place).merge(z)
		}
	}
	if n := len(other.targets) - len(c.targets); n > 0 {
		c.targets = append(c.targets, make([]uint64, n)...)
	}
	for i, n := range other.targets {
		c.targets[i] += n
	}
	for via := range other.sizes {
		c.sizes[via].merge(&other.sizes[via])
	}
	for i, n := range other.cookies {
		c.cookies[i] += n
	}
	c.short += other.short
	c.response += other.response
	c.withheld += other.withheld
}

func (z *zoneCounters) merge(other *zoneCounters) {
	for via, from := range other.requests {
		if from == nil {
			continue
		}
		if z.requests[via] == nil {
			z.requests[via] = new([len(families)][len(qtypes) + 1]uint64)
		}
		for f := range from {
			for q, n := range from[f] {
				z.requests[via][f][q] += n
			}
		}
	}
	for rc := range other.responses {
		for src, n := range other.responses[rc] {
			z.responses[rc][src] += n
		}
	}
	z.durations.merge(&other.durations)
	z.truncated += other.truncated
	z.ecs += other.ecs
}

// place returns where v stands in a list; its length, for "other", where it does not.
func place[T comparable](list []T, v T) int {
	if i := slices.Index(list, v); i >= 0 {
		return i
	}
	return len(list)
}

// bucket returns the place of the first bound that a value does not exceed.
func bucket[T int | time.Duration](bounds []T, v T) int {
	for i, b := range bounds {
		if v <= b {
			return i
		}
	}
	return len(bounds)
}
