package zones_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// anyWorld draws up to four pools, a chain among them, and everything their answers depend on.
func anyWorld(t *rapid.T) *world {
	w := newWorld()
	names := []string{"web", "spare", "sorry", "other"}[:rapid.IntRange(1, 4).Draw(t, "pools")]
	for n, name := range names {
		p := zones.Pool{
			Name:        name,
			Policy:      rapid.SampledFrom([]policy.Kind{policy.FailoverKind, policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind}).Draw(t, "policy"),
			MaxAnswers:  rapid.SampledFrom([]int{0, 1, 8}).Draw(t, "max"),
			MinHealthy:  rapid.SampledFrom([]zones.Share{{}, {N: 2}, {N: 50, Percent: true}}).Draw(t, "min"),
			WhenAllDown: rapid.SampledFrom([]zones.AllDown{zones.ServeAll, zones.ServeLastGood, zones.NoData, zones.ServFail}).Draw(t, "all down"),
			Failback: rapid.SampledFrom([]zones.Failback{
				{Hold: 30 * time.Second}, {Mode: zones.FailbackAuto}, {Mode: zones.FailbackManual},
			}).Draw(t, "failback"),
			AllDownWritten: rapid.Bool().Draw(t, "written"),
			Linked:         rapid.IntRange(0, 4).Draw(t, "linked") == 0,
			TTL:            rapid.SampledFrom([]zones.TTL{{Min: 30, Max: 30}, {Min: 5, Max: 60}}).Draw(t, "ttl"),
		}
		if n+1 < len(names) && rapid.Bool().Draw(t, "fallback") {
			p.Fallback = names[n+1]
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "members") {
			p.Members = append(p.Members, anyMember(t, n, i))
		}
		w.pools = append(w.pools, p)
	}
	w.happen(t, 12)
	return w
}

func anyMember(t *rapid.T, pool, i int) zones.Member {
	m := zones.Member{
		Name:     fmt.Sprintf("t%d", i),
		Priority: rapid.IntRange(0, 3).Draw(t, "priority"),
		Weight:   rapid.IntRange(0, 2).Draw(t, "weight"),
		Admin:    rapid.SampledFrom([]checks.Admin{0, 0, 0, 0, checks.ForceUp, checks.Drain, checks.ForceDown}).Draw(t, "file"),
	}
	add := func(addr string) {
		need := zones.Need{K: 1, Of: []checks.Target{targetOf(addr)}}
		switch rapid.IntRange(0, 6).Draw(t, "need") {
		case 0:
			need = zones.Need{}
		case 1:
			shared := targetOf(fmt.Sprintf("192.0.2.%d", 200+i))
			need = zones.Need{K: rapid.IntRange(1, 2).Draw(t, "k"), Of: []checks.Target{targetOf(addr), shared}}
		}
		m.Addrs = append(m.Addrs, zones.MemberAddr{Addr: netip.MustParseAddr(addr), Need: need})
	}
	kind := rapid.IntRange(0, 3).Draw(t, "families")
	if kind != 0 {
		add(fmt.Sprintf("192.0.2.%d", 10*pool+i+1))
	}
	if kind != 1 {
		add(fmt.Sprintf("2001:db8::%d", 10*pool+i+1))
	}
	return m
}

// hosts are what is probed in the world.
func (w *world) hosts() []string {
	hosts := map[string]bool{}
	for _, p := range w.pools {
		for _, m := range p.Members {
			for _, a := range m.Addrs {
				for _, t := range a.Need.Of {
					hosts[t.Host] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// happen changes up to most things and says which, as a ledger does.
func (w *world) happen(t *rapid.T, most int) (c checks.Changes) {
	hosts := w.hosts()
	for range rapid.IntRange(0, most).Draw(t, "events") {
		pool := rapid.SampledFrom(w.pools).Draw(t, "pool")
		target := rapid.SampledFrom(pool.Members).Draw(t, "target").Name
		switch what := rapid.IntRange(0, 9).Draw(t, "event"); {
		case what < 7 && len(hosts) > 0:
			host := rapid.SampledFrom(hosts).Draw(t, "host")
			w.verdicts[host] = verdict{
				state: rapid.SampledFrom([]checks.State{checks.Up, checks.Up, checks.Down, checks.Down, checks.Unknown}).Draw(t, "state"),
				since: w.now.Add(-rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, time.Hour}).Draw(t, "age")),
				doubt: rapid.IntRange(0, 5).Draw(t, "doubt") == 0,
				stale: rapid.IntRange(0, 9).Draw(t, "stale") == 0,
			}
			c.Targets = append(c.Targets, targetOf(host))
		case what == 7:
			o := override{written: w.now}
			o.Admin = rapid.SampledFrom([]checks.Admin{checks.Auto, checks.ForceUp, checks.Drain, checks.ForceDown}).Draw(t, "admin")
			if rapid.Bool().Draw(t, "expires") {
				o.expires = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second}).Draw(t, "left"))
			}
			key := zones.OverrideKey(origin, pool.Name, target)
			w.overrides[key] = o
			c.Overrides = append(c.Overrides, key)
		case what == 8:
			key := zones.ChoiceKey(origin, pool.Name, rapid.SampledFrom([]string{"ip4", "ip6"}).Draw(t, "family"))
			w.choices[key] = checks.Choice{Epoch: uint64(rapid.IntRange(1, 3).Draw(t, "epoch")), Pool: pool.Name, Names: []string{target}, Since: w.now}
			c.Choices = append(c.Choices, key)
		case what == 9:
			key := zones.ChoiceKey(origin, pool.Name, "chain")
			w.choices[key] = checks.Choice{Epoch: uint64(rapid.IntRange(1, 3).Draw(t, "epoch")), Pool: rapid.SampledFrom(w.pools).Draw(t, "to").Name, Since: w.now}
			c.Choices = append(c.Choices, key)
		}
	}
	return c
}

