package edge_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
)

// FuzzRead holds Read against miekg/dns: what is OK reads the same there, and what miekg/dns reads and
// says again without compression is OK, unless it is one of the things that are known to be stricter here.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		header("0100", 1, 0, 0, 0) + question,
		header("0000", 1, 0, 0, 2) + question + opt + tsig,
		header("0000", 1, 0, 1, 1) + qname + "00fb0001" + address + opt,
		header("0000", 1, 0, 0, 2) + question + address + opt,
		header("2800", 1, 1, 1, 1) + question + address + address + opt,
	} {
		f.Add(unhex(f, s))
	}
	f.Add(everything(f))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var q edge.Query
		v := edge.Read(wire, &q)
		if (len(wire) < 12) != (v == edge.Short) {
			t.Fatalf("%d bytes: got %s", len(wire), draw(&q, v))
		}
		if v == edge.Short || v == edge.Response {
			if v == edge.Response && wire[2]&0x80 == 0 {
				t.Fatalf("%x: got %s", wire, draw(&q, v))
			}
			return
		}
		if q.Name != nil && !bytes.HasPrefix(wire[12:], q.Name) {
			t.Fatalf("name %x of %x", q.Name, wire)
		}
		var m dns.Msg
		err := m.Unpack(wire)
		if m.Id != q.ID || m.Opcode != int(q.Opcode) || m.RecursionDesired != q.RD {
			t.Fatalf("%x: got %s, want the header of %v", wire, draw(&q, v), m.MsgHdr)
		}
		if q.Opcode != 0 {
			return
		}
		switch {
		case v == edge.OK && err == nil:
			same(t, &q, &m)
		case v == edge.Malformed && err == nil && !strict(wire, &m):
			t.Fatalf("%x: got %s, want\n%v", wire, draw(&q, v), &m)
		}
	})
}

// same holds a query against what miekg/dns read.
func same(t *testing.T, q *edge.Query, m *dns.Msg) {
	t.Helper()
	if (q.Name != nil) != (len(m.Question) == 1) {
		t.Fatalf("%x: got name %x, want %v", q.Wire, q.Name, m.Question)
	}
	if q.Name != nil {
		want := m.Question[0]
		name, _, err := dns.UnpackDomainName(q.Name, 0)
		if err != nil || name != want.Name || q.Type != want.Qtype || q.Class != want.Qclass {
			t.Fatalf("%x: got %s %d %d, want %v", q.Wire, name, q.Type, q.Class, want)
		}
	}
	o := m.IsEdns0()
	if (o != nil) != q.EDNS {
		t.Fatalf("%x: got EDNS %v, want %v", q.Wire, q.EDNS, o)
	}
	if o == nil {
		return
	}
	if o.UDPSize() != q.Size || o.Version() != q.Version || o.Do() != q.DO {
		t.Fatalf("%x: got %s, want %v", q.Wire, draw(q, edge.OK), o)
	}
	if q.Version != 0 {
		return
	}
	var want edge.Query
	for _, option := range o.Option {
		switch option := option.(type) {
		case *dns.EDNS0_NSID:
			want.NSID = true
		case *dns.EDNS0_TCP_KEEPALIVE:
			want.Keepalive = true
		case *dns.EDNS0_PADDING:
			want.Padding = true
		case *dns.EDNS0_SUBNET:
			if !want.Subnet.Present {
				want.Subnet = edge.Subnet{Present: true, Family: option.Family}
				if addr, ok := netip.AddrFromSlice(option.Address); ok && option.Family != 0 {
					if option.Family == 1 {
						addr = addr.Unmap()
					}
					want.Subnet.Prefix = netip.PrefixFrom(addr, int(option.SourceNetmask))
				}
			}
		}
	}
	if q.NSID != want.NSID || q.Keepalive != want.Keepalive || q.Padding != want.Padding || q.Subnet != want.Subnet {
		t.Fatalf("%x: got %s, want %s", q.Wire, draw(q, edge.OK), draw(&want, edge.OK))
	}
}

// strict reports whether a message has one of the things that miekg/dns reads and that are malformed here.
func strict(wire []byte, m *dns.Msg) bool {
	counts := [...]int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)}
	for i, n := range counts {
		if int(binary.BigEndian.Uint16(wire[4+2*i:])) != n {
			return true // counts that lie
		}
	}
	if len(m.Question) > 1 || len(m.Answer) > 0 || len(m.Ns) > 0 {
		return true // authority is for IXFR alone, whose records this does not look into
	}
	for i, rr := range m.Extra {
		h := rr.Header()
		switch rr := rr.(type) {
		case *dns.OPT:
			if rr != m.IsEdns0() || h.Name != "." || cookieOrSubnet(rr) {
				return true
			}
		case *dns.TSIG, *dns.SIG:
			return true // its place and its shape have tests of their own
		}
		if _, err := dns.NewRR(rr.String()); err != nil && h.Rrtype <= dns.TypeDNAME {
			return true // data that ends after one of its fields
		}
		if h.Rdlength == 0 || i < len(m.Extra)-1 && h.Rrtype == dns.TypeOPT && m.IsEdns0() != rr {
			return true // empty data is for UPDATE alone (RFC 2136 §2.4)
		}
	}
	return pointsOn(wire, m)
}

func cookieOrSubnet(o *dns.OPT) bool {
	for _, option := range o.Option {
		switch option.(type) {
		case *dns.EDNS0_COOKIE, *dns.EDNS0_SUBNET:
			return true // the lengths of both have tests of their own
		}
	}
	return false
}

// pointsOn reports whether a message is malformed for the names in it alone: said again without
// compression it is OK.
func pointsOn(wire []byte, m *dns.Msg) bool {
	again, err := m.Pack()
	if err != nil || bytes.Equal(again, wire) {
		return false
	}
	var q edge.Query
	return edge.Read(again, &q) == edge.OK
}
