package zonefile

import (
	"slices"

	"vitalns/zones"
)

// lintIncluded looks at what master files brought in, by itself and beside what the zone file says. What
// other servers load is no more than a warning, as in lintRecords.
func (z *zone) lintIncluded() {
	if z.in == nil {
		return
	}
	for _, o := range z.owners {
		z.lintBeside(o)
	}
	nodes, cuts := z.nodes(), z.cuts()
	for rest := z.in.made.Sorted(); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Owner == rest[0].Owner {
			n++
		}
		z.lintIncludedOwner(rest[:n], nodes, cuts)
		rest = rest[n:]
	}
}

// lintBeside holds an owner of the zone file against what master files have for it. An RRset stands in one
// of the two; the nameservers of the zone file are the zone's.
func (z *zone) lintBeside(o *owner) {
	cname := o.set(typeCNAME)
	for _, set := range z.in.types(o.name) {
		typ := FormatType(set[0].Type)
		own := o.set(set[0].Type)
		switch {
		case own != nil && o.name == z.src.Origin && own.Type == typeNS:
			z.preferNS(own, set)
		case own != nil:
			for i := range set {
				z.lintTwice(own, &set[i], typ, o)
			}
		case o.dynamic != nil && isLive(o.dynamic, set[0].Type):
			z.in.problemAt(set[0], Error, "take it out of one of the two", "%s of %s stands beside what %s gives it live", typ, o.text(z), o.at.there())
		case cname != nil && !besideCNAME(set[0].Type):
			z.in.problemAt(set[0], Error, "a CNAME stands alone", "%s of %s stands beside the CNAME in %s", typ, o.text(z), cname.at.there())
		case set[0].Type == typeCNAME && cname == nil:
			if i := slices.IndexFunc(o.sets, func(s *rrset) bool { return !besideCNAME(s.Type) }); i >= 0 {
				z.in.problemAt(set[0], Error, "a CNAME stands alone", "CNAME of %s stands beside %s in %s", o.text(z), FormatType(o.sets[i].Type), o.sets[i].at.there())
			}
		}
	}
}

// isLive reports whether a type is what pools, or an ALIAS, give an owner.
func isLive(d *zones.Dynamic, typ uint16) bool {
	live := len(d.Rules) > 0 || d.Alias != ""
	return live && (typ == typeA || typ == typeAAAA || typ == typeCNAME)
}

func besideCNAME(typ uint16) bool { return typ == typeRRSIG || typ == typeNSEC }

// preferNS leaves out the nameservers of a master file, which the zone file names too.
func (z *zone) preferNS(own *rrset, set []zones.Entry) {
	same := len(own.Rdata) == len(set)
	for i := range set {
		same = same && own.has(z.in.made.Rdata(set[i])) != nil
		set[i].Dropped = true
	}
	if !same {
		z.in.problemAt(set[0], Warning, "", "the nameservers are those of %s: these are left out", own.at.there())
	}
}

// lintTwice is about a record of a master file whose owner has its type in the zone file.
func (z *zone) lintTwice(own *rrset, e *zones.Entry, typ string, o *owner) {
	if at := own.has(z.in.made.Rdata(*e)); at != nil {
		e.Dropped = true
		z.in.problemAt(*e, Warning, "", "%s of %s is in %s already", typ, o.text(z), at.there())
		return
	}
	z.in.problemAt(*e, Error, "write all of them in one of the two", "%s of %s is in %s too, with other data", typ, o.text(z), own.at.there())
}

// lintIncludedOwner looks at all that master files have for one owner.
func (z *zone) lintIncludedOwner(all []zones.Entry, nodes map[zones.Name]bool, cuts map[zones.Name]string) {
	var cname, ns *zones.Entry
	apex := z.in.made.Name(all[0].Owner) == z.src.Origin
	for rest := all; len(rest) > 0; {
		n := zones.Group(rest)
		switch rest[0].Type {
		case typeCNAME:
			cname = &rest[0]
		case typeNS:
			if !apex {
				ns = &rest[0]
			}
		}
		z.settleIncluded(rest[:n])
		z.lintIncludedPointers(nodes, rest[:n])
		rest = rest[n:]
	}
	if cname == nil && ns == nil && len(cuts) == 0 {
		return
	}
	name := z.in.made.Name(all[0].Owner)
	owner := ownerText(name, z.src.Origin)
	if cname != nil && apex {
		z.in.problemAt(*cname, Error, "write ALIAS = \"...\", A and AAAA, or pool = \"...\" in the zone file", "CNAME cannot stand at the zone's own name, beside SOA and NS")
		return
	}
	what := z.coverOf(name, cuts)
	for rest := all; len(rest) > 0; {
		first := rest[0]
		rest = rest[zones.Group(rest):]
		typ := FormatType(first.Type)
		switch {
		case first.Dropped:
		case cname != nil && first.Type != typeCNAME && !besideCNAME(first.Type):
			z.in.problemAt(first, Error, "a CNAME stands alone", "%s of %s stands beside the CNAME in %s", typ, owner, z.in.there(cname.Place))
		case what != "" && (what[0] == 'D' || first.Type != typeA && first.Type != typeAAAA):
			z.in.problemAt(first, Warning, "", "%s of %s is never served: %s", typ, owner, what)
		case ns != nil && !atCut(first.Type):
			z.in.problemAt(first, Warning, "", "%s of %s is never served: its NS records delegate it", typ, owner)
		}
	}
}

