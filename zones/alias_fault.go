package zones

import (
	"slices"

	"github.com/miekg/dns"
)

// An AliasFault is an ALIAS that has no good end.
type AliasFault struct {
	Zone  ZoneID
	Owner Name
	Way   []Name // from its target to where it goes wrong
	What  Fault
}

// A Fault says what is wrong with an ALIAS, whatever is up; the lesser is the worse.
type Fault uint8

const (
	Outside   Fault = iota + 1 // it leads, or may lead, out of the zones of the Set
	Circle                     // it leads back to where it came by
	TooFar                     // it leads through more names than are followed
	NoName                     // the name that it leads to does not exist
	NoAddress                  // that name has no address, and none that a pool could give
)

// AliasFaults looks at every ALIAS of the Set, along all ways that pools and rules may send it, and returns
// the worst fault of each, in the order of zones and owners given.
func (s *Set) AliasFaults(sources []*Source) []AliasFault {
	var faults []AliasFault
	w := aliasWalk{set: s, seen: map[Name]*aliasEnd{}}
	for _, src := range sources {
		for _, d := range src.Dynamic {
			if d.Alias == "" {
				continue
			}
			if what, way := w.fault(d.Alias); what != 0 {
				id := s.byOrigin[src.Origin]
				faults = append(faults, AliasFault{Zone: id, Owner: d.Owner, Way: way, What: what})
			}
		}
	}
	return faults
}

// An aliasWalk remembers where names lead, so that each is looked at once.
type aliasWalk struct {
	set  *Set
	seen map[Name]*aliasEnd
}

// An aliasEnd is where a name leads.
type aliasEnd struct {
	open bool   // it is being looked at: to come by it again is a circle
	what Fault  // 0: to addresses
	way  []Name // to the fault
	far  int    // names of the longest way
}

func (w *aliasWalk) fault(target Name) (Fault, []Name) {
	end := w.look(target, 1)
	if end.far > MaxTrail && (end.what == 0 || end.what > TooFar) {
		return TooFar, []Name{target}
	}
	return end.what, end.way
}

// maxLook bounds how deep ways are looked at: beyond it they are too far for any ALIAS.
const maxLook = 1000

// look follows a name to its end.
func (w *aliasWalk) look(name Name, depth int) *aliasEnd {
	if end, ok := w.seen[name]; ok {
		return end
	}
	if depth > maxLook {
		return &aliasEnd{far: MaxTrail + 1}
	}
	end := &aliasEnd{open: true}
	w.seen[name] = end
	next, what := w.set.leadsTo(name)
	end.what, end.far = what, 1
	if what != 0 {
		end.way = []Name{name}
	}
	for _, n := range next {
		then := w.look(n, depth+1)
		end.far = max(end.far, then.far+1)
		what, way := then.what, then.way
		if then.open {
			what, way = Circle, []Name{n}
		}
		if what != 0 && (end.what == 0 || what < end.what) {
			end.what, end.way = what, append([]Name{name}, way...)
		}
	}
	end.open = false
	return end
}

// leadsTo returns all names that one may lead to, or what is wrong with it; neither: it has addresses.
func (s *Set) leadsTo(name Name) (next []Name, what Fault) {
	out := s.Lookup(name, dns.TypeA)
	switch out.Kind {
	case NotAuthoritative, Referral:
		return nil, Outside
	case NoSuchName:
		return nil, NoName
	case NoSuchType:
		if s.Lookup(name, dns.TypeAAAA).Kind == NoSuchType {
			return nil, NoAddress
		}
	case Alias, Redirect:
		n, ok := s.behind(name, out)
		if !ok {
			return nil, NoName
		}
		return []Name{n}, 0
	case Followed:
		return []Name{s.Target(out.Dynamic)}, 0
	case Pooled:
		for i := range s.Rules(out.Dynamic) {
			for _, id := range s.plans.pools[s.RulePool(out.Dynamic, i)].chain {
				for _, m := range s.pools[id].Pool.Members {
					if m.CNAME != "" && !slices.Contains(next, m.CNAME) {
						next = append(next, m.CNAME)
					}
				}
			}
		}
	}
	return next, 0
}
