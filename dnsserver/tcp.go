package dnsserver

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// tcpTimes are the times of a TCP connection (RFC 7766 §6.2).
type tcpTimes struct {
	idle  time.Duration // between two queries
	busy  time.Duration // the same, when more than half of the connections are taken
	read  time.Duration // for a query that has begun
	write time.Duration // for a client to take a response
}

var defaultTimes = tcpTimes{idle: 10 * time.Second, busy: 2 * time.Second, read: 5 * time.Second, write: 5 * time.Second}

// A tcpConn is one connection. Its queries are answered in order, however many wait (RFC 7766 §6.2.1.1):
// a client that does not read its responses holds up nobody else.
type tcpConn struct {
	*net.TCPConn
	in     *bufio.Reader
	client netip.Addr
}

// serveTCP answers the connections of one listener until stop, and waits for them.
func (s *Server) serveTCP(l *listener, stop <-chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.tcp.AcceptTCP()
		if err != nil {
			select {
			case <-stop:
				return
			case <-time.After(retryPause): // out of descriptors, or a client that left already
				continue
			}
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.stats.overload.Add(1)
			_ = conn.Close() // there is nobody to tell
			continue
		}
		c := &tcpConn{conn, bufio.NewReaderSize(conn, 4096), conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		wg.Go(func() {
			s.serveConn(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			<-s.slots
		})
	}
}

// serveConn answers the queries of one connection until the client is done, idles, or the server drains.
func (s *Server) serveConn(c *tcpConn) {
	defer c.Close()
	for {
		idle := s.idle()
		wire, ok := s.read(c, idle)
		if !ok {
			return
		}
		reply := s.handle(packet{wire: wire, client: c.client, via: TCP, keepalive: idle})
		if reply == nil {
			return // over TCP what is no query has no place
		}
		_ = c.SetWriteDeadline(time.Now().Add(s.times.write)) // a closed connection shows in the write
		framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(reply)), uint16(len(reply)))
		if _, err := c.Write(append(framed, reply...)); err != nil {
			return
		}
	}
}

// idle is how long a connection may wait for its next query.
func (s *Server) idle() time.Duration {
	if len(s.slots) > cap(s.slots)/2 {
		return s.times.busy
	}
	return s.times.idle
}

// read reads one message: its first byte within idle, the rest within the time for that.
func (s *Server) read(c *tcpConn, idle time.Duration) ([]byte, bool) {
	if !s.deadline(c, idle) {
		return nil, false
	}
	if _, err := c.in.Peek(1); err != nil {
		return nil, false
	}
	if c.in.Buffered() < 2 && !s.deadline(c, s.times.read) {
		return nil, false
	}
	var size [2]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if c.in.Buffered() < n && !s.deadline(c, s.times.read) {
		return nil, false
	}
	wire := make([]byte, n)
	_, err := io.ReadFull(c.in, wire)
	return wire, err == nil
}

// deadline gives the client time for its next bytes, unless the server drains.
func (s *Server) deadline(c *tcpConn, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drain {
		return false
	}
	return c.SetReadDeadline(time.Now().Add(d)) == nil
}
