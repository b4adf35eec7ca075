package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
)

// A tape plays what a target sends and takes whatever is sent to it.
type tape struct{ io.Reader }

func (tape) Write(b []byte) (int, error) { return len(b), nil }

// Whatever a target says, a dialogue ends with the handshake to come, or with words for a person, and
// what postgres and LDAP read is not one byte more than theirs.
func FuzzStartTLS(f *testing.F) {
	for _, s := range []string{
		"220-mx\r\n220 ESMTP\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n", "554 no\r\n", "220\r\n250\r\n",
		"* OK\r\na OK\r\n", "* BYE\r\n", "+OK\r\n+OK\r\n", "-ERR\r\n", "S", "N",
		"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", "\x30\x84\x00\x00\x00\x0c\x02\x01\x00", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for protocol := range dialogues {
			r := bytes.NewReader(b)
			err := startTLS(protocol, tape{r})
			if err == nil && r.Len() > 0 && protocol != "postgres" && protocol != "ldap" && r.Len() < maxLine && len(b) < maxLine {
				t.Errorf("%s: %d bytes are left over unseen", protocol, r.Len())
			}
			if err != nil {
				checkReason(t, err)
			}
		}
	})
}

func FuzzHTTP(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.0 503\r\n\r\n", "x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := httpProber{HTTP: *newHTTP(false), expect: expectation{text: "ok"}}
		err := p.judge(bytes.NewReader(b))
		if err != nil {
			checkReason(t, err)
		} else if !bytes.Contains(b, []byte("o")) || !bytes.Contains(b, []byte("k")) {
			t.Error("an expectation was met out of nothing")
		}
		if _, err := readResponse(bufio.NewReader(bytes.NewReader(b)), "HEAD"); err != nil {
			checkReason(t, headersError(err, 1))
		}
	})
}

func checkReason(t *testing.T, err error) {
	t.Helper()
	r := begin(t.Context()).end(t.Context(), err)
	if r.Kind != checks.Failed || r.Reason == "" || len(r.Reason) > checks.MaxReason {
		t.Errorf("got %v %q", r.Kind, r.Reason)
	}
}

func FuzzDNS(f *testing.F) {
	p := &dnsProber{DNS: DNS{Name: "a.", RRType: dns.TypeA, Rcodes: []int{0}, Answers: []string{"192.0.2.1"}}}
	p.wanted, _ = p.DNS.wanted()
	query := p.query(0x1234)
	reply := new(dns.Msg).SetReply(query)
	rr, _ := dns.NewRR("A. 60 IN A 192.0.2.1")
	reply.Answer = []dns.RR{rr}
	packed, _ := reply.Pack()
	f.Add(packed)
	f.Add(packed[:12])
	f.Fuzz(func(t *testing.T, b []byte) {
		resp, err := answerTo(query, b)
		if err == nil && resp != nil {
			err = p.judge(resp)
			if err == nil && !bytes.Contains(b, []byte{192, 0, 2, 1}) {
				t.Error("an answer was found where there is none")
			}
		}
		if err != nil {
			checkReason(t, err)
		}
	})
}

// The parsers of ICMP take anything; a request that comes back as a reply, or inside an error, is told
// apart from all others.
func FuzzICMP(f *testing.F) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	request := echoRequest(v4, 7, 9, 11)
	reply := bytes.Clone(request)
	reply[0] = icmp4Reply
	f.Add(reply)
	f.Add(unreachableMessage(v4, request))
	f.Add(unreachableMessage(v6, echoRequest(v6, 7, 9, 11)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parseICMP4(v4, b); ok && e.errno == 0 && (e.peer != v4 || len(b) < 16) {
			t.Errorf("got %+v", e)
		}
		if e, ok := parseICMP6(v6, b); ok && e.errno == 0 && (e.peer != v6 || len(b) < 16) {
			t.Errorf("got %+v", e)
		}
		stripIPv4(b)
		_, _ = readBER(bytes.NewReader(b))
		_, _ = ldapResult(b)
	})
}

// unreachableMessage is the error of a router that cannot reach the host of a request.
func unreachableMessage(to netip.Addr, request []byte) []byte {
	if to.Is4() {
		header := make([]byte, 20)
		header[0], header[9] = 0x45, 1
		copy(header[16:], to.AsSlice())
		return append(append([]byte{icmp4Unreachable, 1, 0, 0, 0, 0, 0, 0}, header...), request...)
	}
	header := make([]byte, 40)
	header[0], header[6] = 0x60, 58
	copy(header[24:], to.AsSlice())
	return append(append([]byte{icmp6Unreachable, 3, 0, 0, 0, 0, 0, 0}, header...), request...)
}

func TestICMPErrors(t *testing.T) {
	for _, to := range []string{"192.0.2.1", "2001:db8::1"} {
		a := netip.MustParseAddr(to)
		parse := parseICMP4
		if !a.Is4() {
			parse = parseICMP6
		}
		router := netip.MustParseAddr("198.51.100.1")
		e, ok := parse(router, unreachableMessage(a, echoRequest(a, 7, 9, 11)))
		if !ok || e.peer != a || e.id != 7 || e.seq != 9 {
			t.Fatalf("%s: got %+v %v", to, e, ok)
		}
		r := begin(t.Context()).end(t.Context(), e.errno)
		expectResult(t, r, "failed host unreachable")
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("www.example.com", int64(80))
	f.Add("200-299", int64(-1))
	f.Add("/path", int64(70000))
	f.Fuzz(func(t *testing.T, s string, n int64) {
		for _, kind := range Kinds() {
			c, _ := New(kind)
			v := Value{Text: s, Texts: []string{s}, Integer: n, Pairs: []Pair{{"X-A", s}, {s, "b"}}, Data: []byte(s)}
			for _, k := range c.Keys() {
				for _, k := range append(k.Keys, k) {
					if k.Set != nil {
						_ = k.Set(v) // what is refused leaves the check as it was
					}
				}
			}
			if c.Validate() != nil {
				continue
			}
			if first, again := c.Identity(long), c.Identity(long); first != again {
				t.Error("an identity is not stable")
			}
			if h, ok := c.(*HTTP); ok {
				checkRequest(t, h)
			}
			if d, ok := c.(*DNS); ok {
				if _, err := (&dnsProber{DNS: *d}).query(1).Pack(); err != nil {
					t.Errorf("a valid check cannot be asked: %v", err)
				}
			}
		}
	})
}

// checkRequest: whatever was configured, a request is one request, with the headers that were meant.
func checkRequest(t *testing.T, h *HTTP) {
	t.Helper()
	head, rest, ok := strings.Cut(h.request("ua"), "\r\n\r\n")
	if !ok || rest != "" || strings.Count(head, "\r\nHost: ") != 1 {
		t.Errorf("request %q", head)
	}
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("request line %q", line)
		}
	}
}

// A target that answers byte by byte does not make the search quadratic for ever, and is still met.
func TestExpectationDribble(t *testing.T) {
	e := expectation{text: strings.Repeat("x", 100) + "ok"}
	if err := e.meet(iotestOneByte{strings.NewReader(strings.Repeat("x", maxRead-2) + "ok")}, "answer"); err != nil {
		t.Error(err)
	}
	if err := e.meet(errReader{}, "answer"); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type iotestOneByte struct{ r io.Reader }

func (r iotestOneByte) Read(b []byte) (int, error) { return r.r.Read(b[:1]) }

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrNoProgress }
