package dnsserver_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
)

// Queries sent in one write are all answered, in order, over one connection.
func TestTCPPipelining(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	conn, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const n = 200
	var batch []byte
	for id := range n {
		m := new(dns.Msg).SetQuestion(fmt.Sprintf("x%d.wild.hard.test.", id), dns.TypeA)
		m.Id = uint16(id)
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		batch = append(binary.BigEndian.AppendUint16(batch, uint16(len(wire))), wire...)
	}
	if _, err := conn.Write(batch); err != nil {
		t.Fatal(err)
	}
	c := &dns.Conn{Conn: conn}
	for id := range n {
		m, err := c.ReadMsg()
		if err != nil {
			t.Fatalf("response %d: %v", id, err)
		}
		if int(m.Id) != id || len(m.Answer) != 1 {
			t.Fatalf("response %d: got id %d, %s", id, m.Id, draw(m))
		}
	}
}

// A client that asks is told how long the connection may idle (RFC 7828).
func TestTCPKeepalive(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	m := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}}
	for network, want := range map[string][]uint16{"tcp": {100}, "udp": nil} {
		reply, _, err := (&dns.Client{Net: network}).Exchange(m, s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		var got []uint16 // in units of 100 ms
		for _, o := range reply.IsEdns0().Option {
			if o, ok := o.(*dns.EDNS0_TCP_KEEPALIVE); ok {
				got = append(got, o.Timeout)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", network, got, want)
		}
	}
}

// dialFrom connects from an address of loopback.
func dialFrom(t *testing.T, from string, to netip.AddrPort) *dns.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // twice, or the server has done it
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return &dns.Conn{Conn: c}
}

func ask(c *dns.Conn) error {
	if err := c.WriteMsg(new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA)); err != nil {
		return err
	}
	_, err := c.ReadMsg()
	return err
}

// When there is no more room the connection that was in longest without a query is closed for the new
// one, which is answered. A client that has its share is refused; others are not.
func TestStreamLimits(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}, MaxStreams: 4, MaxPerClient: 2})
	to := s.Addrs()[0]
	var conns []*dns.Conn
	for _, from := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		c := dialFrom(t, from, to)
		if err := ask(c); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if err := ask(dialFrom(t, "127.0.0.1", to)); err == nil {
		t.Error("a third connection of one client was answered")
	}
	if err := ask(conns[0]); err != nil { // now the second is in longest without a query
		t.Error(err)
	}
	if err := ask(dialFrom(t, "127.0.0.4", to)); err != nil {
		t.Errorf("there was no room for a new one: %v", err)
	}
	if _, err := conns[1].Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the one idle for longest ends with %v", err)
	}
	if err := ask(conns[0]); err != nil {
		t.Errorf("one that asks was closed: %v", err)
	}
	if n := ended(s, "tcp", "overload"); n != 1 {
		t.Errorf("overload counted %d", n)
	}
	if n := ended(s, "tcp", "client_limit"); n != 1 {
		t.Errorf("client_limit counted %d", n)
	}
}

// When one of a client's connections ends there is room for another.
func TestStreamLimitEnds(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}, MaxPerClient: 1})
	for range 20 {
		for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
			c := dialFrom(t, "127.0.0.1", s.Addrs()[0])
			err := ask(c)
			_ = c.Close() // the server sees it end
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no room after a connection ended")
			}
		}
	}
}

func ended(s *dnsserver.Server, proto, reason string) uint64 {
	for _, e := range s.Stats().Ended {
		if e.Proto == proto && e.Reason == reason {
			return e.N
		}
	}
	return 0
}

// One client opens connections without end, and half of them send a byte; another is answered meanwhile,
// over TCP and UDP, and nothing of it stays.
func TestManyConnections(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}, MaxPerClient: 50})
	to := s.Addrs()[0]
	var held []net.Conn
	for i := range 500 {
		c, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		if held = append(held, c); i%2 == 0 {
			_, _ = c.Write([]byte{0}) // refused: the server has closed it
		}
		if i%50 == 0 {
			if err := ask(dialFrom(t, "127.0.0.2", to)); err != nil {
				t.Errorf("after %d: %v", i, err)
			}
			exchange(t, "udp", to.String(), "mail.hard.test.", dns.TypeA)
		}
	}
	if n := s.Stats().Streams[0].N; n > 50+10 {
		t.Errorf("%d connections are open", n)
	}
	for _, c := range held {
		_ = c.Close() // the server has closed most
	}
}

// A client that waits for its handshake to be acknowledged before it sends more (Nagle's algorithm) does not
// wait long.
func TestHandshakeAcknowledged(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the kernel of Linux alone can be told to")
	}
	cfg, pool, _ := secured(t, dnsserver.Config{})
	s := serve(t, cfg)
	best := time.Hour
	for range 10 { // another program may have the cores for a while
		raw, err := net.Dial("tcp", s.AddrsOf(dnsserver.TLS)[0].String())
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.(*net.TCPConn).SetNoDelay(false) // it would be slower without
		c := tls.Client(raw, trusting(pool))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := ask(&dns.Conn{Conn: c}); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(begin))
		_ = c.Close() // it has its answer
	}
	if best > 30*time.Millisecond {
		t.Errorf("the first answer took %s", best)
	}
}
