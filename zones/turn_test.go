package zones_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// A Turn says what drawing from the pool says: the same records in the same order of the same members.
func TestTurn(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for most := range n + 1 {
			table := turnTable(t, n, most, nil)
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				turn := table.Turn(0, qtype)
				if room := map[uint16]int{dns.TypeA: 5, dns.TypeAAAA: 4}[qtype]; n > room {
					if turn.Members != 0 {
						t.Errorf("%d members have a turn of type %d", n, qtype)
					}
					continue
				}
				for draw := range uint64(20) {
					d := table.Draw(0, qtype, draw, 0)
					from := policy.Turn(int(turn.Members), draw)
					first, rest := turn.Records(from)
					if got, want := records(t, slices.Concat(first, rest)), d.Rdata; !slices.EqualFunc(got, want, slices.Equal) {
						t.Errorf("%d of %d, type %d, draw %d: %x, want %x", most, n, qtype, draw, got, want)
					}
					for i, want := range d.Members {
						if got := turn.Index((from + i) % n); got != want {
							t.Errorf("%d of %d, type %d, draw %d: member %d, want %d", most, n, qtype, draw, got, want)
						}
					}
					if turn.From != d.From || turn.TTL != d.TTL || int(turn.Size) != len(d.Members) {
						t.Errorf("%d of %d, type %d: %+v", most, n, qtype, turn)
					}
				}
			}
		}
	}
}

// What a Turn cannot say is none.
func TestNoTurn(t *testing.T) {
	for name, change := range map[string]func(p *zones.Pool){
		"two addresses": func(p *zones.Pool) { p.Members[1].Addrs = append(p.Members[1].Addrs, memberAddrs("192.0.2.99")...) },
		"weights":       func(p *zones.Pool) { p.Policy = policy.WeightedKind; p.Members[1].Weight = 2 },
		"hash":          func(p *zones.Pool) { p.Policy = policy.HashKind },
	} {
		if turn := turnTable(t, 3, 0, change).Turn(0, dns.TypeA); turn.Members != 0 {
			t.Errorf("%s: %+v", name, turn)
		}
	}
}

// turnTable has a pool of n members that answers with at most so many of them.
func turnTable(t *testing.T, n, most int, change func(*zones.Pool)) *zones.Table {
	t.Helper()
	src := zonetest.Master(t, "pool.test.", "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n@ NS ns.other.\n")
	p := zones.Pool{Name: "web", Policy: policy.AllKind, MaxAnswers: most, TTL: zones.TTL{Min: 30, Max: 30}}
	for i := range n {
		p.Members = append(p.Members, zones.Member{Name: fmt.Sprint("t", i), Weight: 1,
			Addrs: memberAddrs(fmt.Sprint("192.0.2.", i+1), fmt.Sprint("2001:db8::", i+1))})
	}
	if change != nil {
		change(&p)
	}
	src.Pools = []zones.Pool{p}
	return zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{})
}

// records returns the data of records that stand behind a header and a question.
func records(t *testing.T, packed []byte) (rdata [][]byte) {
	t.Helper()
	msg := append(make([]byte, 12, 512), 1, 'x', 0)
	off := len(msg)
	msg = append(msg, packed...)
	for off < len(msg) {
		rr, next, err := dns.UnpackRR(msg, off)
		if err != nil {
			t.Fatal(err)
		}
		if rr.Header().Name != "x." || rr.Header().Ttl != 30 {
			t.Errorf("got %v", rr)
		}
		rdata = append(rdata, msg[next-int(rr.Header().Rdlength):next])
		off = next
	}
	return rdata
}