// atCut reports whether a type may stand at a zone cut without being hidden by it for good.
func atCut(typ uint16) bool {
	switch typ {
	case typeNS, typeDS, typeNSEC, typeRRSIG, typeA, typeAAAA:
		return true
	}
	return false
}

// cuts are the zone cuts and DNAMEs of the zone, with what to say of names below them.
func (z *zone) cuts() map[zones.Name]string {
	cuts := map[zones.Name]string{}
	mark := func(name zones.Name, typ uint16) {
		switch {
		case typ == typeDNAME:
			cuts[name] = "DNAME of " + ownerText(name, z.src.Origin) + " covers it"
		case typ == typeNS && name != z.src.Origin && cuts[name] == "":
			cuts[name] = "below the zone cut at " + ownerText(name, z.src.Origin)
		}
	}
	for _, o := range z.owners {
		for _, set := range o.sets {
			mark(o.name, set.Type)
		}
	}
	for _, e := range z.in.made.Sorted() {
		if e.Type == typeDNAME || e.Type == typeNS {
			mark(z.in.made.Name(e.Owner), e.Type)
		}
	}
	return cuts
}

// coverOf says what hides a name: the nearest cut or DNAME above it; "" if nothing does.
func (z *zone) coverOf(name zones.Name, cuts map[zones.Name]string) string {
	if len(cuts) == 0 {
		return ""
	}
	for name != z.src.Origin {
		name = name.Parent()
		if what := cuts[name]; what != "" {
			return what
		}
	}
	return ""
}

// settleIncluded makes one RRset of the records of an owner and type: without repetition, with one TTL (RFC
// 2181 section 5.2).
func (z *zone) settleIncluded(set []zones.Entry) {
	if len(set) == 1 {
		return
	}
	in, typ := z.in, set[0].Type
	z.settleTTL(set)
	seen := make(map[string]uint32, len(set))
	room := messageRoom(in.made.Name(set[0].Owner))
	for i := range set {
		e := &set[i]
		if e.Dropped {
			continue
		}
		rdata := in.made.Rdata(*e)
		canonical := string(canonicalRdata(typ, rdata))
		if first, there := seen[canonical]; there {
			in.problemAt(*e, Warning, "", "this record is in %s already", in.there(first))
			e.Dropped = true
			continue
		}
		seen[canonical] = e.Place
		if single := typ == typeCNAME || typ == typeDNAME; single && len(seen) > 1 {
			in.problemAt(*e, Error, "", "a name has one %s: see %s", FormatType(typ), in.there(set[0].Place))
			return
		}
		if room >= 0 && room < len(rdata)+recordHead {
			in.problemAt(*e, Warning, "over TCP it is cut off as well", "with this record %s of %s is larger than a message can be",
				FormatType(typ), ownerText(in.made.Name(e.Owner), z.src.Origin))
		}
		room -= len(rdata) + recordHead
	}
}

// settleTTL gives the records of an owner and type the least of their TTLs (RFC 2181 §5.2). Signatures have
// those of what they cover, so of theirs nothing is said.
func (z *zone) settleTTL(set []zones.Entry) {
	least := set[0]
	for _, e := range set[1:] {
		if e.TTL != least.TTL && e.Type != typeRRSIG && e.Type != typeSIG {
			z.in.problemAt(e, Warning, "", "TTL %d where the record in %s has %d: the least counts", e.TTL, z.in.there(least.Place), least.TTL)
		}
		if e.TTL < least.TTL {
			least = e
		}
	}
	for i := range set {
		set[i].TTL = least.TTL
	}
}

// lintIncludedPointers looks where NS, MX, SRV and CNAME records point to.
func (z *zone) lintIncludedPointers(nodes map[zones.Name]bool, set []zones.Entry) {
	switch set[0].Type {
	case typeNS, typeMX, typeSRV, typeCNAME:
	default:
		return
	}
	for _, e := range set {
		if !e.Dropped && e.Type == typeCNAME {
			z.lintCNAME(nodes, z.in.made.Name(e.Owner), e.Type, includedSpot{z.in, e}, z.in.made.Rdata(e))
		}
		if !e.Dropped {
			z.lintPointer(nodes, e.Type, includedSpot{z.in, e}, z.in.made.Rdata(e))
		}
	}
}

// An includedSpot is where a record stands in a master file.
type includedSpot struct {
	in *included
	zones.Entry
}

// Warn reports that the record is unwise.
func (s includedSpot) Warn(hint, format string, args ...any) {
	s.in.problemAt(s.Entry, Warning, hint, format, args...)
}
