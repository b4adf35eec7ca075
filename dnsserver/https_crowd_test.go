package dnsserver_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
)

// A client that asks over HTTP/2 and takes no responses has no more than a few of them wait for it.
func TestDoHNotTaken(t *testing.T) {
	cfg, pool, _ := secured(t, dnsserver.Config{})
	s := serve(t, cfg)
	addr := s.AddrsOf(dnsserver.HTTPS)[0].String()
	c, err := tls.Dial("tcp", addr, trusting(pool, "h2"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	const (
		preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00" + "\x00\x04\x00\x00\x00\x00" // no room for bodies
		ping     = "\x00\x00\x08\x06\x00\x00\x00\x00\x00" + "12345678"
		most     = 16
	)
	path := "/dns-query?dns=" + base64.RawURLEncoding.EncodeToString(wireOf(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA)))
	header := append([]byte{0x82, 0x87, 0x41, 1, 'x', 0x44, byte(len(path))}, path...) // RFC 7541 §6.2.1, appendix A
	out := []byte(preface + settings)
	for i := range 5 * most {
		out = append(out, 0, 0, byte(len(header)), 1, 5) // HEADERS, whole, without a body
		out = append(binary.BigEndian.AppendUint32(out, uint32(2*i+1)), header...)
	}
	if _, err := c.Write(append(out, ping...)); err != nil {
		t.Fatal(err)
	}
	read(t, c, 6) // it has seen all of them
	for deadline := time.Now().Add(5 * time.Second); requests(s) < most; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d were answered", requests(s))
		}
	}
	resp, err := dohClient(t, pool, true).Get("https://" + addr + path)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close() // that there is one is all
	if n := requests(s); n != most+1 {
		t.Errorf("%d were answered, want %d and one of another", n-1, most)
	}
}

// read reads frames of HTTP/2 until one of a type that is an acknowledgement (RFC 9113 §4.1).
func read(t *testing.T, r io.Reader, typ byte) {
	t.Helper()
	for {
		var head [9]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(append([]byte{0}, head[:3]...)))); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(head[3:5], []byte{typ, 1}) {
			return
		}
	}
}

// requests is how many were counted.
func requests(s *dnsserver.Server) (n uint64) {
	for _, r := range s.Stats().Requests {
		n += r.N
	}
	return n
}
