package dnsserver_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
)

// A connection that never pauses comes to its end all the same: its client sees whole responses, then the
// end, and no reset that would take responses away.
func TestLifetime(t *testing.T) {
	cfg, pool, _ := secured(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	cfg.Lifetime = 200 * time.Millisecond
	s := serve(t, cfg)
	for _, via := range []dnsserver.Transport{dnsserver.TCP, dnsserver.TLS} {
		conn, err := net.Dial("tcp", s.AddrsOf(via)[0].String())
		if err != nil {
			t.Fatal(err)
		}
		if via == dnsserver.TLS {
			conn = tls.Client(conn, trusting(pool))
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		c := &dns.Conn{Conn: conn}
		asked := make(chan struct{})
		go func() { // far ahead of its answers
			defer close(asked)
			for c.WriteMsg(new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA)) == nil {
			}
		}()
		for err == nil {
			_, err = c.ReadMsg()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: ends with %v", via, err)
		}
		_ = conn.Close() // so that it asks no more
		<-asked
		for deadline := time.Now().Add(5 * time.Second); ended(s, via.String(), "lifetime") != 1; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("counted %+v", s.Stats().Ended)
			}
		}
	}
}

// Over HTTPS a connection that has lasted long enough is replaced, and no request of its client fails.
func TestLifetimeDoH(t *testing.T) {
	cfg, pool, _ := secured(t, dnsserver.Config{})
	cfg.Lifetime = 100 * time.Millisecond
	s := serve(t, cfg)
	url := "https://" + s.AddrsOf(dnsserver.HTTPS)[0].String() + "/dns-query"
	for i, two := range []bool{false, true} {
		client := dohClient(t, pool, two)
		for deadline := time.Now().Add(10 * time.Second); ended(s, "doh", "lifetime") <= uint64(i); {
			wire := wireOf(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
			resp, err := client.Post(url, "application/dns-message", bytes.NewReader(wire))
			if err != nil {
				t.Fatalf("HTTP/2 %v: %v", two, err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			if _ = resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("HTTP/2 %v: %s, %v", two, resp.Status, err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("HTTP/2 %v: it lasts", two)
			}
		}
	}
}
