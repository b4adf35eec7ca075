package zones_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// A world is pools and all that their answers depend on, told line by line:
//
//	pool web policy=weighted max=2 min=50% fallback=sorry failback=auto down=nodata linked ttl=5-60
//	target lon 203.0.113.10,2001:db8::10 priority=1 weight=5 state=drain unchecked
//	target cdn cname=x.example. any of the words above
//	203.0.113.10 down stale doubt        a verdict, since now or `age=5s`; without a line: up for a day
//	override web/lon drain left=2h       or expired, or auto, conflict=up
//	choice web/ip4 lon,fra epoch=3       a register, written long ago or `age=5s`
//	lastgood web/ip4 web/lon
//	nodes self=b fresh=a,b voters=b minority
//	rule 10.0.0.0/8 sorry                a rule of www.test, which else leads to the first pool
//	ask www.test A 192.0.2.200           a question to explain
//	then 5s                              time passes, after what was asked for is written
type world struct {
	pools     []zones.Pool
	set       *zones.Set
	now       time.Time
	verdicts  map[string]verdict
	overrides map[string]override
	choices   map[string]checks.Choice
	lastGoods map[string]checks.LastGood
	self      string
	fresh     []string
	voters    []string
	minority  bool
	rules     []zones.Rule
	ask       []string
}

type verdict struct {
	state        checks.State
	since        time.Time
	stale, doubt bool
}

type override struct {
	checks.Override
	written, expires time.Time
}

const (
	origin = zones.Name("\x04test\x00")
	www    = zones.Name("\x03www\x04test\x00")
)

func newWorld() *world {
	return &world{
		now:       time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		verdicts:  map[string]verdict{},
		overrides: map[string]override{},
		choices:   map[string]checks.Choice{},
		lastGoods: map[string]checks.LastGood{},
		self:      "a", fresh: []string{"a", "b", "c"}, voters: []string{"a", "b", "c"},
	}
}

func targetOf(host string) checks.Target {
	return checks.Target{Host: host, Port: 80, Probe: checks.Identity{Type: "tcp"}}
}

// snapshot is the world as a ledger tells it.
func (w *world) snapshot() *checks.Snapshot {
	in := &checks.Snapshot{
		At: w.now, Overrides: map[string]checks.Override{}, Choices: checks.NewKeyed(w.choices),
		LastGoods: checks.NewKeyed(w.lastGoods), OverridesAt: w.now,
		Fresh: w.fresh, Voters: w.voters, Majority: !w.minority, Self: w.self,
	}
	verdicts := map[checks.Target]checks.Verdict{}
	for _, p := range w.pools {
		for _, m := range p.Members {
			for _, a := range m.Addrs {
				for _, t := range a.Need.Of {
					verdicts[t] = w.verdict(t.Host)
				}
			}
			for _, t := range m.Need.Of {
				verdicts[t] = w.verdict(t.Host)
			}
		}
	}
	in.Verdicts = checks.NewVerdicts(verdicts, w.now)
	for key, o := range w.overrides {
		o.Age = w.now.Sub(o.written)
		if !o.expires.IsZero() {
			o.Left = o.expires.Sub(w.now)
			o.Expired = o.Expired || o.Left <= 0
		}
		in.Overrides[key] = o.Override
	}
	return in
}

func (w *world) verdict(host string) checks.Verdict {
	v, ok := w.verdicts[host]
	if !ok {
		v = verdict{state: checks.Up, since: w.now.Add(-24 * time.Hour)}
	}
	out := checks.Verdict{State: v.state, Stale: v.stale, Doubt: v.doubt, Need: len(w.fresh)/2 + 1}
	if v.state != checks.Unknown && !v.stale {
		out.Age = w.now.Sub(v.since)
	}
	for _, n := range w.fresh {
		vote := checks.Vote{Node: n, State: v.state, Age: out.Age, Reached: v.state, Doubt: v.doubt}
		if v.state == checks.Down {
			vote.Reason = "refused"
			out.Downs++
		}
		if v.stale {
			vote.State = checks.Unknown
		}
		out.Votes = append(out.Votes, vote)
		out.Count++
	}
	return out
}

// write takes in what a table asks for.
func (w *world) write(t testing.TB, rs []checks.Register) {
	t.Helper()
	for _, r := range rs {
		switch r.Kind {
		case checks.KindChoice:
			c, err := checks.DecodeChoice(r.Payload)
			if err != nil {
				t.Fatal(err)
			}
			c.Since = w.now
			w.choices[r.Key] = c
		case checks.KindLastGood:
			l, err := checks.DecodeLastGood(r.Payload)
			if err != nil {
				t.Fatal(err)
			}
			w.lastGoods[r.Key] = l
		}
	}
}

