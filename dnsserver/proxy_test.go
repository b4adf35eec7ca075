package dnsserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
	"vitalns/test/live"
	"vitalns/zones"
)

// proxyHeader is a PROXY header, version 2, for a client over TCP or UDP alike; nobody: command LOCAL.
func proxyHeader(client string) []byte {
	h := []byte("\r\n\r\n\x00\r\nQUIT\n")
	if client == "nobody" {
		return append(h, 0x20, 0, 0, 0)
	}
	a := netip.MustParseAddr(client)
	family, to := byte(0x12), netip.MustParseAddr("192.0.2.53")
	if a.Is6() {
		family, to = 0x22, netip.MustParseAddr("2001:db8::53")
	}
	body := append(a.AsSlice(), to.AsSlice()...)
	body = append(body, 0x12, 0x34, 0, 53)
	body = append(body, 0x04, 0, 2, 'x', 'y') // a TLV
	h = append(h, 0x21, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(body))), body...)
}

// A headed connection begins all that is sent, or over UDP each datagram, with a header.
type headed struct {
	net.Conn
	header []byte
	once   bool
}

func (c *headed) Write(b []byte) (int, error) {
	header := c.header
	if c.once {
		c.header = nil
	}
	if _, err := c.Conn.Write(append(header[:len(header):len(header)], b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *headed) ReadFrom(b []byte) (int, net.Addr, error) { // miekg/dns takes a net.PacketConn for UDP
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func (c *headed) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

// streamOf hides the methods of a packet connection.
type streamOf struct{ net.Conn }

// proxied is a server whose listeners all stand behind a proxy on loopback, with its log.
func proxied(t *testing.T, from string) (*dnsserver.Server, *tls.Config, *logged) {
	t.Helper()
	log := new(logged)
	cfg, pool, _ := secured(t, dnsserver.Config{
		Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Proxy: []string{"127.0.0.1:0"}, ProxyFrom: []netip.Prefix{netip.MustParsePrefix(from)},
		Explain: func(zones.Name) string { return "it was explained" },
	})
	return serve(t, cfg), trusting(pool), log
}

type logged struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// open connects as a proxy does.
func open(t *testing.T, s *dnsserver.Server, via dnsserver.Transport, secret *tls.Config, header []byte) *dns.Conn {
	t.Helper()
	network := "tcp"
	if via == dnsserver.UDP {
		network = "udp"
	}
	raw, err := net.Dial(network, s.AddrsOf(via)[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() }) // it has been used
	_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
	c := &headed{raw, header, network == "tcp"}
	switch via {
	case dnsserver.UDP:
		return &dns.Conn{Conn: c}
	case dnsserver.TLS:
		return &dns.Conn{Conn: tls.Client(c, secret)}
	}
	return &dns.Conn{Conn: streamOf{c}}
}

// why asks for an explanation, which loopback alone gets.
func why(c *dns.Conn) (string, error) {
	m := new(dns.Msg).SetQuestion("www.pool.test.", dns.TypeTXT)
	m.Question[0].Qclass = dns.ClassCHAOS
	if err := c.WriteMsg(m); err != nil {
		return "", err
	}
	reply, err := c.ReadMsg()
	if err != nil {
		return "", err
	}
	return dns.RcodeToString[reply.Rcode], nil
}

// Over every transport the client is the one in the header: families are counted by it, and loopback's
// rights are had by who is on loopback, not by who says so.
func TestProxied(t *testing.T) {
	for _, tt := range []struct{ what, client, rcode, family string }{
		{"a client", "203.0.113.7", "REFUSED", "4"},
		{"one of IPv6", "2001:db8::7", "REFUSED", "6"},
		{"one that claims loopback", "127.0.0.1", "REFUSED", "4"},
		{"one that claims loopback of IPv6", "::1", "REFUSED", "6"},
		{"the proxy itself, on loopback", "nobody", "NOERROR", "4"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			s, secret, _ := proxied(t, "127.0.0.0/8")
			for _, via := range []dnsserver.Transport{dnsserver.UDP, dnsserver.TCP, dnsserver.TLS} {
				c := open(t, s, via, secret, proxyHeader(tt.client))
				for range 2 {
					if got, err := why(c); err != nil || got != tt.rcode {
						t.Errorf("%s: got %s, %v, want %s", via, got, err, tt.rcode)
					}
				}
			}
			for _, r := range s.Stats().Requests {
				if r.Family != tt.family || r.N != 2 {
					t.Errorf("counted %+v", r)
				}
			}
		})
	}
}

// What has no good header from who may send it is dropped, counted, and logged once; the others are answered.
func TestProxyRefused(t *testing.T) {
	s, secret, log := proxied(t, "127.0.0.1/32")
	bad := map[string][]byte{
		"no header":     {},
		"version 1":     []byte("PROXY TCP4 192.0.2.7 192.0.2.53 4711 53\r\n"),
		"a bad command": append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x2f, 0x11, 0, 0),
		"too long":      append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, 0x11, 0xff, 0xff),
	}
	for what, header := range bad {
		for _, via := range []dnsserver.Transport{dnsserver.TCP, dnsserver.TLS} {
			if got, err := why(open(t, s, via, secret, append(header, make([]byte, 64)...))); err == nil {
				t.Errorf("%s over %s: got %s", what, via, got)
			}
		}
		c := open(t, s, dnsserver.UDP, secret, header)
		if _, err := c.Write(wireOf(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))); err != nil {
			t.Fatal(err)
		}
	}
	for _, via := range []dnsserver.Transport{dnsserver.UDP, dnsserver.TCP, dnsserver.TLS} {
		if _, err := why(open(t, s, via, secret, proxyHeader("192.0.2.7"))); err != nil {
			t.Errorf("%s: a good one gets %v", via, err)
		}
	}
	if n := ended(s, "tcp", "proxy"); n != uint64(len(bad)) {
		t.Errorf("tcp: counted %d", n)
	}
	if n := ended(s, "dot", "proxy"); n != uint64(len(bad)) {
		t.Errorf("dot: counted %d", n)
	}
	for deadline := time.Now().Add(5 * time.Second); dropped(s, "proxy") != uint64(len(bad)); runtime.Gosched() {
		if time.Now().After(deadline) { // several goroutines read the socket
			t.Fatalf("udp: counted %d", dropped(s, "proxy"))
		}
	}
	if n := strings.Count(log.String(), "PROXY header refused"); n != 1 {
		t.Errorf("%d lines in the log, want one:\n%s", n, log)
	}
}

