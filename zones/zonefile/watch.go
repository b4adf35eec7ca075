package zonefile

import (
	"cmp"
	"slices"
	"strings"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
)

// A resolved check is a check with its probe and its judgement, before it is aimed.
type resolved struct {
	check probe.Check
	watch checks.Watch
	at    *Value
}

// need aims the checks at an address and says how many of them must be up.
func (z *zone) need(e *checkExpr, all []resolved, served string, at *Value) zones.Need {
	n := zones.Need{}
	for _, r := range all {
		w := r.watch
		w.Target = probe.Target(r.check, served, w.Timeout)
		if !slices.Contains(n.Of, w.Target) {
			n.Of = append(n.Of, w.Target)
		}
		z.watch = append(z.watch, placedWatch{w, r.at})
	}
	switch {
	case len(all) == 0:
		return zones.Need{}
	case e.k == len(e.of):
		n.K = len(n.Of)
	default:
		n.K = min(e.k, len(n.Of))
	}
	return n
}

// settle gives each target one Watch in all zones: the first by zone and name of check counts. It warns
// where others judge differently.
func settle(all []*zone) {
	type claim struct {
		zone *zone
		placedWatch
	}
	first := map[checks.Target]claim{}
	for _, z := range all {
		for _, w := range z.watch {
			have, there := first[w.Target]
			if !there || checkBefore(w.Check, have.Check) {
				first[w.Target] = claim{z, w}
			}
		}
	}
	for _, z := range all {
		seen := map[checks.Target]bool{}
		for _, w := range z.watch {
			have := first[w.Target]
			if keys := differences(w.Watch, have.Watch); len(keys) > 0 {
				w.at.Warn("give both the same, or tell the probes apart", "check %q probes %s just as %q does, whose %s %s",
					w.Check, w.Target.Host, have.Check, and(keys), map[bool]string{true: "counts", false: "count"}[len(keys) == 1])
			}
			if !seen[w.Target] {
				seen[w.Target] = true
				z.src.Watches = append(z.src.Watches, have.Watch)
			}
		}
	}
}

// checkBefore orders labels, ZONE/CHECK, by zone and then by check.
func checkBefore(a, b string) bool {
	zoneA, checkA, _ := strings.Cut(a, "/")
	zoneB, checkB, _ := strings.Cut(b, "/")
	return cmp.Or(strings.Compare(zoneA, zoneB), strings.Compare(checkA, checkB)) < 0
}

// differences names the keys by which two checks judge differently.
func differences(a, b checks.Watch) []string {
	var keys []string
	for _, k := range []struct {
		name    string
		differs bool
	}{
		{"interval", a.Interval != b.Interval}, {"fast_interval", a.FastInterval != b.FastInterval},
		{"fall", a.Fall != b.Fall}, {"rise", a.Rise != b.Rise}, {"clear", a.Clear != b.Clear}, {"quorum", a.Quorum != b.Quorum},
	} {
		if k.differs {
			keys = append(keys, k.name)
		}
	}
	return keys
}