func (w *world) compile(t testing.TB) *zones.Set {
	t.Helper()
	if w.set == nil {
		w.set = zonetest.Compile(t, &zones.Source{
			Origin: origin, Pools: w.pools, SOA: zones.SOA{MName: origin, RName: origin, Serial: 7, Minimum: 60, TTL: 60},
			Dynamic: []zones.Dynamic{{Owner: www, Rules: append(w.rules, zones.Rule{Pool: w.pools[0].Name})}},
		})
	}
	return w.set
}

// tell takes in one line.
func (w *world) tell(t testing.TB, line string) {
	t.Helper()
	words := strings.Fields(line)
	what, args := words[0], options(words[1:])
	switch what {
	case "pool":
		w.pools = slices.DeleteFunc(w.pools, func(p zones.Pool) bool { return p.Name == words[1] })
		w.pools = append(w.pools, aPool(t, words[1], args))
		w.set = nil
	case "target":
		p := &w.pools[len(w.pools)-1]
		p.Members = append(p.Members, aMember(t, words[1], words[2], len(p.Members), args))
	case "nodes":
		w.self, w.fresh = args["self"], strings.Split(args["fresh"], ",")
		w.voters = w.fresh
		if v, ok := args["voters"]; ok {
			w.voters = strings.Split(v, ",")
		}
		_, w.minority = args["minority"]
	case "override":
		o := override{written: w.now.Add(-since(t, args))}
		o.Admin, o.Owner, o.Reason = adminOf(t, words[2]), "alice", "kernel upgrade"
		_, o.Expired = args["expired"]
		if other, ok := args["conflict"]; ok {
			o.Conflict = []checks.Override{{Admin: adminOf(t, other), Owner: "bob", Reason: "load", Age: time.Minute}}
		}
		if left, ok := args["left"]; ok {
			o.expires = w.now.Add(duration(t, left))
		}
		w.overrides["test/"+words[1]] = o
	case "choice":
		pool, kind, _ := strings.Cut(words[1], "/")
		c := checks.Choice{Epoch: 1, Pool: pool}
		if args["age"] != "" {
			c.Since = w.now.Add(-since(t, args))
		}
		if kind == "chain" {
			c.Pool = words[2]
		} else {
			c.Names = strings.Split(words[2], ",")
		}
		if e := args["epoch"]; e != "" {
			c.Epoch, _ = strconv.ParseUint(e, 10, 64)
		}
		w.choices["test/"+words[1]] = c
	case "lastgood":
		w.lastGoods["test/"+words[1]] = checks.LastGood{Epoch: 1, Names: strings.Split(words[2], ",")}
	case "ask":
		w.ask = words[1:]
	case "rule":
		r := zones.Rule{Pool: words[2]}
		for _, p := range strings.Split(words[1], ",") {
			r.Subnets = append(r.Subnets, netip.MustParsePrefix(p))
		}
		w.rules = append(w.rules, r)
		w.set = nil
	case "then":
		w.now = w.now.Add(duration(t, words[1]))
	default:
		v := verdict{since: w.now.Add(-since(t, args))}
		v.state = map[string]checks.State{"up": checks.Up, "down": checks.Down, "unknown": checks.Unknown}[words[1]]
		_, v.stale = args["stale"]
		_, v.doubt = args["doubt"]
		w.verdicts[what] = v
	}
}

// options reads KEY=VALUE and bare words.
func options(words []string) map[string]string {
	o := map[string]string{}
	for _, word := range words {
		k, v, _ := strings.Cut(word, "=")
		o[k] = v
	}
	return o
}

func since(t testing.TB, args map[string]string) time.Duration {
	t.Helper()
	if args["age"] == "" {
		return 0
	}
	return duration(t, args["age"])
}

