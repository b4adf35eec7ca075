package zonefile

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// poolKeys are the keys that a pool and the shorthand of a record share.
var poolKeys = []string{"policy", "check", "ttl", "failback", "fallback", "min_healthy", "max_answers", "when_all_down", "linked"}

var (
	wholePoolKeys = Keys{zone: true, Names: append([]string{"targets"}, poolKeys...)}
	targetKeys    = Keys{zone: true, Names: []string{"name", "address", "cname", "priority", "weight", "state", "check"}, Foreign: map[string]string{"value": "address", "target": "cname"}}
	ttlKeys       = Keys{Names: []string{"min", "max"}}
)

// Defaults of DESIGN 3.3 to 3.5.
const (
	defaultPoolTTL  = 30
	longPoolTTL     = 60
	defaultAnswers  = 8 // of policy all
	defaultFailback = 30 * time.Second
)

// A pool is a pool as it is read: what it will be, and where its parts stand.
type pool struct {
	zones.Pool
	at        *Value // [pools.NAME], or [records.OWNER] of a shorthand
	table     *Table
	check     *checkExpr
	members   []member        // beside Pool.Members
	reached   bool            // by a record, by itself or along fallbacks
	isBackup  bool            // the fallback of another
	owners    []*owner        // records that reach it, each once
	asCNAME   bool            // a record has its names as a CNAME
	asHosts   bool            // an MX or SRV lists its names
	asSRV     bool            // an SRV does, with the targets' weights
	linted    map[uint16]bool // types of records whose hosts have been looked at
	shorthand bool
	broken    bool // has errors: what is unwise about it cannot be told
}

// A member is what is known of a Pool.Member beside itself.
type member struct {
	at     *Value
	check  *checkExpr // its own; nil: the pool's
	addrs  []*Value   // where each address stands
	weight *Value     // nil: not written
}

// readPools reads [pools].
func (z *zone) readPools() {
	for _, f := range z.root.Get("pools").Table("", Keys{Open: true}).Fields() {
		t := f.Table(say("pool %q", f.Name), wholePoolKeys)
		if t == nil || !validName(f) || !z.fresh("pool", f.Name, f) {
			continue
		}
		p := &pool{Pool: zones.Pool{Name: f.Name}, at: f, table: t}
		found := z.errorCount()
		z.readPoolKeys(p, policy.FailoverKind)
		z.readTargets(p)
		if p.broken = z.errorCount() > found; !p.broken {
			z.lintMembers(p)
		}
		z.addPool(p)
	}
}

func (z *zone) addPool(p *pool) {
	z.pools = append(z.pools, p)
	z.poolByName[p.Name] = p
}

func (z *zone) poolNames() []string {
	var names []string
	for _, p := range z.pools {
		names = append(names, p.Name)
	}
	return names
}

// noPool reports that a pool is not there, unless it is and has an error that keeps it out.
func (z *zone) noPool(v *Value, name string) {
	if !z.written("pools", name) {
		v.Error(didYouMean(name, z.poolNames()), "there is no pool %q", name)
	}
}

// readPoolKeys reads the keys that a pool and the shorthand share.
func (z *zone) readPoolKeys(p *pool, kind policy.Kind) {
	t := p.table
	var word string
	if t.Get("policy").Word(&word, policy.Names()...) {
		kind, _ = policy.ParseKind(word)
	}
	p.Policy = kind
	p.check = z.readCheck(t.Get("check"), p.Name)
	readPoolTTL(t.Get("ttl"), p)
	p.Failback = zones.Failback{Hold: defaultFailback}
	readFailback(t.Get("failback"), &p.Failback)
	t.Get("fallback").Text(&p.Fallback)
	t.Get("min_healthy").share(&p.MinHealthy.N, &p.MinHealthy.Percent)
	if p.MinHealthy.N == 0 {
		p.MinHealthy = zones.Share{N: 1}
	}
	switch kind {
	case policy.AllKind:
		p.MaxAnswers = defaultAnswers
	case policy.WeightedKind:
		p.MaxAnswers = 1
	}
	answers := t.Get("max_answers")
	if kind == policy.AllKind || kind == policy.WeightedKind {
		answers.Int(&p.MaxAnswers, 1, mostCount)
	} else if answers != nil {
		answers.KeyWarn("", "max_answers has no effect with policy %q", kind)
	}
	if down := t.Get("when_all_down"); down != nil {
		words := []string{"serve-all", "last-good", "nodata", "servfail"}
		if s, _ := down.data.(string); s == "fallback" {
			down.Error("write fallback = \"POOL\"", "when_all_down %q is unknown", s)
		} else if down.Word(&word, words...) {
			p.WhenAllDown, p.AllDownWritten = zones.AllDown(slices.Index(words, word)), true
		}
	}
	t.Get("linked").Flag(&p.Linked)
}

