package zones_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// manyPools is a set of n failover pools of two targets, and what is known of them: all is up and quiet. So
// many static names stand beside them.
func manyPools(t testing.TB, n, names int) (*zones.Set, *checks.Snapshot) {
	t.Helper()
	src := &zones.Source{Origin: origin}
	b := zones.NewBuilder(origin, zones.Size{Names: names, Records: names})
	for i := range names {
		label := fmt.Sprintf("h%07d", i)
		owner, err := b.Owner([]byte(string(rune(len(label))) + label + string(origin)))
		if err == nil {
			err = b.Add(zones.Entry{Owner: owner, Type: 1, TTL: 60}, []byte{10, 0, 0, 1})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if src.Records, err = b.Build(); err != nil {
		t.Fatal(err)
	}
	verdicts := map[checks.Target]checks.Verdict{}
	choices := map[string]checks.Choice{}
	for i := range n {
		p := zones.Pool{Name: fmt.Sprintf("p%d", i), TTL: zones.TTL{Min: 5, Max: 60}, Failback: zones.Failback{Hold: 30 * time.Second}}
		for m := range 2 {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i<<1 | m), 1})
			target := targetOf(addr.String())
			verdicts[target] = checks.Verdict{State: checks.Up, Age: time.Hour, Need: 2, Votes: []checks.Vote{{Node: "a", State: checks.Up}}}
			p.Members = append(p.Members, zones.Member{Name: fmt.Sprintf("t%d", m), Priority: m, Addrs: []zones.MemberAddr{
				{Addr: addr, Need: zones.Need{K: 1, Of: []checks.Target{target}}},
			}})
		}
		src.Pools = append(src.Pools, p)
		choices[zones.ChoiceKey(origin, p.Name, "ip4")] = checks.Choice{Epoch: 1, Pool: p.Name, Names: []string{"t0"}}
	}
	set, err := zones.Compile([]*zones.Source{src})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return set, &checks.Snapshot{
		At: now, Verdicts: checks.NewVerdicts(verdicts, now), Choices: checks.NewKeyed(choices), Majority: true, Self: "a", Fresh: []string{"a"}, Voters: []string{"a"},
	}
}

// One changed pool costs the same, but for the copy of the slice, among ten pools and ten thousand, and
// beside a thousand names and a million.
func BenchmarkResolve(b *testing.B) {
	for _, size := range [][2]int{{10, 0}, {1000, 0}, {10000, 0}, {10000, 1000}, {10000, 1_000_000}} {
		n, names := size[0], size[1]
		b.Run(fmt.Sprintf("pools=%d/names=%d", n, names), func(b *testing.B) {
			set, in := manyPools(b, n, names)
			table := zones.NewTable(set, in)
			changed := []zones.PoolID{zones.PoolID(n / 2)}
			b.ReportAllocs()
			for b.Loop() {
				table = zones.Resolve(table, in, changed)
			}
		})
	}
}

// Resolving some pools makes their answers: the others are shared, and one costs the same allocations
// whatever their number.
func TestResolveSharesTheRest(t *testing.T) {
	set, in := manyPools(t, 300, 10_000)
	last := zones.NewTable(set, in)
	changed := []zones.PoolID{7, 130, 131, 299}
	next := zones.Resolve(last, in, changed)
	for id := range set.Pools() {
		got := next.Pool(zones.PoolID(id))
		if shared := got == last.Pool(zones.PoolID(id)); shared == slices.Contains(changed, zones.PoolID(id)) || got.ID != zones.PoolID(id) {
			t.Errorf("pool %d: shared %v, id %d", id, shared, got.ID)
		}
	}
	few, fewIn := manyPools(t, 10, 0)
	a, b := costOfFlips(few, fewIn, 7), costOfFlips(set, in, 7)
	if a.Mallocs != b.Mallocs {
		t.Errorf("%d allocations among 10 pools, %d among 300", a.Mallocs, b.Mallocs)
	}
	const pagesMore = 9                                                      // of 32 pools each
	if a.TotalAlloc > 10_000 || b.TotalAlloc > a.TotalAlloc+2*16*pagesMore { // of answers and of turns; sizes are rounded up
		t.Errorf("%d bytes among 10 pools, %d among 300", a.TotalAlloc, b.TotalAlloc)
	}
}

