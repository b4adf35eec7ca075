package zonefile

import (
	"fmt"
	"slices"
	"strings"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// linkPools follows records to pools and pools to their fallbacks.
func (z *zone) linkPools() {
	for _, p := range z.pools {
		if p.Fallback == "" {
			continue
		}
		v := p.table.Get("fallback")
		backup := z.poolByName[p.Fallback]
		if backup == nil {
			z.noPool(v, p.Fallback)
			p.Fallback, p.broken = "", true
			continue
		}
		backup.isBackup = true
	}
	for _, p := range z.pools {
		if cycle := z.cycle(p); cycle != "" {
			p.table.Get("fallback").Error("", "fallbacks run in a circle: %s", cycle)
		}
	}
	for _, o := range z.owners {
		for _, v := range o.pools {
			z.linkRecord(o, v)
		}
		for _, set := range o.sets {
			for _, h := range set.hosts {
				z.linkHostPool(set, h)
			}
		}
	}
	for _, p := range z.pools {
		if p.isCNAME() && (p.asCNAME || !p.asHosts) && !p.broken {
			z.checkCNAMEPool(p)
		}
		if !p.reached && !z.hasErrors() {
			p.table.Warn("", "is used by no record")
		}
		if !p.broken {
			z.lintPool(p)
		}
	}
}

// linkRecord marks the pools that a record reaches.
func (z *zone) linkRecord(o *owner, v *Value) {
	name := o.text(z)
	if v != o.at {
		name, _ = v.scalar()
	}
	p := z.poolByName[name]
	if p == nil {
		z.noPool(v, name)
		return
	}
	for range z.pools { // as long as a chain can be
		p.reached = true
		if n := len(p.owners); n == 0 || p.owners[n-1] != o { // the records come one after the other
			p.owners = append(p.owners, o)
		}
		if p.isCNAME() {
			p.asCNAME = true
			z.checkAlias(o, v, p)
		}
		if p = z.poolByName[p.Fallback]; p == nil {
			return
		}
	}
}

// checkAlias refuses what cannot stand where a pool puts a CNAME.
func (z *zone) checkAlias(o *owner, v *Value, p *pool) {
	if o.name == z.src.Origin {
		v.Error("a CNAME cannot stand beside SOA and NS", "pool %q has cname targets, which cannot serve the zone's own name", p.Name)
		return
	}
	for _, set := range o.sets {
		set.at.KeyError("a CNAME stands alone", "%s stands beside pool %q, which has cname targets", FormatType(set.Type), p.Name)
	}
}

// cycle returns the circle of fallbacks that a pool is part of, "" if there is none.
func (z *zone) cycle(p *pool) string {
	path := []string{p.Name}
	for next := z.poolByName[p.Fallback]; next != nil; next = z.poolByName[next.Fallback] {
		path = append(path, next.Name)
		if next == p {
			return strings.Join(path, " -> ")
		}
		if len(path) > len(z.pools) {
			return ""
		}
	}
	return ""
}

// lintPool warns about a pool as a whole.
func (z *zone) lintPool(p *pool) {
	t := p.table
	if v := t.Get("failback"); v != nil && p.Policy != policy.FailoverKind && p.Fallback == "" {
		v.KeyWarn("", "failback has no effect with policy %q and without a fallback", p.Policy)
	}
	if v := t.Get("min_healthy"); v != nil {
		switch {
		case !p.MinHealthy.Percent && p.MinHealthy.N > len(p.Members) && len(p.Members) > 0:
			v.Error("", "min_healthy %d is more than there are targets, %d", p.MinHealthy.N, len(p.Members))
		case p.Fallback == "" && !p.isBackup:
			v.KeyWarn("", "min_healthy has no effect without a fallback")
		}
	}
	for _, m := range p.members {
		if m.weight != nil && p.Policy != policy.WeightedKind && !p.asSRV {
			m.weight.KeyWarn("", "weight has no effect with policy %q", p.Policy)
		}
	}
	checked := p.check != nil || slices.ContainsFunc(p.members, func(m member) bool { return m.check != nil })
	if p.Policy == policy.FailoverKind && p.Fallback == "" && !p.isBackup && !p.shorthand {
		switch {
		case checked && len(p.Members) == 1:
			p.table.Warn("add a target, or a fallback", "has one target and nothing to fail over to")
		case !checked && len(p.Members) > 1 && p.Members[0].Priority != p.Members[len(p.Members)-1].Priority:
			p.table.Warn(`write check = "..."`, "has no check: the first target is always served")
		}
	}
	if backup := z.poolByName[p.Fallback]; backup != nil && !p.isCNAME() && !backup.isCNAME() {
		for _, f := range []family{ipv4, ipv6} {
			if p.hasFamily(f) && !backup.hasFamily(f) {
				t.Get("fallback").Warn("", "fallback %q has no %s address: %s has no data while it is in use", backup.Name, f, f.rrtype())
			}
		}
	}
}

// lintMembers warns about the targets of a pool.
func (z *zone) lintMembers(p *pool) {
	weights, down := 0, 0
	for _, m := range p.Members {
		weights += m.Weight
		if m.Admin == checks.ForceDown {
			down++
		}
	}
	if len(p.Members) == 0 {
		return
	}
	if p.Policy == policy.WeightedKind && weights == 0 {
		p.table.Warn("", "all weights are 0, so all targets weigh the same")
	}
	if down == len(p.Members) {
		p.table.Warn("", "every target is down by its state: the answer has no data")
	}
	if p.Policy != policy.FailoverKind {
		return
	}
	for _, f := range []family{ipv4, ipv6} {
		if !p.hasFamily(f) {
			continue
		}
		for i, m := range p.Members {
			sameGroup := func(other zones.Member) bool { return other.Priority == m.Priority && hasFamily(other, f) }
			if !slices.ContainsFunc(p.Members, sameGroup) {
				p.members[i].at.Warn("", "target %q has no %s address: %s has no data while it is in use", m.Name, f, f.rrtype())
			}
		}
	}
}

// makeWatches turns the checks of the pools into probes, and looks at the checks that nobody uses.
func (z *zone) makeWatches() {
	for _, p := range z.pools {
		host, why := z.hostFor(p)
		made := map[*checkExpr][]resolved{}
		for i := range p.Members {
			m := &p.Members[i]
			e := p.check
			if p.members[i].check != nil {
				e = p.members[i].check
			}
			if e == nil {
				continue
			}
			if _, done := made[e]; !done {
				made[e] = z.resolveAll(e, host, why)
			}
			if m.CNAME != "" {
				m.Need = z.need(e, made[e], m.CNAME.String(), p.members[i].at)
			}
			for j := range m.Addrs {
				m.Addrs[j].Need = z.need(e, made[e], m.Addrs[j].Addr.String(), p.members[i].addrs[j])
			}
		}
	}
	broken := z.hasErrors()
	for _, d := range z.checks {
		if d.used {
			continue
		}
		if !d.extended && !broken {
			d.layers[0].Warn("", "is used by no pool")
		}
		if d.extended && d.layers.get("type") == nil {
			continue // its type comes from who extends it
		}
		z.resolve(d.layers, "host.invalid", d.at, "")
	}
}

// hostFor is the one name that a pool's answers are asked for by; why says why there is none.
func (z *zone) hostFor(p *pool) (host, why string) {
	switch {
	case p.asHosts && len(p.owners) == 0:
		return "", "the pool serves names of MX or SRV, each another host"
	case len(p.owners) == 0:
		return "", "no record uses the pool"
	case len(p.owners) > 1:
		const most = 3
		var names []string
		for _, o := range p.owners[:min(most, len(p.owners))] {
			names = append(names, o.text(z))
		}
		if more := len(p.owners) - most; more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		return "", fmt.Sprintf("the pool serves %s", and(names))
	}
	if host = hostOf(p.owners[0].name); host == "" {
		return "", fmt.Sprintf("the pool serves %s", p.owners[0].text(z))
	}
	return host, ""
}

// resolveAll resolves each check of an expression; nil where one is wrong.
func (z *zone) resolveAll(e *checkExpr, host, why string) []resolved {
	var all []resolved
	for _, u := range e.of {
		c, w, ok := z.resolve(u.layers, host, u.at, why)
		if !ok {
			return nil
		}
		z.lintCheck(u.layers, w)
		w.Check = u.label
		w.Prober = c.Prober(z.opt.Env)
		all = append(all, resolved{c, w, u.at})
	}
	return all
}
