package zonefile

import (
	"slices"
	"strings"

	"vitalns/zones"
)

// lintCNAME follows a CNAME through those of this zone, and warns where it leads in a circle, through too many
// names, or to a name that does not exist.
func (z *zone) lintCNAME(nodes map[zones.Name]bool, owner zones.Name, rrtype uint16, at spot, rdata []byte) {
	if rrtype != typeCNAME {
		return
	}
	of := ownerText(owner, z.src.Origin)
	name, _, err := zones.NameFromWire(rdata)
	if err == nil && name == owner {
		at.Warn("", "CNAME of %s leads to itself", of)
		return
	}
	var way []string
	seen := []zones.Name{owner}
	for err == nil && name.IsSubdomainOf(z.src.Origin) {
		way = append(way, ownerText(name, z.src.Origin))
		to := z.find(nodes, name)
		switch {
		case slices.Contains(seen, name):
			at.Warn("", "CNAME of %s leads in a circle: %s", of, strings.Join(way, " -> "))
			return
		case len(way) > zones.MaxTrail:
			at.Warn("point it to the name at the end", "CNAME of %s leads through more than %d names", of, zones.MaxTrail)
			return
		case to == nil && len(way) == 1 && z.missing(nodes, name):
			at.Warn("", "CNAME of %s leads to %s, which does not exist", of, way[0])
			return
		}
		next := z.cname(to)
		if next == nil {
			return
		}
		seen = append(seen, name)
		name, _, err = zones.NameFromWire(next)
	}
}

// missing reports whether a name that no owner answers for does not exist. What is wrong is not missing.
func (z *zone) missing(nodes map[zones.Name]bool, name zones.Name) bool {
	return !z.hasErrors() && !nodes[name] && !z.in.has(name) && !z.covered(name) && z.cutAbove(name) == nil
}

// cname returns the rdata of an owner's CNAME; nil if it has none.
func (z *zone) cname(o *owner) []byte {
	set := o.set(typeCNAME)
	if set == nil {
		return nil
	}
	if len(set.Rdata) > 0 {
		return set.Rdata[0]
	}
	for _, e := range z.in.set(o.name, typeCNAME) {
		return z.in.made.Rdata(e)
	}
	return nil
}
