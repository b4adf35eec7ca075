package dnsserver_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
	"vitalns/test/live"
)

// secured adds listeners with TLS to a configuration; clients trust the pool.
func secured(t *testing.T, cfg dnsserver.Config) (dnsserver.Config, *x509.CertPool, [2]string) {
	t.Helper()
	chain, key, err := live.WriteCertificate(t.TempDir(), "ns1.hard.test")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Certificate, err = dnsserver.LoadCertificate(chain, key); err != nil {
		t.Fatal(err)
	}
	cfg.TLS, cfg.HTTPS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
	pem, err := os.ReadFile(chain)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return cfg, pool, [2]string{chain, key}
}

func trusting(pool *x509.CertPool, alpn ...string) *tls.Config {
	return &tls.Config{RootCAs: pool, ServerName: "ns1.hard.test", NextProtos: alpn}
}

func dohClient(t *testing.T, pool *x509.CertPool, two bool) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(!two)
	p.SetHTTP2(two)
	tr := &http.Transport{TLSClientConfig: trusting(pool), Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

func wireOf(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// Requests and what they get, over both versions of HTTP.
func TestDoH(t *testing.T) {
	cfg, pool, _ := secured(t, dnsserver.Config{})
	s := serve(t, cfg)
	base := "https://" + s.AddrsOf(dnsserver.HTTPS)[0].String()
	ask := func(qname string) []byte { return wireOf(t, new(dns.Msg).SetQuestion(qname, dns.TypeA)) }
	get := func(qname string) string { return "/dns-query?dns=" + base64.RawURLEncoding.EncodeToString(ask(qname)) }
	const media = "application/dns-message"
	padded := base64.URLEncoding.EncodeToString(append(ask("mail.hard.test."), 0, 0))
	for _, tt := range []struct {
		what, method, path, media string
		body                      []byte
		code                      int
		rcode                     int
		cache                     string
	}{
		{"GET", "GET", get("mail.hard.test."), "", nil, 200, dns.RcodeSuccess, "max-age=300"},
		{"POST", "POST", "/dns-query", media, ask("mail.hard.test."), 200, dns.RcodeSuccess, "max-age=300"},
		{"POST with a parameter of the media type", "POST", "/dns-query", media + "; x=1", ask("mail.hard.test."), 200, dns.RcodeSuccess, "max-age=300"},
		{"no such name", "GET", get("nx.hard.test."), "", nil, 200, dns.RcodeNameError, "max-age=300"},
		{"not ours", "GET", get("example."), "", nil, 200, dns.RcodeRefused, "max-age=0"},
		{"malformed, and can be answered", "POST", "/dns-query", media, ask("mail.hard.test.")[:20], 200, dns.RcodeFormatError, "max-age=0"},
		{"another path", "GET", "/", "", nil, 404, 0, ""},
		{"another path, POST", "POST", "/resolve", media, ask("mail.hard.test."), 404, 0, ""},
		{"another method", "PUT", "/dns-query", media, ask("mail.hard.test."), 405, 0, ""},
		{"another media type", "POST", "/dns-query", "application/json", []byte("{}"), 415, 0, ""},
		{"no media type", "POST", "/dns-query", "", ask("mail.hard.test."), 415, 0, ""},
		{"no query", "GET", "/dns-query", "", nil, 400, 0, ""},
		{"two queries", "GET", get("mail.hard.test.") + "&dns=AAAA", "", nil, 400, 0, ""},
		{"no base64url", "GET", "/dns-query?dns=%2B%2B%2F", "", nil, 400, 0, ""},
		{"base64url with padding", "GET", "/dns-query?dns=" + padded, "", nil, 400, 0, ""},
		{"an empty message", "POST", "/dns-query", media, nil, 400, 0, ""},
		{"a response", "POST", "/dns-query", media, append([]byte{0, 1, 0x80}, make([]byte, 9)...), 400, 0, ""},
		{"a message too long", "POST", "/dns-query", media, make([]byte, 1<<16), 413, 0, ""},
		{"headers too long", "GET", "/dns-query?dns=" + strings.Repeat("A", 40<<10), "", nil, 431, 0, ""},
	} {
		for _, two := range []bool{false, true} {
			if two && tt.code == 431 {
				continue // the connection may be closed for it
			}
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", tt.what, two), func(t *testing.T) {
				client := dohClient(t, pool, two)
				req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, bytes.NewReader(tt.body))
				if err != nil {
					t.Fatal(err)
				}
				if tt.media != "" {
					req.Header.Set("Content-Type", tt.media)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != tt.code || (resp.ProtoMajor == 2) != two {
					t.Fatalf("got %s %s, %v: %s", resp.Proto, resp.Status, err, body)
				}
				if tt.code == 405 && resp.Header.Get("Allow") != "GET, POST" {
					t.Errorf("allows %q", resp.Header.Get("Allow"))
				}
				if tt.code != 200 {
					return
				}
				var m dns.Msg
				if err := m.Unpack(body); err != nil || m.Rcode != tt.rcode {
					t.Errorf("got %v, %v", &m, err)
				}
				if got := resp.Header.Get("Content-Type"); got != media {
					t.Errorf("media type %q", got)
				}
				if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, tt.cache) {
					t.Errorf("Cache-Control %q, want %q", got, tt.cache)
				}
			})
		}
	}
}

// DoT: many queries over one connection, ALPN, and no version of TLS before 1.2.
func TestDoT(t *testing.T) {
	cfg, pool, _ := secured(t, dnsserver.Config{})
	s := serve(t, cfg)
	addr := s.AddrsOf(dnsserver.TLS)[0].String()
	for _, alpn := range [][]string{{"dot"}, nil} {
		conn, err := tls.Dial("tcp", addr, trusting(pool, alpn...))
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; len(alpn) > 0 && got != "dot" {
			t.Errorf("protocol %q", got)
		}
		c := &dns.Conn{Conn: conn}
		for range 3 {
			if err := ask(c); err != nil {
				t.Error(err)
			}
		}
		_ = conn.Close() // it has been used
	}
	if _, err := tls.Dial("tcp", addr, trusting(pool, "h2")); err == nil {
		t.Error("a client that wants HTTP was let in")
	}
	old := trusting(pool)
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	if _, err := tls.Dial("tcp", addr, old); err == nil {
		t.Error("TLS 1.1 was let in")
	}
	if got := fmt.Sprint(s.Stats().Requests); got != "[{hard.test dot 4 A 6}]" {
		t.Errorf("counted %s", got)
	}
}

// A new certificate is shown to who comes then; who is there is not disturbed. A bad one is not taken up.
func TestCertificateWhileServing(t *testing.T) {
	cfg, pool, files := secured(t, dnsserver.Config{})
	s := serve(t, cfg)
	addr := s.AddrsOf(dnsserver.TLS)[0].String()
	first, err := tls.Dial("tcp", addr, trusting(pool))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	name := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) // whose it is, is asked
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	dir := strings.TrimSuffix(files[0], "chain.pem")
	if _, _, err := live.WriteCertificate(dir, "ns2.hard.test"); err != nil {
		t.Fatal(err)
	}
	s.Reload()
	if got := name(); got != "ns2.hard.test" {
		t.Errorf("shown: %s", got)
	}
	if err := os.WriteFile(files[1], []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Reload()
	if got := name(); got != "ns2.hard.test" || s.Stats().Certificate.Good {
		t.Errorf("shown: %s, %+v", got, s.Stats().Certificate)
	}
	if err := ask(&dns.Conn{Conn: first}); err != nil {
		t.Errorf("the connection of before: %v", err)
	}
	if got := s.Stats().Certificate.NotAfter.Year(); got != 2100 {
		t.Errorf("expires in %d", got)
	}
}
