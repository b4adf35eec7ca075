package dnsserver

import (
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxPacket is the longest datagram there is, headers of a proxy included: no query is too long to be read.
const maxPacket = 65535

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

// retryPause keeps a socket that reports errors from taking a core. A few of them are of replies that could
// not be delivered; after maxFailures in a row there is more to it.
const (
	retryPause  = 10 * time.Millisecond
	maxFailures = 100
)

// servePackets answers the packets of one socket one by one, on any system; several may run on one.
func (s *Server) servePackets(l *listener, conn *net.UDPConn, stop <-chan struct{}) {
	w := s.newWorker()
	buf, out := make([]byte, maxPacket), make([]byte, s.udpSpace())
	var oob []byte
	if l.wildcard {
		oob = make([]byte, 256)
	}
	failures := 0
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			select {
			case <-stop:
				return
			case <-time.After(retryPause): // an ICMP error of an earlier reply, or no memory
			}
			if failures++; failures == maxFailures {
				s.logger.Error("queries over UDP cannot be read, trying on", "address", conn.LocalAddr(), "error", err)
			}
			continue
		}
		failures = 0
		p := packet{wire: buf[:n], client: from.Addr().Unmap()}
		if l.proxied {
			var ok bool
			if p.wire, p.client, ok = s.unwrap(p.wire, p.client); !ok {
				continue
			}
		}
		w.begin(time.Now())
		wire := w.answer(&p, out)
		w.end(time.Now())
		if wire == nil {
			continue
		}
		if _, _, err := conn.WriteMsgUDPAddrPort(wire, replyFrom(oob[:oobn]), from); err != nil {
			s.stats.unsent.Add(1)
		}
	}
}

// udpSpace is how long responses over UDP are at most.
func (s *Server) udpSpace() int { return int(max(s.cfg.UDPSize, DefaultUDPSize)) }

// replyFrom turns the control message of a query into that of its reply, so that on a wildcard bind the
// reply leaves from the address that was asked.
func replyFrom(oob []byte) []byte {
	if len(oob) == 0 {
		return nil
	}
	var six ipv6.ControlMessage
	if six.Parse(oob) == nil && six.Dst != nil {
		if dst, ok := netip.AddrFromSlice(six.Dst); ok && dst.Is6() && !dst.IsMulticast() {
			cm := ipv6.ControlMessage{Src: six.Dst}
			if dst.IsLinkLocalUnicast() {
				cm.IfIndex = six.IfIndex
			}
			return cm.Marshal()
		}
	}
	var four ipv4.ControlMessage
	if four.Parse(oob) == nil && four.Dst.To4() != nil && !four.Dst.IsMulticast() && !four.Dst.Equal(net.IPv4bcast) {
		return (&ipv4.ControlMessage{Src: four.Dst}).Marshal()
	}
	return nil
}