// costOfFlips is what it takes to resolve a pool whose answer is another one each time.
func costOfFlips(set *zones.Set, in *checks.Snapshot, id zones.PoolID) (each runtime.MemStats) {
	down := *in
	target := set.Pools()[id].Pool.Members[0].Addrs[0].Need.Of[0]
	down.Verdicts = checks.NewVerdicts(map[checks.Target]checks.Verdict{target: {State: checks.Down, Age: time.Hour, Need: 1, Count: 1}}, in.At)
	up := zones.NewTable(set, in)
	var before, after runtime.MemStats
	const runs = 100
	runtime.ReadMemStats(&before)
	for range runs {
		away := zones.Resolve(up, &down, []zones.PoolID{id})
		up = zones.Resolve(away, in, []zones.PoolID{id})
	}
	runtime.ReadMemStats(&after)
	each.Mallocs, each.TotalAlloc = (after.Mallocs-before.Mallocs)/runs/2, (after.TotalAlloc-before.TotalAlloc)/runs/2
	return each
}

// A table is brought along by its own times: NextChange says when, Due what.
func TestNextChange(t *testing.T) {
	w := worldOf(t, "pool web", "target lon 192.0.2.1", "target fra 192.0.2.2", "192.0.2.1 up age=10s", "choice web/ip4 fra epoch=2 age=1h",
		"pool calm", "target rom 192.0.2.3")
	table := zones.NewTable(w.compile(t), w.snapshot())
	if got, want := zones.NextChange(table), w.now.Add(20*time.Second); !got.Equal(want) {
		t.Fatalf("next change at %v, want %v", got, want)
	}
	if due := table.Due(w.now.Add(19 * time.Second)); len(due) != 0 {
		t.Errorf("due too early: %v", due)
	}
	w.tell(t, "then 20s")
	if due := table.Due(w.now); len(due) != 1 || due[0] != 0 {
		t.Errorf("due: %v, want pool 0", due)
	}
	table = zones.Resolve(table, w.snapshot(), nil)
	if rs := zones.Writes(table, w.snapshot()); len(rs) != 1 || rs[0].Key != "test/web/ip4" {
		t.Errorf("writes %v, want the return to lon", rs)
	}
	if got := zones.NextChange(table); !got.IsZero() {
		t.Errorf("next change at %v, want none", got)
	}
}

// A draw is one answer: rotated, drawn by weight, or the client's own; NODATA where what was drawn has
// no address of the family.
func TestDraw(t *testing.T) {
	w := worldOf(t, "pool web policy=weighted max=1", "target lon 192.0.2.1", "target fra 192.0.2.2,2001:db8::2",
		"pool cdns", "target a cname=x.a-cdn.example.")
	table := zones.NewTable(w.compile(t), w.snapshot())
	results := map[zones.Result]int{}
	for draw := range uint64(1000) {
		results[table.Draw(0, dns.TypeAAAA, draw, 0).Result]++
		if d := table.Draw(0, dns.TypeA, draw, 0); d.Result != zones.DrawnServe || len(d.Rdata) != 1 || d.TTL != 30 {
			t.Fatalf("drew %+v", d)
		}
	}
	if n := results[zones.DrawnNoData]; n < 400 || n > 600 || n+results[zones.DrawnServe] != 1000 {
		t.Errorf("AAAA: %v, want NODATA for half", results)
	}
	if d := table.Draw(0, dns.TypeTXT, 0, 0); d.Result != zones.DrawnNoData || d.TTL != zones.NoLimit {
		t.Errorf("TXT: %+v", d)
	}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeTXT, dns.TypeCNAME} {
		if d := table.Draw(1, qtype, 0, 0); d.Type != dns.TypeCNAME || d.Result != zones.DrawnServe {
			t.Errorf("of a pool of names, type %d: %+v", qtype, d)
		}
	}
}

// Clients of one prefix are sent to one target on every node, whatever the order of the file.
func TestHashIsOfNames(t *testing.T) {
	served := func(lines ...string) string {
		w := worldOf(t, append([]string{"pool web policy=hash"}, lines...)...)
		table := zones.NewTable(w.compile(t), w.snapshot())
		key := policy.ClientKey(netip.MustParsePrefix("198.51.100.7/32"))
		return rdataText(table.Draw(0, dns.TypeA, 0, key).Rdata[0], false)
	}
	a := served("target lon 192.0.2.1", "target fra 192.0.2.2", "target nyc 192.0.2.3")
	b := served("target nyc 192.0.2.3", "target fra 192.0.2.2", "target lon 192.0.2.1")
	if a != b {
		t.Errorf("%s in one order, %s in another", a, b)
	}
}
