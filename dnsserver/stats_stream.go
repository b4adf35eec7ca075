package dnsserver

// streamStats adds what is counted of connections: those of the transports that are listened on.
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
			if n := s.stats.ended[via][why].Load(); n > 0 {
				out.Ended = append(out.Ended, EndCount{via.String(), why.String(), n})
			}
		}
	}
	if c := s.cfg.Certificate; c != nil {
		out.Certificate = &CertificateStats{NotAfter: c.NotAfter(), Good: !c.failed.Load()}
	}
}
