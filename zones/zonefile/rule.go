package zonefile

import (
	"net/netip"

	"vitalns/zones"
)

// readRules reads the rules of a record: the first that matches wins, the last matches everything.
func (z *zone) readRules(o *owner, v *Value) {
	if v.kind != listKind || len(v.items) == 0 {
		v.Error(`write rules = [{ subnets = ["10.0.0.0/8"], pool = "a" }, { pool = "b" }]`, "rules wants a list of tables")
		return
	}
	o.dynamic = &zones.Dynamic{Owner: o.name}
	var matched []netip.Prefix
	catchAll, found := (*Value)(nil), z.errorCount()
	for i, item := range v.items {
		t := item.Table(say("rule %d of record %q", i+1, o.at.Name), ruleKeys)
		if t == nil {
			continue
		}
		if catchAll != nil {
			t.Error("the first rule that matches wins", "is never reached: the rule in line %d matches everything", catchAll.line())
			continue
		}
		r, good := readSubnets(t)
		pool := t.Get("pool")
		if pool == nil {
			t.Error(`write pool = "..."`, "has no pool")
		} else if pool.Text(&r.Pool) {
			o.pools = append(o.pools, pool)
		}
		if subnets := t.Get("subnets"); subnets != nil && good {
			if covered(r.Subnets, matched) {
				subnets.Warn("the first rule that matches wins", "is never reached: earlier rules match all of these subnets")
			}
			matched = append(matched, r.Subnets...)
		} else if subnets == nil && item.byName["geo"] == nil {
			catchAll = item
		}
		if good && r.Pool != "" {
			o.dynamic.Rules = append(o.dynamic.Rules, r)
		}
	}
	if catchAll == nil && z.errorCount() == found {
		v.items[len(v.items)-1].Error("end with { pool = \"...\" }, which matches everyone", "the last rule does not match everything")
	}
	if len(o.dynamic.Rules) == 0 {
		o.dynamic = nil
	}
}

func readSubnets(t *Table) (r zones.Rule, good bool) {
	v := t.Get("subnets")
	if v == nil {
		return r, true
	}
	good = true
	if len(v.List()) == 0 {
		v.Error("leave it out to match everyone", "subnets is empty")
		good = false
	}
	for _, item := range v.List() {
		var p netip.Prefix
		if !item.Prefix(&p) {
			good = false
			continue
		}
		r.Subnets = append(r.Subnets, p)
	}
	return r, good
}

// covered reports whether each of the prefixes lies within one of those matched before.
func covered(prefixes, matched []netip.Prefix) bool {
	for _, p := range prefixes {
		inside := false
		for _, m := range matched {
			inside = inside || m.Bits() <= p.Bits() && m.Contains(p.Addr())
		}
		if !inside {
			return false
		}
	}
	return true
}
