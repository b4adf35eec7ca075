package dnsserver

// streamStats adds what is counted of connections: of the transports that are listened on, zeros too, so that
// the first of a kind shows as an increase.
func (s *Server) streamStats(out *Stats) {
	var listened [transports]bool
	for _, l := range s.listeners {
		listened[l.via] = true
	}
	for via := TCP; via < transports; via++ {
		if !listened[via] {
			continue
		}
		now, _ := s.crowd.by()
		out.Streams = append(out.Streams, StreamCount{via.String(), now[via]})
		for why := range endings {
			out.Ended = append(out.Ended, EndCount{via.String(), why.String(), s.stats.ended[via][why].Load()})
		}
	}
	if c := s.cfg.Certificate; c != nil {
		out.Certificate = &CertificateStats{NotAfter: c.NotAfter(), Good: !c.failed.Load()}
	}
}
