package dnsserver

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// A connection that idles, or sends a query byte by byte, is closed in its time; one that goes on asking
// is not. White box, because the real times are too long for a test.
func TestTCPTimes(t *testing.T) {
	table := hardTable(t)
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Table: func() *zones.Table { return table }})
	if err != nil {
		t.Fatal(err)
	}
	s.times = tcpTimes{idle: 200 * time.Millisecond, busy: 200 * time.Millisecond, read: 50 * time.Millisecond, write: time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	wire, err := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	framed := append([]byte{0, byte(len(wire))}, wire...)
	for _, tt := range []struct {
		what    string
		sent    []byte
		answers int
		least   time.Duration
	}{
		{"nothing", nil, 0, s.times.idle},
		{"one byte", framed[:1], 0, s.times.read},
		{"half a query", framed[:20], 0, s.times.read},
		{"a query and then nothing", framed, 1, s.times.idle},
		{"a query and half of the next", append(framed[:len(framed):len(framed)], framed[:5]...), 1, s.times.read},
	} {
		start := time.Now()
		conn, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(tt.sent); err != nil {
			t.Fatal(err)
		}
		c := &dns.Conn{Conn: conn}
		for range tt.answers {
			if _, err := c.ReadMsg(); err != nil {
				t.Errorf("%s: %v", tt.what, err)
			}
		}
		_ = conn.SetReadDeadline(start.Add(10 * time.Second)) // a connection takes a deadline
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: ends with %v", tt.what, err)
		}
		if took := time.Since(start); took < tt.least {
			t.Errorf("%s: closed after %v, before its time", tt.what, took)
		}
		_ = conn.Close() // the server closed it first
	}
}
