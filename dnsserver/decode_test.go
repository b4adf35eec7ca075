package dnsserver

import (
	"testing"

	"github.com/miekg/dns"
)

// A client subnet has the octets its prefix needs, or the query is malformed. White box, because
// unpacked options no longer show how many there were.
func TestDecodeSubnet(t *testing.T) {
	tests := []struct {
		name   string
		option []byte
		want   verdict
	}{
		{"24 bits of IPv4 in 3 octets", []byte{0, 1, 24, 0, 198, 51, 100}, wellFormed},
		{"20 bits of IPv4 in 3 octets", []byte{0, 1, 20, 0, 198, 51, 96}, wellFormed},
		{"48 bits of IPv6 in 6 octets", []byte{0, 2, 48, 0, 0x20, 1, 0xd, 0xb8, 0, 1}, wellFormed},
		{"no bits", []byte{0, 1, 0, 0}, wellFormed},
		{"no family, no bits", []byte{0, 0, 0, 0}, wellFormed},
		{"an octet too few", []byte{0, 1, 24, 0, 198, 51}, malformed},
		{"an octet too many", []byte{0, 1, 24, 0, 198, 51, 100, 0}, malformed},
		{"no bits in an octet", []byte{0, 1, 0, 0, 0}, malformed},
		{"too short for a family", []byte{0}, malformed},
		{"empty", nil, malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := new(dns.Msg).SetQuestion("ecs.pool.test.", dns.TypeA).SetEdns0(1232, false)
			opt := m.IsEdns0()
			opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: tt.option})
			wire, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			if _, got := decode(wire); got != tt.want {
				t.Errorf("got verdict %d, want %d", got, tt.want)
			}
		})
	}
}
