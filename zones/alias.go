package zones

import (
	"slices"

	"github.com/miekg/dns"
)

// An aliasing is a compiled ALIAS.
type aliasing struct {
	target Name
	ttl    uint32
}

// MaxTrail bounds the names that an ALIAS is followed through. A check tells of longer ways.
const MaxTrail = 16

// A Trail is where an ALIAS leads.
type Trail struct {
	Names  []Name // that it was followed through, its target first
	Result Result // SERVFAIL also where it is Lost
	Rdata  [][]byte
	TTL    uint32 // the least of the way; of a NODATA: at most that of its SOA
	Drawn  *Drawn // of the pool that gives the addresses; nil where none does
	Lost   string // why it has no end in the zones of the Set: "leaves the zones", ...; "" it has
}

// Why an ALIAS is lost.
const (
	lostOutside = "leads to a name that is not served here"
	lostCircle  = "leads in a circle"
	lostFar     = "leads through too many names"
	lostNoName  = "leads through a record that has no name"
)

// Target returns the name that an ALIAS follows.
func (s *Set) Target(d DynamicID) Name { return s.aliases[s.dynamics[d].alias-1].target }

// Follow walks from an ALIAS to the addresses of one type, through CNAMEs, DNAMEs, wildcards, pools and
// further ALIASes of the Set. draw makes the answer of a pool that is met on the way.
func (t *Table) Follow(d DynamicID, qtype uint16, draw func(DynamicID) Drawn) Trail {
	a := t.set.aliases[t.set.dynamics[d].alias-1]
	trail := Trail{TTL: a.ttl}
	for name, ok := a.target, true; ok; {
		switch {
		case slices.Contains(trail.Names, name):
			return trail.lose(lostCircle)
		case len(trail.Names) == MaxTrail:
			return trail.lose(lostFar)
		}
		trail.Names = append(trail.Names, name)
		name, ok = t.follow(&trail, name, qtype, draw)
	}
	return trail
}

// follow takes one step, and returns the name that comes next, if one does.
func (t *Table) follow(trail *Trail, name Name, qtype uint16, draw func(DynamicID) Drawn) (next Name, ok bool) {
	s := t.set
	out := s.Lookup(name, qtype)
	switch out.Kind {
	case Positive:
		trail.TTL = min(trail.TTL, out.RRset.TTL())
		trail.Rdata, trail.Result = slices.Collect(out.RRset.Rdata()), DrawnServe
	case Pooled:
		d := draw(out.Dynamic)
		trail.TTL = min(trail.TTL, d.TTL)
		if d.Result == DrawnServe && d.Type == dns.TypeCNAME {
			return Name(d.Rdata[0]), true
		}
		trail.Rdata, trail.Result, trail.Drawn = d.Rdata, d.Result, &d
	case Followed:
		a := s.aliases[s.dynamics[out.Dynamic].alias-1]
		trail.TTL = min(trail.TTL, a.ttl)
		return a.target, true
	case Alias, Redirect:
		trail.TTL = min(trail.TTL, out.RRset.TTL())
		if next, ok = s.behind(name, out); !ok {
			*trail = trail.lose(lostNoName)
		}
		return next, ok
	case NotAuthoritative, Referral:
		*trail = trail.lose(lostOutside)
	default:
		soa := s.zones[out.Zone].SOA
		trail.TTL = min(trail.TTL, soa.TTL, soa.Minimum)
	}
	return "", false
}

func (t Trail) lose(why string) Trail {
	t.Result, t.Lost = DrawnServFail, why
	return t
}

// behind returns the name that a CNAME leads to, or that a DNAME makes of a name below it.
func (s *Set) behind(name Name, out Outcome) (Name, bool) {
	for rdata := range out.RRset.Rdata() {
		target, _, err := NameFromWire(rdata)
		if err == nil && out.Kind == Redirect {
			target, err = (name[:len(name)-len(out.Owner)] + Root).Append(target)
		}
		return target, err == nil
	}
	return "", false
}
