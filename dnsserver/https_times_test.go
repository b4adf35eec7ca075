package dnsserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Over HTTPS too a client that is slow is let go in its time, whichever version of HTTP it speaks. White
// box, in virtual time.
func TestDoHTimes(t *testing.T) {
	post := fmt.Sprintf("POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 40\r\n\r\n", dohMedia)
	q := query(t, "mail.hard.test.")[2:]
	whole := fmt.Sprintf("POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", dohMedia, len(q), q)
	const (
		preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		half     = "\x00\x00\x28\x01"
	)
	for _, tt := range []struct {
		what, alpn string
		client     func(c net.Conn)
		after      time.Duration
	}{
		{"nothing", "http/1.1", func(net.Conn) {}, defaultTimes.query},
		{"half a header", "http/1.1", func(c net.Conn) { io.WriteString(c, post[:30]) }, defaultTimes.query},
		{"a header byte by byte", "http/1.1", func(c net.Conn) {
			for _, b := range []byte(post) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, defaultTimes.query},
		{"no body", "http/1.1", func(c net.Conn) { io.WriteString(c, post) }, defaultTimes.query},
		{"one request", "http/1.1", func(c net.Conn) { io.WriteString(c, whole) }, defaultTimes.secret},
		{"nothing, HTTP/2", "h2", func(net.Conn) {}, 10 * time.Second}, // the time of net/http for the preface
		{"no request, HTTP/2", "h2", func(c net.Conn) { io.WriteString(c, preface+settings) }, defaultTimes.secret},
		{"half a frame, HTTP/2", "h2", func(c net.Conn) { io.WriteString(c, preface+settings+half) }, defaultTimes.secret},
	} {
		t.Run(tt.what, func(t *testing.T) {
			cert := testCertificate(t, "ns1.hard.test")
			synctest.Test(t, func(t *testing.T) {
				s := piped(t, Config{Certificate: cert})
				s.web = newWeb(s)
				served := make(chan error, 1)
				go func() { served <- s.web.http.Serve(s.web) }()
				raw, _ := dial(s, &listener{via: HTTPS}, "192.0.2.7")
				begin := time.Now()
				c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{tt.alpn}})
				if err := c.Handshake(); err != nil {
					t.Fatal(err)
				}
				asked := make(chan struct{})
				go func() {
					defer close(asked)
					tt.client(c)
				}()
				go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
				for left := true; left; {
					time.Sleep(50 * time.Millisecond)
					n, _ := s.crowd.by()
					left = n[HTTPS] > 0
					if time.Since(begin) > time.Minute {
						t.Fatal("it is still there")
					}
				}
				if took := time.Since(begin); took < tt.after || took > tt.after+1500*time.Millisecond {
					t.Errorf("closed after %s, want %s", took, tt.after)
				}
				if got := s.endingsText(); got != "doh http 1" {
					t.Errorf("counted %q", got)
				}
				_ = raw.Close() // so that it ends
				<-asked
				s.web.shutdown(context.Background())
				<-served
			})
		})
	}
}
