package dnsserver

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	dohPath    = "/dns-query"
	dohMedia   = "application/dns-message"
	maxHeaders = 16 << 10 // a query in a URL is a few hundred bytes
	httpEnd    = 2 * time.Second

	// maxStreams is how many requests one connection of HTTP/2 may have at once; clients are told, and keep the
	// others back. RFC 9113 §6.5.2 recommends 100. But a client that takes no responses has each wait for some
	// seconds, with 12 kB and the response, and 100 on each of its connections were more than a gigabyte.
	maxStreams = 16
)

// A web answers DNS over HTTPS (RFC 8484), over HTTP/2 and HTTP/1.1, on the streams that it is handed.
type web struct {
	http  http.Server
	queue chan net.Conn
	once  sync.Once
	done  chan struct{} // closed when no more are taken
}

func newWeb(s *Server) *web {
	w := &web{queue: make(chan net.Conn), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc(dohPath, s.serveDoH)
	w.http = http.Server{
		Handler: aging(mux), TLSConfig: s.doh, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: s.times.query, ReadTimeout: s.times.query, WriteTimeout: s.times.query + s.times.write,
		IdleTimeout: s.times.secret, MaxHeaderBytes: maxHeaders,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, WriteByteTimeout: s.times.write,
			MaxReceiveBufferPerConnection: 128 << 10, MaxReceiveBufferPerStream: 64 << 10,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, streamKey{}, c.(*tls.Conn).NetConn())
		},
	}
	return w
}

// aging has a stream that has lasted long enough end behind its next response: by GOAWAY over HTTP/2.
func aging(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if st := streamOf(r); st.old() {
			st.because(endLife)
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func streamOf(r *http.Request) *stream { return r.Context().Value(streamKey{}).(*stream) }

// streamKey is the key of a request's stream: net/http has no other way to tell it.
type streamKey struct{}

// hand gives a stream to HTTP; false: it takes no more.
func (w *web) hand(conn net.Conn) bool {
	select {
	case w.queue <- conn:
		return true
	case <-w.done:
		return false
	}
}

// Accept implements net.Listener.
func (w *web) Accept() (net.Conn, error) {
	select {
	case conn := <-w.queue:
		return conn, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w *web) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

// Addr implements net.Listener.
func (w *web) Addr() net.Addr { return &net.TCPAddr{} }

// shutdown lets requests be answered, and closes what is left when that has had its time.
func (w *web) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpEnd)
	defer cancel()
	_ = w.http.Shutdown(ctx) // it ran out of time
	_ = w.http.Close()       // nothing is lost that could be kept
}

// serveDoH answers one request. Any message that can be answered is, with 200 and whatever rcode it
// deserves (RFC 8484 §4.2.1).
func (s *Server) serveDoH(w http.ResponseWriter, r *http.Request) {
	st := streamOf(r)
	s.crowd.use(st)
	wire, code, problem := dohMessage(w, r)
	if code != 0 {
		if code == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET, POST")
		}
		http.Error(w, problem, code)
		return
	}
	reply := s.handle(packet{wire: wire, client: st.client, via: HTTPS})
	if reply == nil {
		http.Error(w, "this is no DNS query", http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Type", dohMedia)
	h.Set("Content-Length", strconv.Itoa(len(reply)))
	// Answers may depend on who asks: no cache in between is to show them to others.
	h.Set("Cache-Control", fmt.Sprintf("private, max-age=%d", freshness(reply)))
	_, _ = w.Write(reply) // the client has gone
}

// dohMessage returns the message of a request, or the status that it deserves with a text.
func dohMessage(w http.ResponseWriter, r *http.Request) (wire []byte, code int, problem string) {
	switch r.Method {
	case http.MethodGet:
		all := r.URL.Query()["dns"]
		if len(all) != 1 {
			return nil, http.StatusBadRequest, "one parameter `dns` is wanted: a message in base64url"
		}
		wire, err := base64.RawURLEncoding.Strict().DecodeString(all[0])
		if err != nil {
			return nil, http.StatusBadRequest, "the parameter `dns` is not base64url without padding (RFC 8484 section 6)"
		}
		return wire, 0, ""
	case http.MethodPost:
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != dohMedia {
			return nil, http.StatusUnsupportedMediaType, "the content type is to be " + dohMedia
		}
		wire, err := io.ReadAll(http.MaxBytesReader(w, r.Body, dns.MaxMsgSize))
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			return nil, http.StatusRequestEntityTooLarge, "a message has at most 65535 bytes"
		}
		if err != nil {
			return nil, http.StatusBadRequest, "the message is not whole"
		}
		return wire, 0, ""
	}
	return nil, http.StatusMethodNotAllowed, "GET or POST"
}