// An address that is down by its own verdict, and not forced up, is served only where the pool that
// serves has no address of the family that is up, of a member that is neither drained nor forced down;
// what is forced down is never served. What is chosen is an ascending subset.
func TestNeverDownBesideUsable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		in := w.snapshot()
		table := zones.NewTable(w.compile(t), in)
		for id := range table.Set().Pools() {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				a := table.Answer(zones.PoolID(id), qtype)
				if !slices.IsSortedFunc(a.Choice.Members, func(x, y policy.Member) int { return x.Index - y.Index }) {
					rt.Fatalf("not ascending: %v", a.Choice.Members)
				}
				for n, rdata := range a.Rdata {
					for _, b := range rdata {
						w.checkServed(rt, table, in, b, a.Choice.Members[n].Index)
					}
				}
				if a.Result == zones.DrawnServe && len(table.Draw(zones.PoolID(id), qtype, rapid.Uint64().Draw(rt, "draw"), 1).Rdata) == 0 &&
					a.Choice.Mode == policy.Together {
					rt.Fatalf("serves, and nothing was drawn")
				}
			}
		}
	})
}

// checkServed looks up what is served by its address and holds it against its neighbours.
func (w *world) checkServed(t *rapid.T, table *zones.Table, in *checks.Snapshot, rdata []byte, index int) {
	addr, _ := netip.AddrFromSlice(rdata)
	for _, p := range w.pools {
		if index >= len(p.Members) || p.Linked {
			continue
		}
		for _, a := range p.Members[index].Addrs {
			if a.Addr != addr {
				continue
			}
			switch w.admin(in, p, index) {
			case checks.ForceDown:
				t.Fatalf("%s is forced down and served", addr)
			case checks.ForceUp:
				return
			}
			if w.up(in, a) != checks.Down {
				return
			}
			for i, m := range p.Members {
				for _, other := range m.Addrs {
					admin := w.admin(in, p, i)
					usable := admin == checks.ForceUp || admin == checks.Auto && w.up(in, other) == checks.Up
					if other.Addr.Is4() == addr.Is4() && usable {
						t.Fatalf("%s is down and served beside %s", addr, other.Addr)
					}
				}
			}
			return
		}
	}
}

// admin and up are the plain twins of what the package computes.
func (w *world) admin(in *checks.Snapshot, p zones.Pool, i int) checks.Admin {
	o, ok := in.Override(zones.OverrideKey(origin, p.Name, p.Members[i].Name))
	switch {
	case ok && !o.Expired && o.Admin != checks.Auto:
		return o.Admin
	case p.Members[i].Admin != checks.Auto:
		return p.Members[i].Admin
	case p.Policy == policy.WeightedKind && p.Members[i].Weight == 0 &&
		slices.ContainsFunc(p.Members, func(m zones.Member) bool { return m.Weight > 0 }):
		return checks.Drain
	}
	return checks.Auto
}

func (w *world) up(in *checks.Snapshot, a zones.MemberAddr) checks.State {
	ups, downs := 0, 0
	for _, t := range a.Need.Of {
		switch in.Verdict(t).State {
		case checks.Up:
			ups++
		case checks.Down:
			downs++
		}
	}
	switch {
	case ups >= a.Need.K:
		return checks.Up
	case downs > len(a.Need.Of)-a.Need.K:
		return checks.Down
	}
	return checks.Unknown
}

// Equal snapshots give equal tables, and a table brought along by Resolve through any news is the one
// made from scratch.
func TestResolveEqualsNewTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		set := w.compile(t)
		table := zones.NewTable(set, w.snapshot())
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			w.now = w.now.Add(rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second, 17500 * time.Millisecond, time.Minute}).Draw(rt, "passes"))
			changes := w.happen(rt, 2)
			w.minority = rapid.IntRange(0, 9).Draw(rt, "minority") == 0
			if rapid.Bool().Draw(rt, "write") {
				rs := zones.Writes(table, w.snapshot())
				w.write(t, rs)
				for _, r := range rs {
					changes.Choices = append(changes.Choices, r.Key)
				}
			}
			changes.Overrides = append(changes.Overrides, w.expired()...)
			in := w.snapshot()
			table = zones.Resolve(table, in, set.Touched(changes))
			scratch := zones.NewTable(set, in)
			for id := range set.Pools() {
				if got, want := table.Pool(zones.PoolID(id)), scratch.Pool(zones.PoolID(id)); !reflect.DeepEqual(got, want) {
					rt.Fatalf("pool %d:\n%+v\nfrom scratch:\n%+v", id, got, want)
				}
			}
			if !reflect.DeepEqual(table, scratch) {
				rt.Fatal("tables differ")
			}
		}
	})
}

