package probe

import (
	"context"
	"testing"

	"github.com/miekg/dns"
)

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
