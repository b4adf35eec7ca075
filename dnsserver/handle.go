package dnsserver

import (
	"bytes"
	"net/netip"
	"time"
)

// A packet is a query as it arrived.
type packet struct {
	wire      []byte
	client    netip.Addr
	via       Transport
	keepalive time.Duration // of a stream: how long the connection may idle
}

// handle answers one packet of a stream; nil drops it.
func (s *Server) handle(p packet) []byte {
	w := s.borrow()
	defer s.giveBack(w)
	if w.out == nil {
		w.out = make([]byte, streamSpace)
	}
	w.begin(time.Now())
	reply := w.answer(&p, w.out)
	w.end(time.Now())
	return bytes.Clone(reply)
}