// expired are the keys of overrides whose time is over, which a ledger tells.
func (w *world) expired() []string {
	var keys []string
	for key, o := range w.overrides {
		if !o.expires.IsZero() && !w.now.Before(o.expires) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Nodes that agree on verdicts and not on what was written agree on everything once they have exchanged
// what each writes, and then write no more.
func TestWritesConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := anyWorld(rt)
		b := *a
		b.self = "b"
		b.choices, b.lastGoods = maps.Clone(a.choices), maps.Clone(a.lastGoods)
		b.happenTo(rt)
		merge(a, &b)
		quiet := 0
		for round := 0; quiet < 3; round++ {
			if round > 40 {
				rt.Fatalf("still writing: %v and %v", a.choices, b.choices)
			}
			wrote := 0
			for _, w := range []*world{a, &b} {
				in := w.snapshot()
				rs := zones.Writes(zones.NewTable(w.compile(t), in), in)
				wrote += len(rs)
				w.write(t, rs)
			}
			merge(a, &b)
			quiet++
			if wrote > 0 {
				quiet = 0
			}
			a.now = a.now.Add(20 * time.Second)
			b.now = a.now
		}
		ta, tb := zones.NewTable(a.compile(t), a.snapshot()), zones.NewTable(a.compile(t), b.snapshot())
		for id := range ta.Set().Pools() {
			if !reflect.DeepEqual(ta.Pool(zones.PoolID(id)), tb.Pool(zones.PoolID(id))) {
				rt.Fatalf("pool %d:\n%+v\n%+v", id, ta.Pool(zones.PoolID(id)), tb.Pool(zones.PoolID(id)))
			}
		}
	})
}

// Nodes whose files differ see different things under one name: each leaves what the other has chosen.
// Their writes are bounded, and each answers by what it sees.
func TestWritesOfNodesAtOddsAreBounded(t *testing.T) {
	a := worldOf(t, "pool web", "target lon 192.0.2.1", "target fra 192.0.2.2", "192.0.2.1 down age=1h")
	b := worldOf(t, "nodes self=b fresh=a,b,c", "pool web", "target lon 192.0.2.1", "target fra 192.0.2.2", "192.0.2.2 down age=1h")
	wrote := 0
	for range 1000 {
		for _, w := range []*world{a, b} {
			in := w.snapshot()
			table := zones.NewTable(w.compile(t), in)
			if got, want := rdataText(table.Draw(0, dns.TypeA, 0, 0).Rdata[0], false), "192.0.2.2"; (got == want) != (w == a) {
				t.Fatalf("%s answers %s", w.self, got)
			}
			rs := zones.Writes(table, in)
			wrote += len(rs)
			w.write(t, rs)
			merge(a, b)
		}
		a.now = a.now.Add(10 * time.Millisecond)
		b.now = a.now
	}
	if wrote < 2 || wrote > 52 {
		t.Errorf("%d writes in 10 s, want about five a second", wrote)
	}
}

// happenTo draws registers that another side of a partition has written.
func (w *world) happenTo(t *rapid.T) {
	for _, p := range w.pools {
		for _, kind := range []string{"ip4", "ip6", "chain"} {
			if !rapid.Bool().Draw(t, "written there") {
				continue
			}
			c := checks.Choice{Epoch: uint64(rapid.IntRange(1, 4).Draw(t, "epoch")), Pool: p.Name}
			if kind == "chain" {
				c.Pool = rapid.SampledFrom(w.pools).Draw(t, "to").Name
			} else {
				c.Names = []string{rapid.SampledFrom(p.Members).Draw(t, "group").Name}
			}
			w.choices[zones.ChoiceKey(origin, p.Name, kind)] = c
		}
	}
}

// merge brings the registers of two nodes together by the rules of DESIGN 3.5.
func merge(a, b *world) {
	for key, c := range b.choices {
		mine, ok := a.choices[key]
		if !ok || choiceWins(c, mine) {
			a.choices[key] = c
		}
	}
	for key, l := range b.lastGoods {
		mine, ok := a.lastGoods[key]
		if !ok || l.Epoch > mine.Epoch ||
			l.Epoch == mine.Epoch && bytes.Compare(checks.EncodeLastGood(l), checks.EncodeLastGood(mine)) < 0 {
			a.lastGoods[key] = l
		}
	}
	b.choices, b.lastGoods = maps.Clone(a.choices), maps.Clone(a.lastGoods)
}

func choiceWins(c, d checks.Choice) bool {
	switch {
	case c.Epoch != d.Epoch:
		return c.Epoch > d.Epoch
	case c.Rank != d.Rank:
		return c.Rank < d.Rank
	}
	return bytes.Compare(checks.EncodeChoice(c), checks.EncodeChoice(d)) < 0
}
