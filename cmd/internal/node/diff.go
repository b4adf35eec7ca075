package node

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"vitalns/checks"
	"vitalns/zones"
)

// diffSources says, a line each, what differs between two configurations: `+` new, `-` gone, `~` changed.
func diffSources(before, after []*zones.Source) []string {
	old, new := byOrigin(before), byOrigin(after)
	var out []string
	for _, origin := range union(old, new) {
		a, b := old[origin], new[origin]
		switch {
		case a == nil:
			out = append(out, fmt.Sprintf("+ zone %s: %d pools, %d RRsets", text(origin), len(b.Pools), len(b.Records)))
		case b == nil:
			out = append(out, "- zone "+text(origin))
		case a.Content != b.Content || !reflect.DeepEqual(judged(a), judged(b)):
			lines := diffZone(a, b)
			if len(lines) == 0 {
				lines = []string{"~ zone " + text(origin)}
			}
			out = append(out, lines...)
		}
	}
	return out
}

func diffZone(a, b *zones.Source) []string {
	prefix := text(a.Origin) + "/"
	var out []string
	if a.SOA != b.SOA {
		out = append(out, "~ SOA of "+text(a.Origin))
	}
	oldPools, newPools := byName(a.Pools), byName(b.Pools)
	for _, name := range union(oldPools, newPools) {
		p, q := oldPools[name], newPools[name]
		switch {
		case p == nil:
			out = append(out, "+ pool "+prefix+name)
		case q == nil:
			out = append(out, "- pool "+prefix+name)
		default:
			out = append(out, diffPool(prefix, p, q)...)
		}
	}
	oldSets, newSets := recordSets(a), recordSets(b)
	for _, key := range union(oldSets, newSets) {
		p, q := oldSets[key], newSets[key]
		switch {
		case p == nil:
			out = append(out, "+ record "+key)
		case q == nil:
			out = append(out, "- record "+key)
		case !reflect.DeepEqual(p, q):
			out = append(out, "~ record "+key)
		}
	}
	return append(out, diffJudgement(prefix, a, b)...)
}

func diffPool(prefix string, p, q *zones.Pool) []string {
	var out []string
	old, new := map[string]zones.Member{}, map[string]zones.Member{}
	for _, m := range p.Members {
		old[m.Name] = m
	}
	for _, m := range q.Members {
		new[m.Name] = m
	}
	for _, name := range union(old, new) {
		m, was := old[name]
		o, is := new[name]
		switch {
		case !was:
			out = append(out, "+ target "+prefix+p.Name+"/"+name)
		case !is:
			out = append(out, "- target "+prefix+p.Name+"/"+name)
		case !reflect.DeepEqual(m, o):
			out = append(out, "~ target "+prefix+p.Name+"/"+name)
		}
	}
	a, b := *p, *q
	a.Members, b.Members = nil, nil
	if !reflect.DeepEqual(a, b) {
		out = append(out, fmt.Sprintf("~ pool %s%s: %s", prefix, p.Name, fieldChanges(a, b)))
	}
	return out
}

// fieldChanges draws the fields in which two structs differ, as `ttl 30 -> 60`.
func fieldChanges(a, b any) string {
	var parts []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		x, y := va.Field(i).Interface(), vb.Field(i).Interface()
		if !reflect.DeepEqual(x, y) {
			parts = append(parts, fmt.Sprintf("%s %v -> %v", strings.ToLower(va.Type().Field(i).Name), x, y))
		}
	}
	return strings.Join(parts, ", ")
}

// judgement is how a target is judged: what a reload may change without losing its state.
type judgement struct {
	check            string
	interval, fast   string
	fall, rise, calm int
	quorum           checks.Quorum
}

func judged(s *zones.Source) map[checks.Target]judgement {
	out := map[checks.Target]judgement{}
	for _, w := range s.Watches {
		out[w.Target] = judgement{w.Check, w.Interval.String(), w.FastInterval.String(), w.Fall, w.Rise, w.Clear, w.Quorum}
	}
	return out
}

// diffJudgement says which targets are judged differently, a line for each check and change.
func diffJudgement(prefix string, a, b *zones.Source) []string {
	old, new := judged(a), judged(b)
	seen := map[string]bool{}
	for t, j := range new {
		if i, ok := old[t]; ok && i != j {
			seen[fmt.Sprintf("~ check %s: interval %s -> %s, fast_interval %s -> %s, fall %d -> %d, rise %d -> %d, clear %d -> %d, quorum %s -> %s",
				strings.TrimPrefix(j.check, prefix), i.interval, j.interval, i.fast, j.fast, i.fall, j.fall, i.rise, j.rise, i.calm, j.calm, i.quorum, j.quorum)] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// diffAnswers says which pools answer differently.
func diffAnswers(before, after *zones.Table) []string {
	var out []string
	set := before.Set()
	for id, ref := range set.Pools() {
		name := ref.ZoneLabel + "/" + ref.Pool.Name
		was := servingText(before, zones.PoolID(id))
		next, ok := after.Set().PoolID(ref.Zone, ref.Pool.Name)
		if !ok {
			out = append(out, name+": "+was+" -> gone")
			continue
		}
		if is := servingText(after, next); is != was {
			out = append(out, name+": "+was+" -> "+is)
		}
	}
	return out
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

// recordSets are the static RRsets and the dynamic owners of a zone by owner and type.
func recordSets(s *zones.Source) map[string]any {
	out := map[string]any{}
	for _, r := range s.Records {
		out[fmt.Sprintf("%s %s", r.Owner, typeText(r.Type))] = r
	}
	for _, d := range s.Dynamic {
		out[d.Owner.String()+" pool"] = d
	}
	return out
}

// union are the keys of two maps, sorted.
func union[K interface{ ~string }, V any](a, b map[K]V) []K {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
