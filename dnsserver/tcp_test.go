package dnsserver

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// White box: a stream over a pipe, in virtual time, from its accept to its end.

// A pipeEnd is a connection that says who is at its other end.
type pipeEnd struct {
	net.Conn
	remote net.Addr
}

func (p pipeEnd) RemoteAddr() net.Addr { return p.remote }

// piped makes a server without sockets.
func piped(t *testing.T, cfg Config) *Server {
	t.Helper()
	table := hardTable(t)
	cfg.Table = func() *zones.Table { return table }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dial connects a client to a server by a pipe. done is closed when the server has done with it.
func dial(s *Server, l *listener, from string) (client net.Conn, done chan struct{}) {
	client, conn := net.Pipe()
	done = make(chan struct{})
	st, ok := s.admit(l, pipeEnd{conn, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 4711))})
	if !ok {
		close(done)
		return client, done
	}
	go func() {
		defer close(done)
		s.begin(l, st)
	}()
	return client, done
}

// endings are the streams that were closed, as "tcp idle 1".
func (s *Server) endingsText() string {
	var all []string
	for via := TCP; via < transports; via++ {
		for why := range endings {
			if n := s.stats.ended[via][why].Load(); n > 0 {
				all = append(all, fmt.Sprintf("%s %s %d", via, why, n))
			}
		}
	}
	return strings.Join(all, ", ")
}

// query is one query, with its length before it.
func query(t testing.TB, qname string) []byte {
	t.Helper()
	wire, err := new(dns.Msg).SetQuestion(qname, dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
}

// A client that is slow is let go in its time, and why is counted; one that goes on asking is not.
func TestStreamTimes(t *testing.T) {
	q := query(t, "mail.hard.test.")
	trickle := func(c net.Conn) { // a byte a second
		for _, b := range q {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	for _, tt := range []struct {
		what   string
		client func(c net.Conn)
		after  time.Duration
		ending string
	}{
		{"nothing", func(net.Conn) {}, defaultTimes.idle, "tcp idle 1"},
		{"one byte", func(c net.Conn) { c.Write(q[:1]) }, defaultTimes.query, "tcp slow_query 1"},
		{"half a query", func(c net.Conn) { c.Write(q[:20]) }, defaultTimes.query, "tcp slow_query 1"},
		{"a byte a second", trickle, defaultTimes.query, "tcp slow_query 1"},
		{"a query and then nothing", func(c net.Conn) { c.Write(q); readFramed(c) }, defaultTimes.idle, "tcp idle 1"},
		{"a query and half of the next", func(c net.Conn) { c.Write(append(q[:len(q):len(q)], q[:5]...)); readFramed(c) }, defaultTimes.query, "tcp slow_query 1"},
		{"a query, and its answer is not read", func(c net.Conn) { c.Write(q) }, defaultTimes.write, "tcp slow_reader 1"},
		{"gone", func(c net.Conn) { c.Close() }, 0, "tcp client 1"},
		{"a response", func(c net.Conn) { c.Write(append([]byte{0, 12, 0, 1, 0x80}, make([]byte, 9)...)) }, 0, "tcp not_query 1"},
		{"an empty message", func(c net.Conn) { c.Write([]byte{0, 0}) }, 0, "tcp not_query 1"},
		{"a query every nine seconds, for half an hour", func(c net.Conn) {
			for range 200 {
				time.Sleep(9 * time.Second)
				c.Write(q)
				readFramed(c)
			}
			c.Close()
		}, 30 * time.Minute, "tcp client 1"},
		{"a query every nine seconds, for ever", func(c net.Conn) { // and it does not see the end, since a pipe has no half of one
			for err := error(nil); err == nil; _, err = readFramed(c) {
				time.Sleep(9 * time.Second)
				c.Write(q)
			}
		}, defaultTimes.life + defaultTimes.busy, "tcp lifetime 1"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := piped(t, Config{})
				begin := time.Now()
				client, done := dial(s, &listener{via: TCP}, "192.0.2.7")
				asked := make(chan struct{})
				go func() {
					defer close(asked)
					tt.client(client)
				}()
				<-done
				if took := time.Since(begin); took != tt.after {
					t.Errorf("closed after %s, want %s", took, tt.after)
				}
				if got := s.endingsText(); got != tt.ending {
					t.Errorf("counted %q, want %q", got, tt.ending)
				}
				if n, _ := s.crowd.by(); n[TCP] != 0 || len(s.crowd.clients) != 0 {
					t.Errorf("left behind: %v, %v", n, s.crowd.clients)
				}
				_ = client.Close() // so that it ends
				<-asked
			})
		})
	}
}