func duration(t testing.TB, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func adminOf(t testing.TB, s string) checks.Admin {
	t.Helper()
	for _, a := range []checks.Admin{checks.Auto, checks.ForceUp, checks.Drain, checks.ForceDown} {
		if a.String() == s {
			return a
		}
	}
	t.Fatalf("no state %q", s)
	return 0
}

func aPool(t testing.TB, name string, args map[string]string) zones.Pool {
	t.Helper()
	p := zones.Pool{Name: name, Failback: zones.Failback{Hold: 30 * time.Second}, TTL: zones.TTL{Min: 30, Max: 30}}
	for k, v := range args {
		switch k {
		case "policy":
			p.Policy, _ = policy.ParseKind(v)
		case "max":
			p.MaxAnswers = number(t, v)
		case "min":
			p.MinHealthy = zones.Share{N: number(t, strings.TrimSuffix(v, "%")), Percent: strings.HasSuffix(v, "%")}
		case "fallback":
			p.Fallback = v
		case "linked":
			p.Linked = true
		case "down":
			p.AllDownWritten = true
			p.WhenAllDown = map[string]zones.AllDown{
				"serve-all": zones.ServeAll, "last-good": zones.ServeLastGood, "nodata": zones.NoData, "servfail": zones.ServFail,
			}[v]
		case "failback":
			switch v {
			case "auto":
				p.Failback = zones.Failback{Mode: zones.FailbackAuto}
			case "manual":
				p.Failback = zones.Failback{Mode: zones.FailbackManual}
			default:
				p.Failback.Hold = duration(t, v)
			}
		case "ttl":
			low, high, _ := strings.Cut(v, "-")
			p.TTL = zones.TTL{Min: uint32(number(t, low)), Max: uint32(number(t, high))}
		case name:
		default:
			t.Fatalf("pool %s: no option %q", name, k)
		}
	}
	return p
}

func aMember(t testing.TB, name, what string, priority int, args map[string]string) zones.Member {
	t.Helper()
	m := zones.Member{Name: name, Priority: priority, Weight: 1}
	need := func(host string) zones.Need {
		if _, ok := args["unchecked"]; ok {
			return zones.Need{}
		}
		return zones.Need{K: 1, Of: []checks.Target{targetOf(host)}}
	}
	if host, ok := strings.CutPrefix(what, "cname="); ok {
		cname, err := zones.ParseName(host)
		if err != nil {
			t.Fatal(err)
		}
		m.CNAME, m.Need = cname, need(host)
	} else {
		for _, a := range strings.Split(what, ",") {
			m.Addrs = append(m.Addrs, zones.MemberAddr{Addr: netip.MustParseAddr(a), Need: need(a)})
		}
	}
	if v, ok := args["priority"]; ok {
		m.Priority = number(t, v)
	}
	if v, ok := args["weight"]; ok {
		m.Weight = number(t, v)
	}
	if v, ok := args["state"]; ok {
		m.Admin = adminOf(t, v)
	}
	return m
}

// draw tells what a pool answers.
func draw(b *strings.Builder, table *zones.Table, w *world, id zones.PoolID) {
	a, ref := table.Pool(id), table.Set().Pools()[id]
	from := table.Set().Pools()[a.From].Pool
	fmt.Fprintf(b, "%s: step %d, from %s\n", ref.Pool.Name, a.Step, from.Name)
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		f := table.Answer(id, qtype)
		if f.TTL == zones.NoLimit {
			continue
		}
		fmt.Fprintf(b, "  %-4s ttl %d %s", dns.TypeToString[qtype], f.TTL, f.Result)
		if f.Result == zones.DrawnServe {
			b.WriteString(" " + f.Class.String() + ":")
		}
		for n := range f.Rdata {
			for _, rdata := range f.Rdata[n] {
				fmt.Fprintf(b, " %s", rdataText(rdata, ref.Names))
			}
			if len(f.Rdata[n]) == 0 {
				b.WriteString(" (none)")
			}
		}
		if f.Note.Text != "" {
			fmt.Fprintf(b, " [%s]", f.Note.Text)
		}
		b.WriteString("\n")
		if ref.Names {
			break
		}
	}
	if !a.Next.IsZero() {
		fmt.Fprintf(b, "  next in %s\n", a.Next.Sub(w.now))
	}
}

func rdataText(rdata []byte, name bool) string {
	if name {
		return zones.Name(rdata).String()
	}
	a, _ := netip.AddrFromSlice(rdata)
	return a.String()
}

// written tells what is written.
func written(t testing.TB, b *strings.Builder, rs []checks.Register) {
	t.Helper()
	for _, r := range rs {
		key := strings.TrimPrefix(r.Key, "test/")
		switch r.Kind {
		case checks.KindChoice:
			c, err := checks.DecodeChoice(r.Payload)
			if err != nil {
				t.Fatal(err)
			}
			names := strings.Join(c.Names, ",")
			if len(c.Names) == 0 {
				names = c.Pool
			}
			fmt.Fprintf(b, "  write %s %s epoch=%d\n", key, names, c.Epoch)
		case checks.KindLastGood:
			l, err := checks.DecodeLastGood(r.Payload)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(b, "  write lastgood %s %s epoch=%d\n", key, strings.Join(l.Names, ","), l.Epoch)
		}
	}
}
