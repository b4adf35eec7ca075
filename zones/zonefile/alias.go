package zonefile

import (
	"fmt"
	"strings"

	"vitalns/zones"
)

// aliasKey stands among the types of records and is none: the addresses of another name.
const aliasKey = "ALIAS"

// readAlias reads ALIAS = "name".
func (z *zone) readAlias(o *owner, ttl uint32) {
	v := o.table.Get(aliasKey)
	if v == nil {
		return
	}
	data := v
	if v.kind == tableKind {
		t := v.Table(aliasKey+" of "+v.where, dataKeys)
		t.Get("ttl").TTL(&ttl)
		if data = t.Get("data"); data == nil {
			t.Error(`write { ttl = "1m", data = "www" }`, "has no data")
			return
		}
	}
	list := data.List()
	switch {
	case len(list) == 0:
		data.Error("", "ALIAS is empty")
		return
	case len(list) > 1:
		list[1].Error("make a pool of several", "a name has one ALIAS")
	}
	var target zones.Name
	if !z.name(list[0], &target) {
		return
	}
	if target == o.name {
		list[0].Error("", "ALIAS of %s leads to itself", o.text(z))
		return
	}
	if o.dynamic != nil {
		v.KeyError("keep one of the two", "ALIAS stands beside a pool: both give the addresses of %s", o.text(z))
		return
	}
	o.dynamic = &zones.Dynamic{Owner: o.name, Alias: target, TTL: ttl}
	o.alias = list[0]
}

// lintBesideAlias refuses what gives the same answers as an ALIAS.
func (z *zone) lintBesideAlias(o *owner) {
	for _, set := range o.sets {
		switch set.Type {
		case typeA, typeAAAA:
			set.at.KeyError("keep one of the two", "%s stands beside an ALIAS, which gives the addresses of %s", FormatType(set.Type), o.text(z))
		case typeCNAME:
			set.at.KeyError("a CNAME stands alone", "CNAME stands beside an ALIAS")
		}
	}
}

// live says by what an owner has addresses, or a CNAME, that are not static: "pool", "ALIAS"; "" by nothing.
func (o *owner) live() string {
	switch {
	case o.dynamic == nil:
	case o.dynamic.Alias != "":
		return aliasKey
	case len(o.dynamic.Rules) > 0:
		return "pool"
	}
	return ""
}

// lintAliases follows every ALIAS through all zones that were read, whatever is up. apart says that more
// zones than these may be served together.
func lintAliases(all []*zone, apart bool) {
	var sources []*zones.Source
	some := false
	for _, z := range all {
		sources = append(sources, z.src)
		for _, o := range z.owners {
			some = some || o.alias != nil
		}
	}
	if !some {
		return
	}
	set, err := zones.Compile(sources)
	if err != nil {
		return // it is said where the zones are compiled to be served
	}
	for _, f := range set.AliasFaults(sources) {
		z := all[f.Zone]
		z.aliasFault(f, apart)
	}
}

func (z *zone) aliasFault(f zones.AliasFault, apart bool) {
	o := z.byName[f.Owner]
	end := f.Way[len(f.Way)-1]
	var way []string
	for _, n := range f.Way {
		way = append(way, ownerText(n, z.src.Origin))
	}
	by := ""
	if len(way) > 1 {
		by = fmt.Sprintf(" (by way of %s)", strings.Join(way[:len(way)-1], ", "))
	}
	name := way[len(way)-1]
	report := o.alias.Error
	switch f.What {
	case zones.Outside:
		hint := "an ALIAS follows names of zones that this node serves; for any other name write a CNAME, or addresses"
		if apart && !end.IsSubdomainOf(z.src.Origin) {
			report, hint = o.alias.Warn, "check them together: vitalns check -c FILE, or name all zone files"
		}
		report(hint, "ALIAS of %s leads to %s%s, which is in no zone here", o.text(z), name, by)
	case zones.Circle:
		report("", "ALIAS of %s leads in a circle: %s", o.text(z), strings.Join(way, " -> "))
	case zones.TooFar:
		report("point it to the name at the end", "ALIAS of %s leads through too many names: %d are followed", o.text(z), zones.MaxTrail)
	case zones.NoName:
		report("", "ALIAS of %s leads to %s%s, which does not exist", o.text(z), name, by)
	case zones.NoAddress:
		o.alias.Warn("", "ALIAS of %s leads to %s%s, which has no address", o.text(z), name, by)
	}
}