// readFramed reads one response.
func readFramed(r io.Reader) (*dns.Msg, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, wire); err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	return m, m.Unpack(wire)
}

// Queries that come in one segment are answered with one write.
func TestManyQueriesPerSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, Config{})
		client, done := dial(s, &listener{via: TCP}, "192.0.2.7")
		const n = 50
		var batch []byte
		for i := range n {
			q := query(t, "mail.hard.test.")
			binary.BigEndian.PutUint16(q[2:], uint16(i))
			batch = append(batch, q...)
		}
		half := query(t, "mail.hard.test.")
		if _, err := client.Write(append(batch, half[:7]...)); err != nil { // and one begins
			t.Fatal(err)
		}
		buf := make([]byte, 1<<16)
		got, err := client.Read(buf) // a pipe gives no more than one write at once
		if err != nil {
			t.Fatal(err)
		}
		in := bytes.NewReader(buf[:got])
		for i := range n {
			m, err := readFramed(in)
			if err != nil || int(m.Id) != i || len(m.Answer) != 1 {
				t.Fatalf("response %d: got %v, %v", i, m, err)
			}
		}
		if in.Len() > 0 {
			t.Errorf("%d bytes more", in.Len())
		}
		if _, err := client.Write(half[7:]); err != nil {
			t.Fatal(err)
		}
		if m, err := readFramed(client); err != nil || len(m.Answer) != 1 {
			t.Errorf("the one that came in two segments: got %v, %v", m, err)
		}
		_ = client.Close() // the server sees it
		<-done
	})
}

// When more than half of the room is taken a stream that idles gives way sooner.
func TestStreamsWhenBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, Config{MaxStreams: 3})
		begin := time.Now()
		one, done1 := dial(s, &listener{via: TCP}, "192.0.2.1")
		synctest.Wait() // it waits already, with all the time of a quiet server
		two, done2 := dial(s, &listener{via: TCP}, "192.0.2.2")
		<-done2
		if took := time.Since(begin); took != defaultTimes.busy {
			t.Errorf("the second was closed after %s", took)
		}
		<-done1
		if took := time.Since(begin); took != defaultTimes.idle {
			t.Errorf("the first was closed after %s", took)
		}
		_, _ = one.Close(), two.Close() // they end
	})
}

// The server stops: what is on its way is answered, and who is silent is let go after a moment.
func TestStreamsDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, Config{})
		silent, done1 := dial(s, &listener{via: TCP}, "192.0.2.1")
		begun, done2 := dial(s, &listener{via: TCP}, "192.0.2.2")
		q := query(t, "mail.hard.test.")
		if _, err := begun.Write(q[:10]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begin := time.Now()
		s.crowd.drain(s.times.grace)
		if _, err := begun.Write(q[10:]); err != nil {
			t.Fatal(err)
		}
		if m, err := readFramed(begun); err != nil || len(m.Answer) != 1 {
			t.Errorf("what was on its way: got %v, %v", m, err)
		}
		<-done1
		<-done2
		if took := time.Since(begin); took != s.times.grace {
			t.Errorf("took %s", took)
		}
		late, done3 := dial(s, &listener{via: TCP}, "192.0.2.3")
		<-done3
		if got := s.endingsText(); got != "tcp shutdown 3" {
			t.Errorf("counted %q", got)
		}
		_, _, _ = silent.Close(), begun.Close(), late.Close() // they end
	})
}

