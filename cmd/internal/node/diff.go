package node

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// maxChanges bounds the lines about changes; what is more is counted in a last line.
const maxChanges = 1000

// A changeList collects lines about changes: `+` new, `-` gone, `~` changed.
type changeList struct {
	lines []string
	more  int
}

func (c *changeList) add(format string, args ...any) {
	if len(c.lines) == maxChanges {
		c.more++
		return
	}
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

func (c *changeList) all() []string {
	if c.more > 0 {
		return append(c.lines, fmt.Sprintf("~ and %d more changes", c.more))
	}
	return append([]string{}, c.lines...)
}

// diffSources says, a line each, what differs between two configurations.
func diffSources(before, after []*zones.Source) []string {
	old, new := byOrigin(before), byOrigin(after)
	var c changeList
	for _, origin := range union(old, new) {
		a, b := old[origin], new[origin]
		switch {
		case a == nil:
			c.add("+ zone %s: %s", text(origin), contents(b))
		case b == nil:
			c.add("- zone %s: %s", text(origin), contents(a))
		default:
			diffZone(&c, a, b)
		}
	}
	return c.all()
}

func contents(s *zones.Source) string {
	return fmt.Sprintf("%s, %s", count(len(s.Pools), "pool"), count(s.Records.RRsets()+len(s.Dynamic), "record set"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func diffZone(c *changeList, a, b *zones.Source) {
	lines := len(c.lines)
	if soa := fieldChanges(a.SOA, b.SOA); soa != "" {
		c.add("~ SOA of %s: %s", text(a.Origin), soa)
	}
	diffChecks(c, a, b)
	prefix := text(a.Origin) + "/"
	oldPools, newPools := byName(a.Pools), byName(b.Pools)
	for _, name := range union(oldPools, newPools) {
		p, q := oldPools[name], newPools[name]
		switch {
		case p == nil:
			c.add("+ pool %s%s: %s of %s", prefix, name, q.Policy, memberNames(q))
		case q == nil:
			c.add("- pool %s%s: %s of %s", prefix, name, p.Policy, memberNames(p))
		default:
			diffPool(c, prefix, p, q)
		}
	}
	diffRecords(c, a, b)
	if len(c.lines) == lines && a.Content != b.Content {
		c.add("~ zone %s: the order of its parts", text(a.Origin))
	}
}

func diffPool(c *changeList, prefix string, p, q *zones.Pool) {
	name := prefix + p.Name
	if fields := changes(settings(p), settings(q)); fields != "" {
		c.add("~ pool %s: %s", name, fields)
	}
	old, new := map[string]zones.Member{}, map[string]zones.Member{}
	for _, m := range p.Members {
		old[m.Name] = m
	}
	for _, m := range q.Members {
		new[m.Name] = m
	}
	for _, member := range union(old, new) {
		m, was := old[member]
		o, is := new[member]
		switch {
		case !was:
			c.add("+ target %s/%s %s", name, member, addresses(o))
		case !is:
			c.add("- target %s/%s %s", name, member, addresses(m))
		default:
			if fields := changes(memberSettings(m), memberSettings(o)); fields != "" {
				c.add("~ target %s/%s: %s", name, member, fields)
			}
		}
	}
}

// A setting is a key with its value, both as a file has them.
type setting struct{ key, value string }

// changes draws what differs between two lists of settings, as `ttl 30s -> 60s`.
func changes(a, b []setting) string {
	var parts []string
	for i := range a {
		if a[i].value != b[i].value {
			part := fmt.Sprintf("%s %s -> %s", a[i].key, cmp.Or(a[i].value, "none"), cmp.Or(b[i].value, "none"))
			parts = append(parts, strings.TrimSpace(part))
		}
	}
	return strings.Join(parts, ", ")
}

func settings(p *zones.Pool) []setting {
	down := map[zones.AllDown]string{zones.ServeAll: "serve-all", zones.ServeLastGood: "last-good", zones.NoData: "nodata", zones.ServFail: "servfail"}[p.WhenAllDown]
	if !p.AllDownWritten {
		down += " (default)"
	}
	healthy := fmt.Sprint(max(p.MinHealthy.N, 1))
	if p.MinHealthy.Percent {
		healthy += "%"
	}
	failback := map[zones.FailbackMode]string{zones.FailbackHold: span(p.Failback.Hold), zones.FailbackAuto: "auto", zones.FailbackManual: "manual"}[p.Failback.Mode]
	ttl := seconds(p.TTL.Min)
	if p.TTL.Max != p.TTL.Min {
		ttl += ".." + seconds(p.TTL.Max)
	}
	return []setting{
		{"policy", p.Policy.String()}, {"max_answers", fmt.Sprint(p.MaxAnswers)}, {"min_healthy", healthy}, {"when_all_down", down},
		{"fallback", p.Fallback}, {"failback", failback}, {"linked", fmt.Sprint(p.Linked)}, {"ttl", ttl},
	}
}

func seconds(n uint32) string { return span(time.Duration(n) * time.Second) }

// span draws a duration without units of which there are none: 1h, not 1h0m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func memberSettings(m zones.Member) []setting {
	return []setting{
		{"address", addresses(m)}, {"priority", fmt.Sprint(m.Priority)}, {"weight", fmt.Sprint(m.Weight)}, {"state", m.Admin.String()}, {"probe", probes(m)},
	}
}

func addresses(m zones.Member) string {
	if m.CNAME != "" {
		return m.CNAME.String()
	}
	all := make([]string, len(m.Addrs))
	for i, a := range m.Addrs {
		all[i] = a.Addr.String()
	}
	return strings.Join(all, " ")
}

// probes draws what is probed for a member and how much of it must be up; "" where nothing is.
func probes(m zones.Member) string {
	needs := []zones.Need{m.Need}
	for _, a := range m.Addrs {
		needs = append(needs, a.Need)
	}
	var all []string
	for _, n := range needs {
		var of []string
		for _, t := range n.Of {
			of = append(of, t.String())
		}
		switch {
		case len(of) > 1:
			all = append(all, fmt.Sprintf("%d of (%s)", n.K, strings.Join(of, ", ")))
		case len(of) == 1:
			all = append(all, of[0])
		}
	}
	return strings.Join(all, " and ")
}

func memberNames(p *zones.Pool) string {
	var all []string
	for _, m := range p.Members {
		all = append(all, m.Name+" "+addresses(m))
	}
	return some(all)
}

// some joins the first of a list.
func some(all []string) string {
	const most = 5
	if len(all) > most+1 {
		return fmt.Sprintf("%s, ... %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

// diffChecks says how checks differ, a line each: those of the targets that stand in both, matched by
// pool, target and address.
func diffChecks(c *changeList, a, b *zones.Source) {
	old, new := watchesOf(a), watchesOf(b)
	before := servedTargets([]*zones.Source{a})
	seen := map[string]bool{}
	after := servedTargets([]*zones.Source{b})
	for key, now := range after {
		was := before[key]
		if len(was) != len(now) {
			continue // the targets' own lines say it
		}
		for i, t := range now {
			w, o := old[was[i]], new[t]
			fields := changes(judgement(w), judgement(o))
			if was[i] != t && w.Timeout == o.Timeout {
				fields = strings.TrimPrefix(fields+", what is probed differs: verdicts are kept, stale, until it has been probed anew", ", ")
			}
			if fields != "" {
				seen[fmt.Sprintf("~ check %s: %s", o.Check, fields)] = true
			}
		}
	}
	for _, line := range slices.Sorted(maps.Keys(seen)) {
		c.add("%s", line)
	}
}

func watchesOf(s *zones.Source) map[checks.Target]checks.Watch {
	out := map[checks.Target]checks.Watch{}
	for _, w := range s.Watches {
		out[w.Target] = w
	}
	return out
}

func judgement(w checks.Watch) []setting {
	return []setting{
		{"interval", span(w.Interval)}, {"timeout", span(w.Timeout)}, {"fast_interval", span(w.FastInterval)},
		{"fall", fmt.Sprint(w.Fall)}, {"rise", fmt.Sprint(w.Rise)}, {"clear", fmt.Sprint(w.Clear)}, {"quorum", w.Quorum.String()},
	}
}

// maxRecordChanges bounds the changed records that are looked at: of more, the first in the files are shown.
const maxRecordChanges = 20 * maxChanges

// diffRecords says how static RRsets and the owners whose answers come from pools differ.
func diffRecords(c *changeList, a, b *zones.Source) {
	var all []recordChange
	old, new := dynamics(a), dynamics(b)
	for _, key := range union(old, new) {
		if p, q := old[key], new[key]; !slices.Equal(p, q) {
			all = append(all, recordChange{key, p, q})
		}
	}
	more := 0
	for p, q := range a.Records.Changes(b.Records) {
		if len(all) >= maxRecordChanges {
			more++
			continue
		}
		owner, typ := p.Owner, p.Type
		if owner == "" {
			owner, typ = q.Owner, q.Type
		}
		all = append(all, recordChange{text(owner) + " " + typeText(typ), recordSettings(p), recordSettings(q)})
	}
	slices.SortStableFunc(all, func(x, y recordChange) int { return strings.Compare(x.key, y.key) })
	for _, r := range all {
		switch {
		case r.was == nil:
			c.add("+ record %s %s", r.key, r.is[0].value)
		case r.is == nil:
			c.add("- record %s %s", r.key, r.was[0].value)
		default:
			c.add("~ record %s: %s", r.key, cmp.Or(changes(r.was, r.is), "data behind the first"))
		}
	}
	c.more += more
}

// A recordChange is an RRset, or an owner whose answers come from pools, as it was and as it is; nil: not
// there.
type recordChange struct {
	key     string
	was, is []setting
}

// dynamics are what answers from pools or follows a name, by owner and, of ALIAS, MX and SRV, type.
func dynamics(s *zones.Source) map[string][]setting {
	out := map[string][]setting{}
	for _, d := range s.Dynamic {
		owner, ecs := text(d.Owner), setting{"ecs", fmt.Sprint(d.ECS)}
		if len(d.Rules) > 0 {
			rules := make([]string, len(d.Rules))
			for i, rule := range d.Rules {
				rules[i] = "pool " + rule.Pool
				if len(rule.Subnets) > 0 {
					rules[i] += fmt.Sprintf(" for %v", rule.Subnets)
				}
			}
			out[owner] = []setting{{"", strings.Join(rules, ", else ")}, ecs}
		}
		if d.Alias != "" {
			out[owner+" ALIAS"] = []setting{{"data", d.Alias.String()}, {"ttl", seconds(d.TTL)}}
		}
		for _, h := range d.Hosts {
			out[owner+" "+typeText(h.Type)] = []setting{{"data", hostsText(h)}, {"ttl", seconds(h.TTL)}, ecs}
		}
	}
	return out
}

// hostsText draws MX or SRV records whose hosts pools choose.
func hostsText(h zones.Hosts) string {
	var all []string
	for _, p := range h.Pools {
		if h.Type == dns.TypeMX {
			all = append(all, fmt.Sprintf("%d pool %s", p.Priority, p.Pool))
		} else {
			all = append(all, fmt.Sprintf("%d port %d pool %s", p.Priority, p.Port, p.Pool))
		}
	}
	for _, wire := range h.Fixed {
		all = append(all, zonefile.FormatRdata(h.Type, wire))
	}
	return some(all)
}

// recordSettings draw an RRset; nil where there is none.
func recordSettings(r zones.RRset) []setting {
	if r.Rdata == nil {
		return nil
	}
	all := make([]string, len(r.Rdata))
	for i, wire := range r.Rdata {
		all[i] = zonefile.FormatRdata(r.Type, wire)
	}
	return []setting{{"data", some(all)}, {"ttl", seconds(r.TTL)}}
}

// fieldChanges draws the fields in which two structs differ.
func fieldChanges(a, b any) string {
	var old, new []setting
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		key := strings.ToLower(va.Type().Field(i).Name)
		old = append(old, setting{key, fmt.Sprint(va.Field(i).Interface())})
		new = append(new, setting{key, fmt.Sprint(vb.Field(i).Interface())})
	}
	return changes(old, new)
}

func text(n zones.Name) string { return strings.TrimSuffix(n.String(), ".") }

func byOrigin(all []*zones.Source) map[zones.Name]*zones.Source {
	out := map[zones.Name]*zones.Source{}
	for _, s := range all {
		out[s.Origin] = s
	}
	return out
}

func byName(pools []zones.Pool) map[string]*zones.Pool {
	out := map[string]*zones.Pool{}
	for i := range pools {
		out[pools[i].Name] = &pools[i]
	}
	return out
}

// union are the keys of two maps, sorted.
func union[K interface{ ~string }, V any](a, b map[K]V) []K {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
