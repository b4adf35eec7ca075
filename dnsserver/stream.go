package dnsserver

import (
	"container/list"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vitalns/dnsserver/edge"
)

// A stream is one connection, as it was accepted: what is encrypted goes over it. It may be closed more
// than once, and from any goroutine; the first says why.
type stream struct {
	net.Conn
	via    Transport
	client netip.Addr // the zero Addr: not known, or a proxy that asks for itself
	server *Server
	ends   time.Time // when it has lasted long enough

	place   *list.Element // the crowd's, as are the next two
	counted netip.Prefix  // the client it counts for; the zero Prefix: none
	handed  bool          // HTTP sets its deadlines

	turns chan struct{} // while it shakes hands: it has one to compute, and gives it back to wait for its client

	why  atomic.Uint32 // an ending
	once sync.Once
}

// because notes why a stream will be closed, unless that is known.
func (st *stream) because(why ending) { st.why.CompareAndSwap(uint32(endClient), uint32(why)) }

// old reports whether a stream has lasted long enough.
func (st *stream) old() bool { return !time.Now().Before(st.ends) }

// Read implements net.Conn.
func (st *stream) Read(b []byte) (int, error) {
	defer st.rest()()
	return st.Conn.Read(b)
}

// Write implements net.Conn.
func (st *stream) Write(b []byte) (int, error) {
	defer st.rest()()
	return st.Conn.Write(b)
}

// rest gives back the turn of a handshake, if it is one, and returns what waits for the next.
func (st *stream) rest() (resume func()) {
	turns := st.turns
	if turns == nil {
		return func() {}
	}
	<-turns
	return func() { turns <- struct{}{} }
}

// Close implements net.Conn. Whoever sees the connection closed finds it counted.
func (st *stream) Close() (err error) {
	st.once.Do(func() {
		why := ending(st.why.Load())
		if why == endClient && st.via == HTTPS {
			why = endHTTP
		}
		st.server.stats.ended[st.via][why].Add(1)
		err = st.Conn.Close()
		st.server.crowd.leave(st)
	})
	return err
}

// end closes a stream and says why.
func (st *stream) end(why ending) {
	st.because(why)
	_ = st.Close() // there is nobody to tell
}

// serveStreams accepts the connections of one listener until stop, and waits for those that it answers
// itself. It does as little as it can for each, so that those of one client do not keep others waiting.
func (s *Server) serveStreams(l *listener, stop <-chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.tcp.Accept()
		if err != nil {
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				s.giveWay(s.crowd.yield()) // other parts of the program have taken the descriptors
			}
			select {
			case <-stop:
				return
			case <-time.After(retryPause): // or a client that left already
				continue
			}
		}
		if st, ok := s.admit(l, conn); ok {
			wg.Go(func() { s.begin(l, st) })
		}
	}
}

// admit takes a connection in, or closes it.
func (s *Server) admit(l *listener, conn net.Conn) (*stream, bool) {
	st := &stream{Conn: conn, via: l.via, server: s, ends: time.Now().Add(s.times.life)}
	switch from := peer(conn); {
	case !l.proxied:
		st.client = from
	case !s.trusts(from): // nobody gives way to it
		s.refuseProxy(from, errStranger)
		st.end(endProxy)
		return nil, false
	}
	victim, why, ok := s.crowd.enter(st)
	if !ok {
		st.end(why)
		return nil, false
	}
	s.giveWay(victim)
	return st, true
}

func (s *Server) giveWay(victim *stream) {
	if victim != nil {
		victim.end(endOverload)
	}
}

// peer is who is at the other end of a connection.
func peer(conn net.Conn) netip.Addr {
	a, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap()
}

// begin does what comes before the first query, and then answers, or has HTTP do it.
func (s *Server) begin(l *listener, st *stream) {
	if l.proxied && !s.introduce(st) {
		return
	}
	switch st.via {
	case TLS:
		if conn, ok := s.handshake(st, s.dot); ok {
			s.converse(st, conn)
		}
	case HTTPS:
		if conn, ok := s.handshake(st, s.doh); ok && !(s.crowd.hand(st) && s.web.hand(conn)) {
			st.end(endDrain)
		}
	default:
		s.converse(st, st)
	}
}

// handshake begins TLS. It is by far what costs most here, and is done for whoever comes: so only some are
// computed at once, and the others wait, so that those who ask over UDP are answered meanwhile. Waiting
// are no more than there are streams.
func (s *Server) handshake(st *stream, cfg *tls.Config) (*tls.Conn, bool) {
	s.crowd.patience(st, s.times.query)
	_ = st.SetWriteDeadline(time.Now().Add(s.times.query)) // a connection that is closed shows in the handshake
	conn := tls.Server(st, cfg)
	st.turns = s.crowd.handshakes
	st.turns <- struct{}{}
	err := conn.Handshake()
	<-st.turns
	st.turns = nil
	if err != nil {
		st.end(endTLS)
		return nil, false
	}
	acknowledge(st.Conn)
	return conn, true
}

// introduce reads the PROXY header of a stream, and so learns who its client is.
func (s *Server) introduce(st *stream) bool {
	from := peer(st.Conn)
	s.crowd.patience(st, s.times.query)
	client, err := s.readProxy(st)
	switch {
	case errors.Is(err, errSilent):
		st.end(endClient)
		return false
	case err != nil:
		if !s.crowd.draining() {
			s.refuseProxy(from, err)
		}
		st.end(endProxy)
		return false
	case !client.IsValid():
		st.client = from // it asks for itself: it is not counted among clients
	case !s.crowd.claim(st, client):
		st.end(endCrowded)
		return false
	}
	return true
}

// errSilent is of one who says nothing and leaves, as those do who look whether somebody listens.
var errSilent = errors.New("it left without a word")

func (s *Server) readProxy(r io.Reader) (netip.Addr, error) {
	b := make([]byte, edge.MaxProxy)
	if n, err := io.ReadFull(r, b[:edge.ProxyFixed]); err != nil {
		if n == 0 && s.readEnding(err, endProxy) == endClient {
			return netip.Addr{}, errSilent
		}
		return netip.Addr{}, fmt.Errorf("read the PROXY header: %w", err)
	}
	size, err := edge.ProxySize(b[:edge.ProxyFixed])
	if err != nil {
		return netip.Addr{}, err
	}
	if _, err := io.ReadFull(r, b[edge.ProxyFixed:size]); err != nil {
		return netip.Addr{}, fmt.Errorf("read the PROXY header: %w", err)
	}
	client, _, err := edge.ReadProxy(b[:size])
	return client, err
}
