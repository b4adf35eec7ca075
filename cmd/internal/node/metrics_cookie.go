package node

// cookieMetrics tell what clients have of cookies, and by which secrets ours are made.
type cookieMetrics struct{ seen, generation *family }

func newCookieMetrics(fs *families) cookieMetrics {
	return cookieMetrics{
		seen:       fs.counter("dns_cookies_total", "What cookies do queries carry: none, client_only (the client gets one of ours), valid, bad (too old, or made elsewhere or for another address)? Many bad ones from one moment on: the nodes do not have the same secrets, or their clocks differ.", "result"),
		generation: fs.gauge("dns_cookie_generation", "How often have the cluster's cookie secrets been replaced? Nodes that differ for longer than a moment soon refuse each other's cookies. 0: there are none yet."),
	}
}

func (m cookieMetrics) collect(s *scrape) {
	for _, c := range s.dns.Cookies {
		s.count(m.seen, c.N, c.Result)
	}
	if s.answered {
		s.put(m.generation, float64(s.snap.Cookies.Generation))
	}
}