// A handshake has its time, as a PROXY header has; neither may trickle in.
func TestIntroductionsInTime(t *testing.T) {
	hello := tlsHello(t)
	for _, tt := range []struct {
		what   string
		l      listener
		sent   []byte
		ending string
	}{
		{"nothing, over TLS", listener{via: TLS}, nil, "dot tls 1"},
		{"half a handshake", listener{via: TLS}, hello[:40], "dot tls 1"},
		{"half a handshake, over HTTPS", listener{via: HTTPS}, hello[:40], "doh tls 1"},
		{"no PROXY header", listener{via: TCP, proxied: true}, nil, "tcp proxy 1"},
		{"half a PROXY header, before TLS", listener{via: TLS, proxied: true}, []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0"), "dot proxy 1"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			cert := testCertificate(t, "ns1.hard.test")
			synctest.Test(t, func(t *testing.T) {
				s := piped(t, Config{Certificate: cert, TLS: nil, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
				begin := time.Now()
				client, done := dial(s, &tt.l, "192.0.2.7")
				go func() {
					for _, b := range tt.sent {
						if _, err := client.Write([]byte{b}); err != nil {
							return
						}
						time.Sleep(time.Millisecond)
					}
				}()
				<-done
				if took := time.Since(begin); took != defaultTimes.query {
					t.Errorf("closed after %s", took)
				}
				if got := s.endingsText(); got != tt.ending {
					t.Errorf("counted %q, want %q", got, tt.ending)
				}
				_ = client.Close() // so that it ends
			})
		})
	}
}

// tlsHello is the first message of a TLS client.
func tlsHello(t *testing.T) []byte {
	t.Helper()
	client, server := net.Pipe()
	go func() { _ = tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake() }() // nobody answers
	buf := make([]byte, 1<<14)
	n, err := server.Read(buf)
	_, _ = server.Close(), client.Close() // that was all
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// A length that is claimed takes no memory until the bytes are there, and a long message leaves none behind.
func TestFramedMemory(t *testing.T) {
	var f framed
	long := append([]byte{0xff, 0xff}, make([]byte, 1<<16-1)...)
	sent := 0
	for sent < len(long) {
		n := min(1000, len(long)-sent)
		if err := f.fill(bytes.NewReader(long[sent : sent+n])); err != nil {
			t.Fatal(err)
		}
		if sent += f.to - min(f.to, sent); len(f.buf) > max(inputSize, 2*f.to) {
			t.Fatalf("%d bytes came, %d are held", f.to, len(f.buf))
		}
	}
	if wire := f.next(); len(wire) != 1<<16-1 || !f.empty() {
		t.Fatalf("got %d bytes", len(wire))
	}
	if err := f.fill(strings.NewReader("x")); err != nil || len(f.buf) != inputSize {
		t.Errorf("%d bytes are held for one (%v)", len(f.buf), err)
	}
}

// FuzzFramed: messages come out as they were put in, however the stream is cut.
func FuzzFramed(f *testing.F) {
	f.Add([]byte("\x00\x03abc\x00\x00\x00\x01x"), []byte{1, 2, 3})
	f.Add(append([]byte{0x30, 0}, make([]byte, 0x3000+5)...), []byte{255, 1})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		var want [][]byte
		rest := stream
		for len(rest) >= 2 && len(rest) >= 2+int(binary.BigEndian.Uint16(rest)) {
			n := 2 + int(binary.BigEndian.Uint16(rest))
			want = append(want, rest[2:n])
			rest = rest[n:]
		}
		in := &cutReader{stream, bytes.Clone(cuts)}
		var got framed
		for i := 0; ; {
			for wire := got.next(); wire != nil; wire = got.next() {
				if i == len(want) || !bytes.Equal(wire, want[i]) {
					t.Fatalf("message %d: got %x", i, wire)
				}
				i++
			}
			if err := got.fill(in); errors.Is(err, io.EOF) {
				if i != len(want) || !bytes.Equal(got.buf[got.from:got.to], rest) {
					t.Fatalf("got %d messages and %x, want %d and %x", i, got.buf[got.from:got.to], len(want), rest)
				}
				return
			}
			if len(got.buf) > max(inputSize, 2*got.to) {
				t.Fatalf("%d bytes are held for %d", len(got.buf), got.to)
			}
		}
	})
}

// A cutReader reads as many bytes at once as its cuts say, in turn.
type cutReader struct{ rest, cuts []byte }

func (r *cutReader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	most := 1 + 16*len(r.cuts)
	if len(r.cuts) > 0 {
		most = 1 + 16*int(r.cuts[0])
		r.cuts = append(r.cuts[1:], r.cuts[0])
	}
	n := copy(b[:min(len(b), most)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