func readPoolTTL(v *Value, p *pool) {
	p.TTL = zones.TTL{Min: defaultPoolTTL, Max: defaultPoolTTL}
	if v == nil {
		return
	}
	if v.kind == tableKind {
		t := v.Table("ttl of "+v.where, ttlKeys)
		ttl := p.TTL
		low, high := t.Get("min"), t.Get("max")
		if low == nil || high == nil {
			t.Error(`write ttl = { min = "5s", max = "60s" }`, "an adaptive TTL has min and max")
			return
		}
		if !low.TTL(&ttl.Min) || !high.TTL(&ttl.Max) {
			return
		}
		if ttl.Min > ttl.Max {
			low.Error("", "min %d is more than max %d", ttl.Min, ttl.Max)
			return
		}
		p.TTL = ttl
		v = high
	} else {
		if !v.TTL(&p.TTL.Max) {
			return
		}
		p.TTL.Min = p.TTL.Max
	}
	if p.TTL.Max > longPoolTTL {
		v.Warn("clients keep a dead address that long", "a TTL of %d s is long for a pool", p.TTL.Max)
	}
}

func readFailback(v *Value, into *zones.Failback) {
	if v == nil {
		return
	}
	switch s, _ := v.data.(string); {
	case s == "auto":
		*into = zones.Failback{Mode: zones.FailbackAuto}
	case s == "manual":
		*into = zones.Failback{Mode: zones.FailbackManual}
	case s != "" && strings.Trim(s[:1], "0123456789.") != "":
		hint := `write "auto", "manual" or a duration: "2m"`
		if w := foreignWord(s, []string{"auto", "manual"}); w != "" {
			hint = fmt.Sprintf("did you mean %q?", w)
		}
		v.Error(hint, "failback %q is unknown", s)
	default:
		var hold time.Duration
		if v.Duration(&hold, 0, 0) {
			*into = zones.Failback{Mode: zones.FailbackHold, Hold: hold}
			if hold == 0 {
				into.Mode = zones.FailbackAuto
			}
		}
	}
}

// readTargets reads the targets of a pool.
func (z *zone) readTargets(p *pool) {
	list := p.table.Get("targets")
	if list == nil {
		p.table.Error(`write targets = [{ name = "a", address = "192.0.2.1" }]`, "has no targets")
		return
	}
	if list.kind != listKind {
		list.wants(`write targets = [{ name = "a", address = "192.0.2.1" }]`, "a list of tables")
		return
	}
	if len(list.items) == 0 {
		list.Error("", "targets is empty")
	}
	names, addrs := map[string]*Value{}, map[netip.Addr]string{}
	for i, item := range list.items {
		z.readTarget(p, i, item, names, addrs)
	}
	var cname, address *Value
	for _, m := range p.members {
		if m.addrs == nil {
			cname = m.at
		} else {
			address = m.at
		}
	}
	if cname != nil && address != nil {
		cname.Error("make two pools of it; one may be the fallback of the other", "has both addresses and cnames")
	}
}

