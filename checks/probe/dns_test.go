package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
)

// dnsServer answers over UDP and TCP on one port.
func dnsServer(t *testing.T, h dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: pc, Handler: h}} {
		started, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(done); _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.ShutdownContext(context.Background()); <-done })
	}
	return netip.MustParseAddrPort(l.Addr().String())
}

// respond answers every query with an rcode and the records.
func respond(rcode int, records ...string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, rcode)
		for _, s := range records {
			rr, err := dns.NewRR(s)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		_ = w.WriteMsg(m)
	}
}

func TestDNS(t *testing.T) {
	const a = "www.example.com. 60 IN A 192.0.2.1"
	for _, tt := range []struct {
		name     string
		h        dns.HandlerFunc
		settings []setting
		want     string
	}{
		{"any answer", respond(dns.RcodeSuccess, a), nil, "ok"},
		{"no answer will do", respond(dns.RcodeSuccess), nil, "ok"},
		{"refused", respond(dns.RcodeRefused), nil, "failed rcode REFUSED"},
		{"refused is expected", respond(dns.RcodeRefused), []setting{texts("expect.rcode", "NXDOMAIN", "REFUSED")}, "ok"},
		{"answer", respond(dns.RcodeSuccess, a), []setting{texts("expect.answer", "192.0.2.1")}, "ok"},
		{"other answer", respond(dns.RcodeSuccess, a), []setting{texts("expect.answer", "192.0.2.1", "192.0.2.2")}, `failed answer lacks "192.0.2.2"`},
		{"answer of another type", respond(dns.RcodeSuccess, a), []setting{text("rrtype", "AAAA"), texts("expect.answer", "2001:DB8:0::1")}, `failed answer lacks "2001:DB8:0::1"`},
		{"behind a CNAME", respond(dns.RcodeSuccess, "www.example.com. 60 IN CNAME x.example.net.", "x.example.net. 60 IN MX 10 MAIL.example.net."),
			[]setting{text("rrtype", "MX"), texts("expect.answer", "10 mail.Example.net.")}, "ok"},
		{"truncated", func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			_ = w.WriteMsg(m)
		}, []setting{texts("expect.answer", "192.0.2.1")}, `failed answer truncated, lacks "192.0.2.1": use transport tcp`},
		{"malformed", func(w dns.ResponseWriter, q *dns.Msg) {
			b, _ := new(dns.Msg).SetReply(q).Pack()
			_, _ = w.Write(b[:len(b)-3])
		}, nil, "failed malformed response"},
		{"header only", func(w dns.ResponseWriter, q *dns.Msg) {
			_ = w.WriteMsg(&dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Rcode: dns.RcodeFormatError}})
		}, nil, "failed rcode FORMERR"},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(tt.name+" over "+transport, func(t *testing.T) {
				c := configured(t, "dns", append(tt.settings, text("name", "WWW.example.com"), text("transport", transport))...)
				expectResult(t, run(t, c, testEnv, dnsServer(t, tt.h), long), tt.want)
			})
		}
	}
}

func TestDNSStrangers(t *testing.T) {
	stranger := func(change func(*dns.Msg)) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			change(m)
			_ = w.WriteMsg(m)
			_, _ = w.Write(nil)
			respond(dns.RcodeSuccess)(w, q)
		}
	}
	for name, change := range map[string]func(*dns.Msg){
		"other id":   func(m *dns.Msg) { m.Id++ },
		"no answer":  func(m *dns.Msg) { m.Response = false },
		"other name": func(m *dns.Msg) { m.Question[0].Name = "other." },
	} {
		t.Run(name, func(t *testing.T) {
			c := configured(t, "dns", text("name", "a."))
			expectResult(t, run(t, c, testEnv, dnsServer(t, stranger(change)), long), "ok")
		})
	}
}

func TestDNSSilence(t *testing.T) {
	c := configured(t, "dns", text("name", "a."))
	silent := dnsServer(t, func(dns.ResponseWriter, *dns.Msg) {})
	expectResult(t, run(t, c, testEnv, silent, short), "failed timeout waiting for the answer")
	expectResult(t, run(t, c, testEnv, closedPort(t), long), "failed refused")
}

func TestDNSKeys(t *testing.T) {
	for _, tt := range []struct {
		setting
		want string
	}{
		{text("name", "a..b"), `"a..b" is not a domain name`},
		{text("name", "\xf1."), `"\xf1." is not a domain name: write other characters as \DDD or xn--`},
		{text("name", ""), `"" is not a domain name`},
		{text("rrtype", "a"), `"a" is not a type that can be asked for`},
		{text("rrtype", "AXFR"), `"AXFR" is not a type that can be asked for`},
		{texts("expect.rcode", "NOPE"), `"NOPE" is not a response code: NOERROR, NXDOMAIN, REFUSED ...`},
		{texts("expect.answer", " "), `" " is not record data`},
		{text("transport", "tls"), `"tls" is neither udp nor tcp`},
	} {
		c, _ := New("dns")
		if err := apply(c, tt.setting); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.key, err, tt.want)
		}
	}
}

