package zones_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// The records of a Packed are what Rdata yields, as records of the question's name.
func TestPackedIsRdata(t *testing.T) {
	set := zonetest.Compile(t, zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone))
	for _, qtype := range []uint16{dns.TypeNS, dns.TypeMX, dns.TypeTXT} {
		out := set.Lookup(zonetest.Name(t, zonetest.HardOrigin), qtype)
		want, records := slices.Collect(out.RRset.Rdata()), out.RRset.Records()
		if n := out.RRset.Count(); n != len(want) || n == 0 || out.RRset.Type() != qtype {
			t.Fatalf("type %d: %d records of type %d, %d data", qtype, n, out.RRset.Type(), len(want))
		}
		msg := append(make([]byte, 12), 1, 'x', 0) // a name where a question stands
		off := len(msg)
		msg = append(msg, records...)
		for _, rdata := range want {
			rr, next, err := dns.UnpackRR(msg, off)
			if err != nil {
				t.Fatal(err)
			}
			if want := zones.UnpackRdata("x.", qtype, out.RRset.TTL(), rdata); rr.String() != want.String() {
				t.Errorf("got %v, want %v", rr, want)
			}
			off = next
		}
		if off != len(msg) {
			t.Errorf("type %d: %d bytes too many", qtype, len(msg)-off)
		}
	}
}

// The records of a pool's members are what drawing them gives, under any name.
func TestPoolRecords(t *testing.T) {
	src := zonetest.Master(t, "pool.test.", "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n@ NS ns.other.\n")
	src.Pools = []zones.Pool{{Name: "web", Policy: policy.AllKind, TTL: zones.TTL{Min: 30, Max: 30}, Members: []zones.Member{
		{Name: "a", Weight: 1, Addrs: memberAddrs("192.0.2.1", "192.0.2.2", "2001:db8::1")},
		{Name: "b", Weight: 1, Addrs: memberAddrs("192.0.2.3")},
	}}}
	table := zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{})
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a := table.Answer(0, qtype)
		for i, rdata := range a.Rdata {
			msg := append(make([]byte, 12), 1, 'x', 0) // a name where a question stands
			off := len(msg)
			part := a.Body.Part(i)
			if int(part.Count) != len(rdata) || int(part.Index) != a.Choice.Members[i].Index {
				t.Errorf("type %d, member %d: %+v", qtype, i, part)
			}
			msg = append(msg, a.Body[part.Begin:part.End]...)
			for _, want := range rdata {
				rr, next, err := dns.UnpackRR(msg, off)
				if err != nil {
					t.Fatal(err)
				}
				if got := zones.UnpackRdata("x.", qtype, 30, want); rr.String() != got.String() {
					t.Errorf("got %v, want %v", rr, got)
				}
				off = next
			}
			if off != len(msg) {
				t.Errorf("type %d, member %d: %d bytes too many", qtype, i, len(msg)-off)
			}
		}
	}
}

func memberAddrs(texts ...string) (addrs []zones.MemberAddr) {
	for _, text := range texts {
		addrs = append(addrs, zones.MemberAddr{Addr: netip.MustParseAddr(text)})
	}
	return addrs
}