func (z *zone) readTarget(p *pool, i int, item *Value, names map[string]*Value, addrs map[netip.Addr]string) {
	if item.kind != tableKind {
		item.wants(`write { name = "a", address = "192.0.2.1" }`, "a table for each target")
		return
	}
	what := say("target %d of %s", i+1, p.table.What)
	if s, ok := item.byName["name"].scalar(); ok {
		what = say("target %q", s)
	}
	t := item.Table(what, targetKeys)
	m, at := zones.Member{Priority: i, Weight: 1}, member{at: item}
	name := t.Get("name")
	if name == nil {
		t.Error(`write name = "..."`, "has no name")
	} else if name.Text(&m.Name) {
		if first := names[strings.ToLower(m.Name)]; first != nil {
			name.Error("", "is there twice: see line %d", first.line())
		} else if names[strings.ToLower(m.Name)] = name; !goodName(m.Name) {
			name.Error(nameHint, "%q cannot be a name", m.Name)
		}
	}
	z.readAddresses(p, t, &m, &at, addrs)
	if priority := t.Get("priority"); priority.Int(&m.Priority, 0, math.MaxUint16) && p.Policy != policy.FailoverKind {
		priority.KeyWarn("", "priority has no effect with policy %q", p.Policy)
	}
	if at.weight = t.Get("weight"); !at.weight.Int(&m.Weight, 0, math.MaxUint16) {
		at.weight = nil
	}
	var state string
	if t.Get("state").Word(&state, "up", "down", "drain", "auto") {
		m.Admin = map[string]checks.Admin{"up": checks.ForceUp, "down": checks.ForceDown, "drain": checks.Drain, "auto": checks.Auto}[state]
	}
	at.check = z.readCheck(t.Get("check"), p.Name)
	p.Members = append(p.Members, m)
	p.members = append(p.members, at)
}

func (z *zone) readAddresses(p *pool, t *Table, m *zones.Member, at *member, addrs map[netip.Addr]string) {
	address, cname := t.Get("address"), t.Get("cname")
	switch {
	case address != nil && cname != nil:
		cname.KeyError("", "has both address and cname")
	case address == nil && cname == nil:
		t.Error(`write address = "192.0.2.1"`, "has no address")
	case cname != nil:
		z.name(cname, &m.CNAME)
		return
	case len(address.List()) == 0:
		address.Error("", "address is empty")
	}
	for _, v := range address.List() {
		var a netip.Addr
		if !v.Addr(&a) {
			continue
		}
		if other, there := addrs[a]; there {
			v.Error("", "%s is an address of target %q already", a, other)
			continue
		}
		v.lintTarget(a)
		addrs[a] = m.Name
		m.Addrs = append(m.Addrs, zones.MemberAddr{Addr: a})
		at.addrs = append(at.addrs, v)
	}
	if at.addrs == nil {
		at.addrs = []*Value{}
	}
}

// checkCNAMEPool refuses what makes no single CNAME (DESIGN 3.3).
func (z *zone) checkCNAMEPool(p *pool) {
	const hint = "MX and SRV list several names of a pool, a CNAME is one"
	if p.Policy == policy.AllKind {
		p.table.Get("policy").Error(hint, "policy %q is not for a pool that answers with a CNAME", p.Policy)
	}
	if p.MaxAnswers > 1 && p.Policy == policy.WeightedKind {
		p.table.Get("max_answers").Error(hint, "max_answers %d is not for a pool that answers with a CNAME", p.MaxAnswers)
	}
	if p.Policy != policy.FailoverKind {
		return
	}
	seen := map[int]string{}
	for i, m := range p.Members {
		if other, there := seen[m.Priority]; there {
			p.members[i].at.Error(hint, "target %q has the priority of %q: of cname targets one is served", m.Name, other)
		}
		seen[m.Priority] = m.Name
	}
}

// isCNAME reports whether the pool has cname targets.
func (p *pool) isCNAME() bool {
	return slices.ContainsFunc(p.Members, func(m zones.Member) bool { return m.CNAME != "" })
}

// A family is A or AAAA.
type family uint8

const (
	ipv4 family = 4
	ipv6 family = 6
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

func (f family) String() string {
	if f == ipv4 {
		return "IPv4"
	}
	return "IPv6"
}

func (f family) rrtype() string {
	if f == ipv4 {
		return "A"
	}
	return "AAAA"
}

func hasFamily(m zones.Member, f family) bool {
	return slices.ContainsFunc(m.Addrs, func(a zones.MemberAddr) bool { return familyOf(a.Addr) == f })
}

func (p *pool) hasFamily(f family) bool {
	return slices.ContainsFunc(p.Members, func(m zones.Member) bool { return hasFamily(m, f) })
}
