package dnsserver_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
	"vitalns/dnsserver/packed"
	"vitalns/zones"
)

// A server that is not asked anything after a reload keeps nothing of what it served before it.
func TestForget(t *testing.T) {
	var current atomic.Pointer[zones.Table]
	current.Store(testTable(t))
	s := serve(t, dnsserver.Config{
		Listen: []string{"127.0.0.1:0"}, Table: current.Load, Fast: func() dnsserver.Fast { return packed.New("", dnsserver.DefaultUDPSize) },
	})
	for _, network := range []string{"udp", "tcp"} {
		for _, qtype := range []uint16{dns.TypeNS, dns.TypeANY, dns.TypeSOA} {
			exchange(t, network, s.Addrs()[0].String(), "hard.test.", qtype)
		}
	}
	old := weak.Make(current.Load().Set())
	current.Store(testTable(t))
	s.Forget()
	runtime.GC()
	if old.Value() != nil {
		t.Error("the zones of before are kept")
	}
	exchange(t, "udp", s.Addrs()[0].String(), "hard.test.", dns.TypeNS) // and is there to be asked
}
