package node

import "vitalns/dnsserver/edge"

// rrlMetrics tell who is kept from getting too many responses.
type rrlMetrics struct{ limited, prefixes, evicted, untracked *family }

func newRRLMetrics(fs *families) rrlMetrics {
	return rrlMetrics{
		limited:   fs.counter("dns_rrl_limited_total", "How many responses were above the rate of their client's prefix, by kind (positive, nodata, nxdomain, error) and by what became of them: slip (answered with TC or BADCOOKIE, so that an honest client asks again) or drop? The log names the prefixes.", "class", "action"),
		prefixes:  fs.gauge("dns_rrl_limited_prefixes", "How many prefixes are limited now, or were in the last ten seconds? Each kind of response counts; 1024 may be more."),
		evicted:   fs.counter("dns_rrl_evicted_total", "How many accounts that owed something were given to other prefixes? Above 0, more prefixes ask than table_size has room for."),
		untracked: fs.counter("dns_rrl_untracked_total", "How many responses were sent without an account, because all the places for it were limited? Above 0, a flood from many prefixes is limited in part only: raise table_size."),
	}
}

func (m rrlMetrics) collect(s *scrape) {
	st := s.dns.Limits
	for c := range edge.Classes {
		for _, a := range []edge.Action{edge.Slip, edge.Drop} {
			s.count(m.limited, st.Limited[c][a], c.String(), a.String())
		}
	}
	s.put(m.prefixes, float64(st.Prefixes))
	s.count(m.evicted, st.Evicted)
	s.count(m.untracked, st.Untracked)
}