// What only looks whether somebody listens, as load balancers do, is no offence.
func TestProxySilent(t *testing.T) {
	s, _, log := proxied(t, "127.0.0.1/32")
	for range 3 {
		c, err := net.Dial("tcp", s.AddrsOf(dnsserver.TCP)[0].String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close() // that is all
	}
	c, err := net.Dial("tcp", s.AddrsOf(dnsserver.TCP)[0].String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close() // with a reset
	for deadline := time.Now().Add(5 * time.Second); ended(s, "tcp", "client") < 4; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("counted %+v", s.Stats().Ended)
		}
	}
	if log.String() != "" {
		t.Errorf("the log says %s", log)
	}
}

// A stranger is not believed, whatever it sends.
func TestProxyOfStranger(t *testing.T) {
	s, secret, log := proxied(t, "192.0.2.0/24")
	for _, via := range []dnsserver.Transport{dnsserver.TCP, dnsserver.TLS} {
		if got, err := why(open(t, s, via, secret, proxyHeader("203.0.113.7"))); err == nil {
			t.Errorf("%s: got %s", via, got)
		}
	}
	if !strings.Contains(log.String(), "not in proxy_from") {
		t.Errorf("the log says %s", log)
	}
}

// Nor does anybody give way to one, when there is no more room.
func TestProxyStrangerTakesNoRoom(t *testing.T) {
	at, err := live.Address("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0", at}, Proxy: []string{at}, MaxStreams: 1,
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	c := dialFrom(t, "127.0.0.1", s.Addrs()[0])
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := ask(dialFrom(t, "127.0.0.1", netip.MustParseAddrPort(at))); err == nil {
			t.Fatalf("stranger %d was answered", i)
		}
	}
	if err := ask(c); err != nil {
		t.Errorf("a client had to give way: %v", err)
	}
}

// One client behind a proxy has its share of connections, as it has without.
func TestProxiedClientLimit(t *testing.T) {
	cfg := dnsserver.Config{Listen: []string{"127.0.0.1:0"}, Proxy: []string{"127.0.0.1:0"}, MaxPerClient: 2,
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	s := serve(t, cfg)
	for i, tt := range []struct {
		client string
		ok     bool
	}{{"203.0.113.7", true}, {"203.0.113.7", true}, {"203.0.113.7", false}, {"203.0.113.8", true}, {"nobody", true}, {"nobody", true}, {"nobody", true}} {
		if _, err := why(open(t, s, dnsserver.TCP, nil, proxyHeader(tt.client))); (err == nil) != tt.ok {
			t.Errorf("%d, %s: got %v", i, tt.client, err)
		}
	}
}

// DoH behind a proxy: the header comes before TLS.
func TestProxiedDoH(t *testing.T) {
	s, secret, _ := proxied(t, "127.0.0.1/32")
	tr := &http.Transport{TLSClientConfig: secret, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &headed{c, proxyHeader("2001:db8::7"), true}, err
	}}
	defer tr.CloseIdleConnections()
	wire := wireOf(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
	resp, err := (&http.Client{Transport: tr}).Post(fmt.Sprintf("https://%s/dns-query", s.AddrsOf(dnsserver.HTTPS)[0]), "application/dns-message", bytes.NewReader(wire))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var m dns.Msg
	if err != nil || m.Unpack(body) != nil || len(m.Answer) != 1 || resp.ProtoMajor != 2 {
		t.Errorf("got %s %s, %v, %v", resp.Proto, resp.Status, err, &m)
	}
	if got := fmt.Sprint(s.Stats().Requests); got != "[{hard.test doh 6 A 1}]" {
		t.Errorf("counted %s", got)
	}
}
