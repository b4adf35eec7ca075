package probe

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
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
		{texts("expect.rcode", "NOPE"), `"NOPE" is not a response code such as NOERROR, NXDOMAIN or REFUSED`},
		{texts("expect.answer", " "), `" " is not record data`},
		{text("transport", "tls"), `"tls" is neither udp nor tcp`},
	} {
		c, _ := New("dns")
		if err := apply(c, tt.setting); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.key, err, tt.want)
		}
	}
}
