package zones_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// A Turn says what drawing from the pool says: the same records in the same order of the same members, of which
// one is down.
func TestTurn(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for down := range n {
			for most := range n + 1 {
				table := turnTable(t, n, func(p *zones.Pool) {
					p.MaxAnswers = most
					if n > 1 { // with all of them down, that is to be said
						putDown(&p.Members[down])
					}
				})
				for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
					t.Run(fmt.Sprintf("%d of %d without %d, type %d", most, n, down, qtype), func(t *testing.T) { compareTurn(t, table, qtype, max(n-1, 1)) })
				}
			}
		}
	}
}

// compareTurn holds the Turn of a pool, of which so many members are up, against what is drawn.
func compareTurn(t *testing.T, table *zones.Table, qtype uint16, up int) {
	turn := table.Turn(0, qtype)
	if room := map[uint16]int{dns.TypeA: 5, dns.TypeAAAA: 4}[qtype]; up > room {
		up = 0
	}
	if int(turn.Members) != up {
		t.Fatalf("%d members take turns, want %d", turn.Members, up)
	}
	if up == 0 {
		return
	}
	for draw := range uint64(20) {
		d := table.Draw(0, qtype, draw, 0)
		from := policy.Turn(up, draw)
		first, rest := turn.Records(from)
		if got, want := records(t, slices.Concat(first, rest)), d.Rdata; !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("draw %d: %x, want %x", draw, got, want)
		}
		for i, want := range d.Members {
			if got := turn.Index((from + i) % up); got != want {
				t.Errorf("draw %d: member %d, want %d", draw, got, want)
			}
		}
		if turn.From != d.From || turn.TTL != d.TTL || int(turn.Size) != len(d.Members) {
			t.Errorf("%+v", turn)
		}
	}
}

// What a Turn cannot say is none.
func TestNoTurn(t *testing.T) {
	for name, change := range map[string]func(p *zones.Pool){
		"two addresses": func(p *zones.Pool) { p.Members[1].Addrs = append(p.Members[1].Addrs, memberAddrs("192.0.2.99")...) },
		"weights":       func(p *zones.Pool) { p.Policy = policy.WeightedKind; p.Members[1].Weight = 2 },
		"hash":          func(p *zones.Pool) { p.Policy = policy.HashKind },
		"all down, which is to be said": func(p *zones.Pool) {
			for i := range p.Members {
				putDown(&p.Members[i])
			}
		},
		"hash, served from a pool whose members take turns": func(p *zones.Pool) {
			p.Policy, p.Fallback = policy.HashKind, "rest"
			for i := range p.Members {
				putDown(&p.Members[i])
			}
		},
		"a member far down the file": func(p *zones.Pool) {
			m := p.Members[0]
			putDown(&m)
			p.Members = nil
			for i := range 256 {
				m.Name = fmt.Sprint("down", i)
				p.Members = append(p.Members, m)
			}
			p.Members = append(p.Members, zones.Member{Name: "up", Weight: 1, Addrs: memberAddrs("192.0.2.99", "2001:db8::99")})
		},
	} {
		table := turnTable(t, 3, change)
		if d := table.Draw(0, dns.TypeA, 0, 0); d.Result != zones.DrawnServe {
			t.Errorf("%s: %+v", name, d)
		}
		if turn := table.Turn(0, dns.TypeA); turn.Members != 0 {
			t.Errorf("%s: %+v", name, turn)
		}
	}
}

// Whichever pools change, the next table has the Turns of one that is made anew, and the last keeps its own.
func TestTurnsOfNextTable(t *testing.T) {
	const pools = 100 // some pages of them
	src := zonetest.Master(t, "pool.test.", "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n@ NS ns.other.\n")
	target := func(i int) checks.Target { return checks.Target{Host: "192.0.2.100", Port: uint16(i)} }
	for i := range pools {
		p := zones.Pool{Name: fmt.Sprint("p", i), Policy: policy.AllKind, TTL: zones.TTL{Min: 30, Max: 30}}
		for n := range 3 {
			m := zones.Member{Name: fmt.Sprint("t", n), Weight: 1, Addrs: memberAddrs(fmt.Sprint("192.0.2.", n), "2001:db8::1")[:1+i%2]}
			if n < 2 {
				m.Addrs[0].Need = zones.Need{K: 1, Of: []checks.Target{target(2*i + n)}}
			}
			p.Members = append(p.Members, m)
		}
		src.Pools = append(src.Pools, p)
	}
	set, rng := zonetest.Compile(t, src), rand.New(rand.NewPCG(3, 4))
	verdicts := map[checks.Target]checks.Verdict{}
	in := func() *checks.Snapshot { return &checks.Snapshot{Verdicts: checks.NewVerdicts(verdicts, time.Time{})} }
	last := zones.NewTable(set, in())
	for range 100 {
		var changed []zones.PoolID
		for range 1 + rng.IntN(4) {
			i := rng.IntN(pools)
			for n := range 2 {
				verdicts[target(2*i+n)] = checks.Verdict{State: []checks.State{checks.Up, checks.Down}[rng.IntN(2)]}
			}
			changed = append(changed, zones.PoolID(i))
		}
		was := turnsOf(last)
		next := zones.Resolve(last, in(), changed)
		if !slices.Equal(turnsOf(last), was) {
			t.Fatalf("Turns of the last table are others now that %v have changed", changed)
		}
		if !slices.Equal(turnsOf(next), turnsOf(zones.NewTable(set, in()))) {
			t.Fatalf("the next table has other Turns, now that %v have changed, than one that is made anew", changed)
		}
		last = next
	}
}

func turnsOf(table *zones.Table) (all []zones.Turn) {
	for id := range table.Set().Pools() {
		all = append(all, *table.Turn(zones.PoolID(id), dns.TypeA), *table.Turn(zones.PoolID(id), dns.TypeAAAA))
	}
	return all
}

// fallen is what is down in the table of turnTable, and putDown puts a member there.
var fallen = checks.Target{Host: "192.0.2.200", Port: 80}

func putDown(m *zones.Member) {
	m.Addrs = slices.Clone(m.Addrs)
	for i := range m.Addrs {
		m.Addrs[i].Need = zones.Need{K: 1, Of: []checks.Target{fallen}}
	}
}

// turnTable has a pool of n members, as changed, and one more that it may fall back to.
func turnTable(t *testing.T, n int, change func(*zones.Pool)) *zones.Table {
	t.Helper()
	src := zonetest.Master(t, "pool.test.", "$TTL 60\n@ SOA ns admin 1 2 3 4 5\n@ NS ns.other.\n")
	p := zones.Pool{Name: "web", Policy: policy.AllKind, TTL: zones.TTL{Min: 30, Max: 30}}
	for i := range n {
		p.Members = append(p.Members, zones.Member{Name: fmt.Sprint("t", i), Weight: 1,
			Addrs: memberAddrs(fmt.Sprint("192.0.2.", i+1), fmt.Sprint("2001:db8::", i+1))})
	}
	rest := p
	rest.Name = "rest"
	p.Members = slices.Clone(p.Members)
	change(&p)
	src.Pools = []zones.Pool{p, rest}
	verdicts := map[checks.Target]checks.Verdict{fallen: {State: checks.Down}}
	return zones.NewTable(zonetest.Compile(t, src), &checks.Snapshot{Verdicts: checks.NewVerdicts(verdicts, time.Time{})})
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
