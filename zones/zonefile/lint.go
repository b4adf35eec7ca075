package zonefile

import (
	"fmt"

	"vitalns/zones"
)

// lintRecords looks at how the records of a zone go together. What other servers load from a master
// file is no more than a warning here.
func (z *zone) lintRecords() {
	nodes := z.nodes()
	for _, o := range z.owners {
		z.lintOwner(o)
		z.lintCut(o)
		for _, set := range o.sets {
			if set.Type == typeNS && o.name == z.src.Origin && z.hasErrors() {
				continue // an address that is wrong is not one that is missing
			}
			for i, rdata := range set.Rdata {
				z.lintPointer(nodes, set.Type, set.items[i], rdata)
				z.lintCNAME(nodes, o.name, set.Type, set.items[i], rdata)
			}
			z.lintHostPools(nodes, set)
		}
	}
}

// nodes is every name that exists in the zone, empty non-terminals included.
func (z *zone) nodes() map[zones.Name]bool {
	nodes := map[zones.Name]bool{}
	for _, o := range z.owners {
		for n := o.name; n != "" && n.IsSubdomainOf(z.src.Origin) && !nodes[n]; n = n.Parent() {
			nodes[n] = true
		}
	}
	return nodes
}

// lintOwner looks at what stands at one name.
func (z *zone) lintOwner(o *owner) {
	switch {
	case o.dynamic == nil:
	case o.dynamic.Alias != "":
		z.lintBesideAlias(o)
	case len(o.dynamic.Rules) > 0:
		for _, set := range o.sets {
			switch set.Type {
			case typeA, typeAAAA:
				set.at.KeyError("addresses of a pool are its targets", "%s stands beside a pool, which gives the addresses of %s", FormatType(set.Type), o.text(z))
			case typeCNAME:
				set.at.KeyError("a CNAME stands alone", "CNAME stands beside a pool")
			}
		}
	}
	cname := o.set(typeCNAME)
	if cname == nil {
		return
	}
	if o.name == z.src.Origin {
		cname.at.KeyError("write ALIAS = \"...\", A and AAAA, or pool = \"...\"", "CNAME cannot stand at the zone's own name, beside SOA and NS")
		return
	}
	for _, set := range o.sets {
		if set != cname && set.Type != typeRRSIG && set.Type != typeNSEC {
			set.at.KeyError("a CNAME stands alone", "%s stands beside the CNAME in line %d", FormatType(set.Type), cname.at.line())
		}
	}
}

// lintCut warns about what is hidden by a zone cut or by a DNAME.
func (z *zone) lintCut(o *owner) {
	if o.name == z.src.Origin {
		return
	}
	if ns := o.set(typeNS); ns != nil {
		for _, set := range o.sets {
			switch set.Type {
			case typeNS, typeDS, typeNSEC, typeRRSIG, typeA, typeAAAA:
			default:
				set.at.KeyWarn("", "is never served: %s is delegated by its NS records", o.text(z))
			}
		}
		if what := o.live(); what != "" {
			o.table.Warn("", "its %s is never served: %s is delegated by its NS records", what, o.text(z))
		}
	}
	for n := o.name.Parent(); n != "" && n.IsSubdomainOf(z.src.Origin); n = n.Parent() {
		above := z.owned(n)
		if above == nil {
			continue
		}
		if above.set(typeDNAME) != nil {
			o.at.KeyWarn("", "%s is never served: the DNAME of %s covers it", o.text(z), above.text(z))
			return
		}
		if n == z.src.Origin || above.set(typeNS) == nil {
			continue
		}
		for _, set := range o.sets {
			if set.Type != typeA && set.Type != typeAAAA {
				set.at.KeyWarn("", "is never served: %s is below the zone cut at %s", o.text(z), above.text(z))
			}
		}
		if what := o.live(); what != "" {
			o.table.Warn("", "its %s is never served: %s is below the zone cut at %s", what, o.text(z), above.text(z))
		}
		return
	}
}

// A spot is where a record stands: a Value, or a place in a master file.
type spot interface {
	Warn(hint, format string, args ...any)
}

// lintPointer warns about a record that points to a name of this zone which has no address, or which is
// an alias.
func (z *zone) lintPointer(nodes map[zones.Name]bool, rrtype uint16, at spot, rdata []byte) {
	skip := map[uint16]int{typeNS: 0, typeMX: 2, typeSRV: 6}
	from, ok := skip[rrtype]
	if !ok || len(rdata) <= from {
		return
	}
	name, _, err := zones.NameFromWire(rdata[from:])
	if err == nil {
		z.lintHost(nodes, rrtype, at, name)
	}
}

// lintHost warns about a host of a record: a name of this zone that has no address, or is an alias.
func (z *zone) lintHost(nodes map[zones.Name]bool, rrtype uint16, at spot, name zones.Name) {
	if !name.IsSubdomainOf(z.src.Origin) || name == zones.Root {
		return
	}
	typ := FormatType(rrtype)
	to := z.find(nodes, name)
	switch {
	case to == nil && z.covered(name):
	case to == nil || to.live() == "" && to.set(typeA) == nil && to.set(typeAAAA) == nil && to.set(typeCNAME) == nil:
		hint := ""
		if cut := z.cutAbove(name); cut != nil && rrtype == typeNS {
			hint = fmt.Sprintf("add its address, the glue of %s", cut.text(z))
		}
		at.Warn(hint, "%s points to %s, which has no address", typ, ownerText(name, z.src.Origin))
	case to.set(typeCNAME) != nil:
		at.Warn("point to the name behind it (RFC 2181 section 10.3)", "%s points to %s, which is a CNAME", typ, ownerText(name, z.src.Origin))
	case z.alias(to):
		at.Warn("point to a name with addresses", "%s points to %s, which is a live CNAME", typ, ownerText(name, z.src.Origin))
	case to.live() == "pool" && rrtype != typeSRV:
		at.Warn("", "%s points to %s, whose addresses come and go with its pool", typ, ownerText(name, z.src.Origin))
	}
}

// alias reports whether one of the pools of an owner has cname targets.
func (z *zone) alias(o *owner) bool {
	if o.dynamic == nil {
		return false
	}
	for _, r := range o.dynamic.Rules {
		if p := z.poolByName[r.Pool]; p != nil && p.isCNAME() {
			return true
		}
	}
	return false
}

// find returns the owner that answers for a name: its own, or a wildcard's (RFC 4592).
func (z *zone) find(nodes map[zones.Name]bool, name zones.Name) *owner {
	if nodes[name] || z.in.has(name) {
		return z.owned(name)
	}
	for n := name.Parent(); n != ""; n = n.Parent() {
		if nodes[n] || z.in.has(n) {
			return z.owned("\x01*" + n)
		}
	}
	return nil
}

// covered reports whether a DNAME stands above a name.
func (z *zone) covered(name zones.Name) bool {
	for n := name.Parent(); n != ""; n = n.Parent() {
		if z.owned(n).set(typeDNAME) != nil {
			return true
		}
	}
	return false
}

// cutAbove returns the zone cut at or above a name.
func (z *zone) cutAbove(name zones.Name) *owner {
	for n := name; n != "" && n != z.src.Origin; n = n.Parent() {
		if o := z.owned(n); o.set(typeNS) != nil {
			return o
		}
	}
	return nil
}
