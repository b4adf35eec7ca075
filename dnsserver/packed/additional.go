package packed

import (
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// maxLeads bounds the names whose addresses are looked for; more: the response is left to Respond.
const maxLeads = 64

// A lead is a name that a client will ask for next, once it has the record that leads there.
type lead struct {
	name zones.Name
	from uint16       // the type that leads there
	zone zones.ZoneID // where it is looked for

	// Of the name servers of a referral: what the zone holds for them, and whether they are below the cut.
	glue  zones.Glue
	below bool
}

// leads reports whether records of a type lead to a name whose addresses save the client a question
// (RFC 1035 §3.3, 2782, 9460 §4.1).
func leads(typ uint16) bool {
	switch typ {
	case dns.TypeNS, dns.TypeMX, dns.TypeSRV, dns.TypeSVCB, dns.TypeHTTPS:
		return true
	}
	return false
}

func isService(typ uint16) bool { return typ == dns.TypeSVCB || typ == dns.TypeHTTPS }

// lead takes in what a record of the answer leads to.
func (a *Answerer) lead(at *step, typ uint16, rdata []byte, before int) {
	target, ok := nameIn(rdata, before)
	if !ok {
		a.w.lost = true
		return
	}
	name := a.canonical(target)
	if isService(typ) {
		switch alias := binary.BigEndian.Uint16(rdata) == 0; {
		case name == zones.Root && !alias:
			name = at.qname // RFC 9460 §2.5: the owner, in service mode
		case name != zones.Root && alias:
			a.w.lost = true // it leads on
		}
	}
	a.leadTo(name, typ, zones.ZoneID(a.trace.Zone))
}

func (a *Answerer) leadTo(name zones.Name, typ uint16, zone zones.ZoneID) {
	if name == zones.Root || slices.ContainsFunc(a.leads, func(l lead) bool { return l.name == name }) {
		return
	}
	if len(a.leads) == maxLeads {
		a.w.lost = true
		return
	}
	a.leads = append(a.leads, lead{name: name, from: typ, zone: zone})
}

// additional adds the addresses of the names that the response leads to: glue of a referral, or those that
// save the client a question.
func (a *Answerer) additional() {
	a.courteous = true
	if a.referral {
		a.referralGlue()
		return
	}
	for _, qtype := range addressTypes { // of name servers an address each comes before a second one
		for i := range a.leads {
			if l := &a.leads[i]; l.from == dns.TypeNS {
				a.addresses(l, qtype)
			}
		}
	}
	for i := range a.leads {
		if l := &a.leads[i]; l.from != dns.TypeNS {
			for _, qtype := range addressTypes {
				a.addresses(l, qtype)
			}
		}
	}
}

// referralGlue adds what the zone holds for the name servers of a referral, first those below the cut,
// without which the referral is of no use (RFC 9471 §3).
func (a *Answerer) referralGlue() {
	for rest := a.out.RRset.Records(); len(rest) > 0; {
		var one []byte
		one, rest = first(rest)
		target, _ := nameIn(one, 0) // it has been written already
		a.leadTo(a.canonical(target), 0, a.out.Zone)
	}
	for i := range a.leads {
		l := &a.leads[i]
		l.glue, l.below = a.set.Glue(a.out.Zone, l.name), l.name.IsSubdomainOf(a.out.Owner)
	}
	for _, a.required = range []bool{true, false} {
		for _, qtype := range addressTypes {
			for i := range a.leads {
				if l := &a.leads[i]; l.below == a.required {
					a.glueRecords(l, qtype)
				}
			}
		}
	}
}

var addressTypes = [...]uint16{dns.TypeA, dns.TypeAAAA}

// glueRecords adds the addresses of one type that the zone of the referral holds for a name server, even
// below a zone cut; or those that it answers with.
func (a *Answerer) glueRecords(l *lead, qtype uint16) {
	switch set := l.glue.Of(qtype); {
	case set != nil:
		a.courtesy(&owner{name: view(l.name)}, set)
	case !a.required && l.glue.None():
		a.addresses(l, qtype)
	}
}

// addresses adds the addresses of one type of a name that the zone is authoritative for, pools included; of a
// name server one below a zone cut will do.
func (a *Answerer) addresses(l *lead, qtype uint16) {
	o := owner{name: view(l.name)}
	var out zones.Outcome
	a.set.Find(&out, l.name, qtype)
	if out.Zone != l.zone {
		return
	}
	switch out.Kind {
	case zones.Positive:
		a.courtesy(&o, out.RRset)
	case zones.Referral:
		if set := a.set.Glue(out.Zone, l.name).Of(qtype); set != nil && l.from == dns.TypeNS {
			a.courtesy(&o, set)
		}
	case zones.Pooled:
		pool := a.route(out.Dynamic)
		names := a.names(out.Dynamic, pool)
		drawn, result := a.draw(out.Dynamic, pool, qtype)
		if names {
			a.w.lost = a.w.lost || isService(l.from)
		} else if result == zones.DrawnServe && a.open() {
			a.close(a.records(&o, drawn))
		}
	case zones.Alias:
		a.w.lost = a.w.lost || isService(l.from) // they are followed
	case zones.Followed, zones.Hosted:
		a.w.lost = true
	}
}

// courtesy adds a static RRset, if it fits.
func (a *Answerer) courtesy(o *owner, set zones.Packed) {
	if a.open() {
		a.close(a.w.rrset(o, set))
	}
}

// open begins an RRset of the additional section, whose owner is not written yet. A whole RRset is added or
// nothing (RFC 2181 §9). False: there is no room for anything.
func (a *Answerer) open() bool {
	a.mark = a.w.mark()
	return !a.w.over
}

// close ends it. One that must not be left out, and does not fit, leaves the writer over.
func (a *Answerer) close(records int) {
	if a.required || a.w.over && a.short() {
		a.extras += records
		return
	}
	if a.w.over || a.w.n+a.optSize() > a.limit {
		a.w.back(a.mark)
		return
	}
	a.extras += records
}
