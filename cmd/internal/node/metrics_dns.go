package node

import "vitalns/dnsserver"

// dnsMetrics tell what is asked and answered.
type dnsMetrics struct {
	requests, responses, duration, size, dropped, truncated, ecs *family
}

func newDNSMetrics(fs *families) dnsMetrics {
	return dnsMetrics{
		requests:  fs.counter("dns_requests_total", "What is asked: how often, of which zone (none: of no zone served here), how (proto udp, tcp, dot for TLS or doh for HTTPS, family 1 for IPv4 and 2 for IPv6), and for which type (other: a rare one)?", "zone", "proto", "family", "type"),
		responses: fs.counter("dns_responses_total", "What is answered: how often, with which rcode, and from what (pool, static, negative, error)?", "zone", "rcode", "source"),
		duration:  fs.histogram("dns_request_duration_seconds", "How long does an answer take, from the query read to the response written?", "zone"),
		size:      fs.histogram("dns_response_size_bytes", "How large are responses? Above the UDP size of the client they are truncated.", "proto"),
		dropped:   fs.counter("dns_dropped_total", "How many packets got no answer, and why: malformed, not_query (a response), proxy (no PROXY header, or from one who may not send it), unsent (the kernel refused it), rate_limit (its client gets too many), overflow (the socket's buffer was full)?", "reason"),
		truncated: fs.counter("dns_truncated_total", "How many responses were truncated, so that the client has to ask again over TCP?", "zone"),
		ecs:       fs.counter("dns_ecs_requests_total", "How many queries carry a client subnet (RFC 7871)?", "zone"),
	}
}

// addressFamilies are the numbers of IANA for what the server counts by.
var addressFamilies = map[string]string{"4": "1", "6": "2"}

func (m dnsMetrics) collect(s *scrape) {
	st := s.dns
	// Zones are those that were ever configured since the start, so they are counted here.
	if len(st.Durations) > maxZoneSeries {
		s.truncated = true
		st = foldZones(st)
	}
	for _, c := range st.Requests {
		s.count(m.requests, c.N, c.Zone, c.Proto, addressFamilies[c.Family], c.Type)
	}
	for _, c := range st.Responses {
		s.count(m.responses, c.N, c.Zone, c.Rcode, c.Source)
	}
	for _, h := range st.Durations {
		s.spread(m.duration, distribution{h.Bounds, h.Counts, h.Sum}, h.Zone)
	}
	for _, h := range st.Sizes {
		s.spread(m.size, distribution{h.Bounds, h.Counts, h.Sum}, h.Proto)
	}
	for _, c := range st.Dropped {
		s.count(m.dropped, c.N, c.Reason)
	}
	for _, c := range st.Truncated {
		s.count(m.truncated, c.N, c.Zone)
	}
	for _, c := range st.ECS {
		s.count(m.ecs, c.N, c.Zone)
	}
}

// foldZones adds all zones up.
func foldZones(st dnsserver.Stats) dnsserver.Stats {
	requests, responses := map[dnsserver.RequestCount]uint64{}, map[dnsserver.ResponseCount]uint64{}
	for _, c := range st.Requests {
		n := c.N
		c.Zone, c.N = everything, 0
		requests[c] += n
	}
	for _, c := range st.Responses {
		n := c.N
		c.Zone, c.N = everything, 0
		responses[c] += n
	}
	st.Requests, st.Responses = nil, nil
	for c, n := range requests {
		c.N = n
		st.Requests = append(st.Requests, c)
	}
	for c, n := range responses {
		c.N = n
		st.Responses = append(st.Responses, c)
	}
	var sum distribution
	for _, h := range st.Durations {
		sum = sum.plus(distribution{h.Bounds, h.Counts, h.Sum})
	}
	st.Durations = []dnsserver.ZoneHistogram{{Zone: everything, Histogram: dnsserver.Histogram{Bounds: sum.bounds, Counts: sum.counts, Sum: sum.sum}}}
	st.Truncated, st.ECS = foldCounts(st.Truncated), foldCounts(st.ECS)
	return st
}

func foldCounts(cs []dnsserver.ZoneCount) []dnsserver.ZoneCount {
	sum := dnsserver.ZoneCount{Zone: everything}
	for _, c := range cs {
		sum.N += c.N
	}
	return []dnsserver.ZoneCount{sum}
}
