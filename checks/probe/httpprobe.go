package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"vitalns/checks"
)

// Prober implements Check.
func (h *HTTP) Prober(env *Env) checks.Prober {
	p := &httpProber{HTTP: *h, env: env, expect: expectation{h.Body, h.BodyRegex}}
	p.request = sync.OnceValue(func() string { return h.request(env.UserAgent) })
	if h.TLS {
		p.tls = h.Trust.config(h.sni(), h.Trust.pool())
		p.tls.NextProtos = []string{"http/1.1"}
	}
	return p
}

type httpProber struct {
	HTTP
	env     *Env
	request func() string // made once, at the first probe: Env is complete by then
	tls     *tls.Config   // nil: http
	expect  expectation
}

// request writes the request out. It is HTTP/1.1 with a connection of its own, and asks for no
// compression, so that expectations see the body as it is.
func (h *HTTP) request(userAgent string) string {
	var b strings.Builder
	b.WriteString(h.Method + " " + h.Path + " HTTP/1.1\r\n")
	host := h.Host
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	b.WriteString("Host: " + host + "\r\n")
	own := []Pair{{"User-Agent", userAgent}, {"Accept", "*/*"}}
	for _, p := range own {
		if !slices.ContainsFunc(h.Headers, func(q Pair) bool { return q.Name == p.Name }) && validHeaderValue(p.Text) {
			b.WriteString(p.Name + ": " + p.Text + "\r\n")
		}
	}
	for _, p := range h.Headers {
		b.WriteString(p.Name + ": " + p.Text + "\r\n")
	}
	if h.Method == "POST" || h.Method == "PUT" || h.Method == "PATCH" {
		b.WriteString("Content-Length: 0\r\n")
	}
	b.WriteString("Connection: close\r\n\r\n")
	return b.String()
}

func (p *httpProber) Probe(ctx context.Context, t checks.Target) checks.Result {
	s := begin(ctx)
	addr, err := p.env.addr(ctx, t)
	if err != nil {
		return s.end(ctx, err)
	}
	c, err := p.env.dial(ctx, netip.AddrPortFrom(addr, t.Port))
	if err != nil {
		return s.end(ctx, err)
	}
	defer c.Close() // by a reset: nothing is lost that was not read
	notAfter, err := p.ask(c)
	r := s.end(ctx, err)
	r.CertNotAfter = notAfter
	if r.Kind == checks.OK && p.MaxLatency > 0 && r.Latency > p.MaxLatency {
		r.Kind = checks.Failed
		r.Reason = clean("slow: " + r.Latency.Round(time.Millisecond).String() + ", more than " + p.MaxLatency.String())
	}
	return r
}

func (p *httpProber) ask(c net.Conn) (notAfter time.Time, err error) {
	if p.tls != nil {
		tc := tls.Client(c, p.tls)
		if notAfter, err = p.accept(tc); err != nil {
			return notAfter, err
		}
		c = tc
	}
	if _, err := io.WriteString(c, p.request()); err != nil {
		return notAfter, during("while sending", err)
	}
	return notAfter, p.judge(c)
}

// judge reads the answer as far as it must be judged.
func (p *httpProber) judge(c io.Reader) error {
	bounded := &io.LimitedReader{R: c, N: maxRead}
	resp, err := readResponse(bufio.NewReaderSize(bounded, 2048), p.Method)
	if err != nil {
		return headersError(err, bounded.N)
	}
	// The body is not closed: that would read on to its end, and the connection is reset anyway.
	if !slices.ContainsFunc(p.Status, func(r StatusRange) bool { return r.From <= resp.StatusCode && resp.StatusCode <= r.To }) {
		return failed("status %d", resp.StatusCode)
	}
	if p.expect.none() {
		return nil
	}
	bounded.N = 16 * maxRead // a body in chunks of one byte is six times its size
	err = p.expect.meet(resp.Body, "body")
	if _, known := errors.AsType[*finding](err); err != nil && !known && !fromNetwork(err) {
		return failed("malformed body")
	}
	return during("in the body", err)
}

// readResponse reads up to the end of the final answer's headers; interim answers (1xx) are passed over.
func readResponse(br *bufio.Reader, method string) (*http.Response, error) {
	const mostInterim = 5
	for range mostInterim {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, failed("more than %d interim answers", mostInterim)
}

// headersError tells what came over the network from what does not parse.
func headersError(err error, left int64) error {
	switch _, known := errors.AsType[*finding](err); {
	case known:
		return err
	case fromNetwork(err) && left > 0:
		return during(awaiting, err)
	case left <= 0:
		return failed("headers larger than 64 KiB")
	}
	return failed("does not speak HTTP")
}
