package dnsserver_test

import (
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/test/zonetest"
	"vitalns/zones"
)

// Additional records come from the zone that is asked: a client must not believe others.
func TestAdditionalOfOneZone(t *testing.T) {
	table := zones.NewTable(zonetest.Compile(t,
		zonetest.Master(t, "one.test.", "$TTL 60\n@ SOA ns a 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n@ MX 10 ns\n@ MX 20 ns.two.test.\ncut NS ns.two.test.\n"),
		zonetest.Master(t, "two.test.", "$TTL 60\n@ SOA ns a 1 2 3 4 5\n@ NS ns\nns A 192.0.2.2\n"),
	), &checks.Snapshot{})
	for _, tt := range []struct {
		qname string
		qtype uint16
		want  string
	}{
		{"one.test.", dns.TypeMX, "NOERROR aa one.test.\n  answer one.test. 60 IN MX 10 ns.one.test.\n  answer one.test. 60 IN MX 20 ns.two.test.\n  additional ns.one.test. 60 IN A 192.0.2.1\n"},
		{"x.cut.one.test.", dns.TypeA, "NOERROR x.cut.one.test.\n  authority cut.one.test. 60 IN NS ns.two.test.\n"},
	} {
		m := new(dns.Msg).SetQuestion(tt.qname, tt.qtype)
		m.RecursionDesired = false
		q, err := dnsserver.NewQuery(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := draw(onBothPaths(t, table, q)); got != tt.want {
			t.Errorf("%s %s: got\n%swant\n%s", tt.qname, dns.Type(tt.qtype), got, tt.want)
		}
	}
}
