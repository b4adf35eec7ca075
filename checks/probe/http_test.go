package probe

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
)

// page serves one handler over HTTP and returns where.
func page(t testing.TB, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func TestHTTP(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	host := text("host", "www.example.com")
	for _, tt := range []struct {
		name     string
		h        http.HandlerFunc
		settings []setting
		want     string
	}{
		{"200", answer(200, "ok"), nil, "ok"},
		{"204", answer(204, ""), nil, "ok"},
		{"500", answer(500, "ok"), nil, "failed status 500"},
		{"redirect is not followed", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, nil, "failed status 302"},
		{"redirect expected", answer(301, ""), []setting{texts("expect.status", "301", "200-204")}, "ok"},
		{"not in the ranges", answer(250, ""), []setting{texts("expect.status", "301", "200-204")}, "failed status 250"},
		{"body", answer(200, "all is ok here"), []setting{text("expect.body", "ok")}, "ok"},
		{"body lacks", answer(200, "all is well"), []setting{text("expect.body", "ok")}, `failed body lacks "ok"`},
		{"empty body lacks", answer(200, ""), []setting{text("expect.body", "ok")}, `failed body lacks "ok"`},
		{"body beyond 64 KiB is not read", answer(200, strings.Repeat("x", 64<<10)+"ok"), []setting{text("expect.body", "ok")}, `failed body lacks "ok"`},
		{"body at the end of 64 KiB", answer(200, strings.Repeat("x", 64<<10-2)+"ok"), []setting{text("expect.body", "ok")}, "ok"},
		{"regex", answer(200, "state=up\n"), []setting{text("expect.body_regex", `(?m)^state=(up|idle)$`)}, "ok"},
		{"regex does not match", answer(200, "state=gone"), []setting{text("expect.body_regex", `^state=(up|idle)$`)}, `failed body does not match "^state=(up|idle)$"`},
		{"both", answer(200, "a"), []setting{text("expect.body", "a"), text("expect.body_regex", "b")}, `failed body does not match "b"`},
		{"head", answer(200, ""), []setting{text("method", "HEAD")}, "ok"},
		{"slow", answer(200, ""), []setting{{"expect.max_latency", Value{Duration: time.Hour}}}, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := configured(t, "http", append(tt.settings, host)...)
			expectResult(t, run(t, c, testEnv, page(t, tt.h), long), tt.want)
		})
	}
}

func TestHTTPRequest(t *testing.T) {
	var got *http.Request
	to := page(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	c := configured(t, "http", text("host", "www.Example.com."), text("path", "/a?b=c"), text("method", "POST"),
		setting{"headers", Value{Pairs: []Pair{{"x-token", "t 1"}, {"Accept", "text/plain"}}}})
	expectResult(t, run(t, c, testEnv, to, long), "ok")
	line := fmt.Sprintln(got.Method, got.RequestURI, got.Proto, got.Host, got.UserAgent(), got.Header["Accept"], got.Header["X-Token"], got.ContentLength, got.Close)
	if want := "POST /a?b=c HTTP/1.1 www.example.com vitalns/test (n1) [text/plain] [t 1] 0 true\n"; line != want {
		t.Errorf("got  %swant %s", line, want)
	}
}

// What a target may send instead of an answer.
func TestHTTPBroken(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name    string
		serve   func(net.Conn)
		timeout time.Duration
		want    string
	}{
		{"accepts and hangs", hang, short, "failed timeout waiting for the answer"},
		{"closes", readThen(""), long, "failed connection closed waiting for the answer"},
		{"closes in the headers", readThen(head + "A: b\r\n"), long, "failed connection closed waiting for the answer"},
		{"resets", reset, long, "failed connection reset waiting for the answer"},
		{"stalls in the headers", say(head + "A: b\r\n"), short, "failed timeout waiting for the answer"},
		{"stalls in the body", say(head + "Content-Length: 10\r\n\r\nabc"), short, "failed timeout in the body"},
		{"closes in the body", readThen(head + "Content-Length: 10\r\n\r\nabc"), long, `failed body lacks "ok"`},
		{"says enough and stalls", say(head + "Content-Length: 10\r\n\r\nit is ok"), long, "ok"},
		{"speaks something else", say("220 mail.example.com ESMTP\r\n"), long, "failed does not speak HTTP"},
		{"bad chunks", say(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), long, "failed malformed body"},
		{"headers without end", flood(head, "A: "+strings.Repeat("b", 1000)+"\r\n"), long, "failed headers larger than 64 KiB"},
		{"one header without end", flood(head+"A: ", "bbbbbbbbbbbbbbbb"), long, "failed headers larger than 64 KiB"},
		{"interim answers without end", flood("", "HTTP/1.1 103 Early Hints\r\n\r\n"), long, "failed more than 5 interim answers"},
		{"interim answer first", say("HTTP/1.1 100 Continue\r\n\r\n" + head + "Content-Length: 2\r\n\r\nok"), long, "ok"},
		{"HTTP/1.0 without length", readThen("HTTP/1.0 200 OK\r\n\r\nok"), long, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := configured(t, "http", text("host", "h"), text("expect.body", "ok"))
			expectResult(t, run(t, c, testEnv, listen(t, "127.0.0.1:0", tt.serve), tt.timeout), tt.want)
		})
	}
}

