package dnsserver_test

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/zones"
)

// onBothPaths is Respond, and asks the fast path as well: what that answers itself has to be the same, byte
// for byte.
func onBothPaths(t testing.TB, table *zones.Table, q dnsserver.Query) *dns.Msg {
	t.Helper()
	m := dnsserver.Respond(table, q)
	if q.Verdict != edge.OK {
		return m
	}
	if q.UDPSize == 0 {
		q.UDPSize = dnsserver.DefaultUDPSize
	}
	out := make([]byte, dns.MaxMsgSize)
	n, _, ok := packed.New(q.NSID, q.UDPSize).Answer(table, q.Msg, &edge.Request{
		Client: q.Client, Stream: q.Via != dnsserver.UDP, Encrypted: q.Via > dnsserver.TCP, Keepalive: q.Keepalive, Draw: q.Draw, Cookie: q.Cookie,
	}, out)
	if !ok {
		return m
	}
	want, err := m.Pack()
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	if got := out[:n]; !bytes.Equal(got, want) {
		other := new(dns.Msg)
		err := other.Unpack(got)
		t.Errorf("%x\nthe fast path answers (%v):\n%s%x\nwant:\n%s%x", q.Msg.Wire, err, draw(other), got, draw(m), want)
	}
	return m
}