// A target with a name is resolved by the resolver of the node; its failing is no word on the target.
func TestResolve(t *testing.T) {
	to := listen(t, "127.0.0.1:0", hang)
	for _, tt := range []struct {
		name string
		h    dns.HandlerFunc
		want string
	}{
		{"an address", func(w dns.ResponseWriter, q *dns.Msg) {
			if q.Question[0].Qtype == dns.TypeA {
				respond(dns.RcodeSuccess, q.Question[0].Name+" 60 IN A 127.0.0.1")(w, q)
				return
			}
			respond(dns.RcodeSuccess)(w, q)
		}, "ok"},
		{"no such name", respond(dns.RcodeNameError), "failed the name has no address"},
		{"no address", func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.RecursionAvailable = true
			_ = w.WriteMsg(m)
		}, "failed the name has no address"},
		{"a resolver that fails", respond(dns.RcodeServerFailure), "void resolver: server misbehaving"},
		{"a resolver that is silent", func(dns.ResponseWriter, *dns.Msg) {}, "void resolver: timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := &Env{Resolver: dnsServer(t, tt.h).String()}
			c := configured(t, "tcp", number("port", int64(to.Port())))
			timeout := long
			if tt.name == "a resolver that is silent" {
				timeout = short
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			expectResult(t, c.Prober(env).Probe(ctx, Target(c, "x.cdn.example.", timeout)), tt.want)
		})
	}
}

func TestIdentity(t *testing.T) {
	id := func(kind string, settings ...setting) checks.Identity {
		t.Helper()
		return configured(t, kind, settings...).Identity(long)
	}
	host := text("host", "h")
	base := id("http", host)
	same := map[string]checks.Identity{
		"port":            id("http", host, number("port", 8080)),
		"address":         id("http", host, text("address", "192.0.2.1")),
		"written default": id("http", text("host", "H."), text("path", "/"), texts("expect.status", "250-299", "200-249")),
	}
	for name, got := range same {
		if got != base {
			t.Errorf("%s changes the identity", name)
		}
	}
	other := map[string]checks.Identity{
		"type":    id("https", host),
		"timeout": configured(t, "http", host).Identity(short),
		"path":    id("http", host, text("path", "/x")),
		"method":  id("http", host, text("method", "HEAD")),
		"header":  id("http", host, setting{"headers", Value{Pairs: []Pair{{"a", "b"}}}}),
		"status":  id("http", host, texts("expect.status", "200")),
		"body":    id("http", host, text("expect.body", "x")),
		"regex":   id("http", host, text("expect.body_regex", "x")),
		"ca":      id("https", host, setting{"ca_file", Value{Data: good(t).caPEM}}),
		"tcp":     id("tcp", number("port", 1)),
		"icmp":    id("icmp"),
	}
	seen := map[checks.Identity]string{base: "base"}
	for name, got := range other {
		if before, ok := seen[got]; ok {
			t.Errorf("%s and %s have one identity", name, before)
		}
		seen[got] = name
	}
	ca := good(t).caPEM
	one, twice := id("tls", setting{"ca_file", Value{Data: ca}}), id("tls", setting{"ca_file", Value{Data: append(append([]byte("note\n"), ca...), ca...)}})
	if one != twice {
		t.Error("the same authorities, written otherwise, change the identity")
	}
	// Nodes of every version must agree: a change of this value needs a new identityVersion.
	if got, want := fmt.Sprintf("%x", base.Sum), "e6c0d7b27642c9cc21ae9c2e31ed62a4"; got != want {
		t.Errorf("the identity of an http check is %s, was %s", got, want)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		kind     string
		settings []setting
		want     string
	}{
		{"http", nil, "host is required: the Host header to send"},
		{"http", []setting{text("host", "h"), text("method", "HEAD"), text("expect.body", "x")}, "an answer to HEAD has no body to expect anything of"},
		{"https", []setting{text("host", "h"), {"insecure", Value{Flag: true}}, {"ca_file", Value{Data: good(t).caPEM}}}, "ca_file means nothing beside insecure = true"},
		{"tcp", nil, "port is required"},
		{"dns", nil, "name is required: the name to ask for"},
		{"dns", []setting{text("name", "a"), texts("expect.answer", "nonsense")}, `answer "nonsense" is not the data of a record of type A`},
		{"dns", []setting{text("name", "a"), texts("expect.answer", "192.0.2.1"), texts("expect.rcode", "NXDOMAIN")}, "an answer is expected, but NOERROR is not"},
	} {
		c, _ := New(tt.kind)
		for _, s := range tt.settings {
			if err := apply(c, s); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.kind, err, tt.want)
		}
	}
	c, _ := New("tcp")
	if err := apply(c, text("starttls", "ftp")); err == nil || err.Error() != `"ftp" is none of smtp, imap, pop3, ldap, postgres` {
		t.Error(err)
	}
}

func TestTypesWith(t *testing.T) {
	for key, want := range map[string]string{"path": "[http https]", "port": "[dns http https tcp tls]", "sni": "[https tls]", "nonsense": "[]"} {
		if got := fmt.Sprint(TypesWith(key)); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	c := configured(t, "tls", text("address", "::ffff:192.0.2.9"))
	got := Target(c, "203.0.113.1", long)
	if got.Host != "192.0.2.9" || got.Port != 443 || got.Probe != c.Identity(long) {
		t.Errorf("got %+v", got)
	}
}