// readThen answers once the request has begun to come, and closes without a reset.
func readThen(s string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, s)
	}
}

func reset(c net.Conn) {
	_, _ = c.Read(make([]byte, 4096))
	_ = c.(*net.TCPConn).SetLinger(0)
}

// flood sends s for ever after a beginning.
func flood(begin, s string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, begin)
		for err == nil {
			_, err = io.WriteString(c, s)
		}
	}
}

func TestHTTPMaxLatency(t *testing.T) {
	c := configured(t, "http", text("host", "h"), setting{"expect.max_latency", Value{Duration: time.Nanosecond}})
	r := run(t, c, testEnv, page(t, func(http.ResponseWriter, *http.Request) {}), long)
	if r.Kind != checks.Failed || !strings.HasPrefix(string(r.Reason), "slow: ") || !strings.HasSuffix(string(r.Reason), ", more than 1ns") {
		t.Errorf("got %v %q", r.Kind, r.Reason)
	}
}

func TestHTTPS(t *testing.T) {
	cert := good(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "sni="+r.TLS.ServerName)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert.Certificate}}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	to := netip.MustParseAddrPort(s.Listener.Addr().String())
	ca := setting{"ca_file", Value{Text: "ca.pem", Data: cert.caPEM}}
	for _, tt := range []struct {
		name     string
		settings []setting
		want     string
	}{
		{"the host is the name", []setting{text("host", "www.example.com:8443"), ca, text("expect.body", "sni=www.example.com")}, "ok"},
		{"sni of its own", []setting{text("host", "other.example.com"), text("sni", "www.example.com"), ca}, "ok"},
		{"wrong name", []setting{text("host", "other.example.com"), ca}, "failed certificate is not for other.example.com"},
		{"insecure", []setting{text("host", "other.example.com"), {"insecure", Value{Flag: true}}}, "ok"},
		{"unknown authority", []setting{text("host", "www.example.com")}, "failed certificate of an unknown authority"},
		{"days left", []setting{text("host", "www.example.com"), ca, number("cert_days", 29)}, "ok"},
		{"too few days left", []setting{text("host", "www.example.com"), ca, number("cert_days", 31)}, "failed certificate expires in 29 days, not 31"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, configured(t, "https", tt.settings...), testEnv, to, long)
			expectResult(t, r, tt.want)
			if left := time.Until(r.CertNotAfter); left < 29*24*time.Hour || left > 30*24*time.Hour {
				t.Errorf("certificate seen until %v", r.CertNotAfter)
			}
		})
	}
}

func TestHTTPKeys(t *testing.T) {
	for _, tt := range []struct {
		setting
		want string
	}{
		{text("path", "healthz"), `"healthz" does not begin with a slash`},
		{text("path", "/a b"), `"/a b" holds ' ': write it percent-encoded`},
		{text("path", "/a\r\nX: y"), `"/a\r\nX: y" holds '\r': write it percent-encoded`},
		{text("path", "/a#b"), `"/a#b" has a fragment, which is never sent`},
		{text("path", "/"+strings.Repeat("a", maxText)), "1025 bytes are more than 1024"},
		{text("host", "a\nb"), `"a\nb" is not a host name: '\n' may not stand in one`},
		{text("host", ""), `"" is not a host name`},
		{text("method", "get"), `"get" is not a method: GET, HEAD, POST, OPTIONS ... in upper case`},
		{text("method", "CONNECT"), "CONNECT is for proxies and cannot be probed"},
		{setting{"headers", Value{Pairs: []Pair{{"a b", "c"}}}}, `"a b" is not the name of a header`},
		{setting{"headers", Value{Pairs: []Pair{{"a", "c\r\nd: e"}}}}, `header a: "c\r\nd: e" is not a header's value`},
		{setting{"headers", Value{Pairs: []Pair{{"host", "c"}}}}, "header Host cannot be set: write `host` beside `path`"},
		{setting{"headers", Value{Pairs: []Pair{{"x-a", "c"}, {"X-A", "d"}}}}, "header X-A is there twice"},
		{setting{"headers", Value{Pairs: make([]Pair, maxHeaders+1)}}, "33 headers are more than 32"},
		{texts("expect.status", "2xx"), `"2xx" is not a status code ("204") or a range of them ("200-299")`},
		{texts("expect.status", "299-200"), `"299-200" is not a status code ("204") or a range of them ("200-299")`},
		{text("expect.body", ""), "must not be empty"},
		{text("expect.body_regex", "("), "not a regular expression: missing closing ): `(`"},
		{setting{"expect.max_latency", Value{}}, "must be more than 0"},
		{number("port", 0), "0 is not a port: 1 to 65535"},
		{text("address", "www"), `"www" is not an IP address`},
		{number("cert_days", -1), "-1 is not a number of days from 0 to 3650"},
		{setting{"ca_file", Value{Data: []byte("x")}}, "holds no certificate in PEM form"},
	} {
		c, _ := New("https")
		if err := apply(c, tt.setting); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.key, err, tt.want)
		}
	}
}
