package node

// streamMetrics tell of connections over TCP, and of the certificate that is shown on them.
type streamMetrics struct {
	open, closed          *family
	expiry, certificateOK *family
}

func newStreamMetrics(fs *families) streamMetrics {
	return streamMetrics{
		open:          fs.gauge("dns_tcp_connections", "How many connections are open, over TCP, TLS (dot) and HTTPS (doh)?", "proto"),
		closed:        fs.counter("dns_tcp_connections_closed_total", "How many connections were closed, and why: client (it was done), idle, http (over doh: by its client, or by a limit of HTTP), lifetime (it lasted as long as it may), slow_query or slow_reader (it took too long), client_limit (it has as many as it may), overload (no more room, and idle for longest), not_query, tls (no handshake), proxy (no PROXY header, or from one who may not send it), broken, shutdown?", "proto", "reason"),
		expiry:        fs.gauge("dns_cert_expiry_timestamp_seconds", "When does the certificate of DNS over TLS and HTTPS expire? Absent if there is none."),
		certificateOK: fs.gauge("dns_cert_last_reload_successful", "Were the files of that certificate good when they were last read? 0: the one of before is shown on."),
	}
}

func (m streamMetrics) collect(s *scrape) {
	for _, c := range s.dns.Streams {
		s.put(m.open, float64(c.N), c.Proto)
	}
	for _, c := range s.dns.Ended {
		s.count(m.closed, c.N, c.Proto, c.Reason)
	}
	if c := s.dns.Certificate; c != nil {
		s.at(m.expiry, c.NotAfter)
		s.is(m.certificateOK, c.Good)
	}
}
