package zones

import (
	"cmp"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones/policy"
)

// A family is one of the answers of a pool: its IPv4 addresses, its IPv6 addresses, or its names.
type family uint8

const (
	ip4 family = iota
	ip6
	alias
	families
)

// familyKeys name the families in ChoiceKey.
var familyKeys = [families]string{"ip4", "ip6", "cname"}

var familyTypes = [families]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME}

// chainKey stands in ChoiceKey for the choice among the pools of a chain.
const chainKey = "chain"

// ChoiceKey is the key of a register about a pool: of the group in use, or the last good targets, of one
// family ("ip4", "ip6", "cname"), or of the pool in use of its chain ("chain").
func ChoiceKey(zone Name, pool, family string) string {
	return zoneLabel(zone) + "/" + pool + "/" + family
}

// OverrideKey is the key of the register of an operator's override of one target.
func OverrideKey(zone Name, pool, target string) string {
	return zoneLabel(zone) + "/" + pool + "/" + target
}

// zoneLabel names a zone for people, metrics and keys: without final dot.
func zoneLabel(zone Name) string {
	return cmp.Or(strings.TrimSuffix(zone.String(), "."), ".")
}

// plans is what is known of all pools of a Set before any verdict.
type plans struct {
	pools    []plan
	byTarget map[checks.Target][]PoolID // the pools that look at it
	byKey    map[string]PoolID          // the pool that a register's key is about
}

// A plan is what is known of one pool before any verdict.
type plan struct {
	PoolRef
	id      PoolID
	chain   []PoolID        // the pool itself, then its fallbacks
	users   []PoolID        // the pools whose chain it stands in, itself included; ascending
	own     []checks.Target // what its members' needs name, each once
	targets []checks.Target // what the needs of the whole chain name, each once
	places  [][]int         // by place in the chain: where that pool's own targets stand in targets
	members []memberPlan
	groups  []group // members of equal priority, the best first
	has     [families]bool
	choices [families]string // keys
	walk    string           // key of the chain's choice
}

// A group is members of equal priority.
type group struct {
	members []int
	names   []string // sorted
}

type memberPlan struct {
	key      uint64
	override string // key
	idle     bool   // weight 0 beside others above 0: drained by another name
	group    int
	addrs    []addrPlan
}

type addrPlan struct {
	family family
	rdata  []byte
	need   int   // how many of
	of     []int // these, by place in own, have to be up; none: it is always up
}

// planPools plans all pools of a Set.
func planPools(s *Set) plans {
	ps := plans{
		pools:    make([]plan, len(s.pools)),
		byTarget: map[checks.Target][]PoolID{},
		byKey:    map[string]PoolID{},
	}
	for i, ref := range s.pools {
		ps.pools[i] = planMembers(ref, PoolID(i))
		p := &ps.pools[i]
		for f := range families {
			p.choices[f] = ChoiceKey(p.Zone, p.Pool.Name, familyKeys[f])
			ps.byKey[p.choices[f]] = p.id
		}
		p.walk = ChoiceKey(p.Zone, p.Pool.Name, chainKey)
		ps.byKey[p.walk] = p.id
		for _, m := range p.members {
			ps.byKey[m.override] = p.id
		}
	}
	for i := range ps.pools {
		ps.link(s, &ps.pools[i])
	}
	return ps
}

// link finds the chain of a pool and what it looks at.
func (ps *plans) link(s *Set, p *plan) {
	place := map[checks.Target]int{}
	for id, ok := p.id, true; ok && !slices.Contains(p.chain, id); {
		next := &ps.pools[id]
		p.chain = append(p.chain, id)
		next.users = append(next.users, p.id)
		places := make([]int, len(next.own))
		for i, t := range next.own {
			at, seen := place[t]
			if !seen {
				at = len(p.targets)
				place[t] = at
				p.targets = append(p.targets, t)
				ps.byTarget[t] = append(ps.byTarget[t], p.id)
			}
			places[i] = at
		}
		p.places = append(p.places, places)
		id, ok = s.PoolID(p.Zone, next.Pool.Fallback)
	}
}

func planMembers(ref PoolRef, id PoolID) plan {
	p := plan{PoolRef: ref, id: id}
	place := map[checks.Target]int{}
	heavy := slices.ContainsFunc(ref.Pool.Members, func(m Member) bool { return m.Weight > 0 })
	for _, m := range ref.Pool.Members {
		mp := memberPlan{
			key:      policy.MemberKey(ref.ZoneLabel, ref.Pool.Name, m.Name),
			override: OverrideKey(ref.Zone, ref.Pool.Name, m.Name),
			idle:     ref.Pool.Policy == policy.WeightedKind && heavy && m.Weight == 0,
		}
		add := func(f family, rdata []byte, n Need) {
			ap := addrPlan{family: f, rdata: rdata, need: n.K}
			for _, t := range n.Of {
				at, seen := place[t]
				if !seen {
					at = len(p.own)
					place[t] = at
					p.own = append(p.own, t)
				}
				ap.of = append(ap.of, at)
			}
			mp.addrs = append(mp.addrs, ap)
			p.has[f] = true
		}
		for _, a := range m.Addrs {
			f := ip6
			if a.Addr.Is4() {
				f = ip4
			}
			add(f, a.Addr.AsSlice(), a.Need)
		}
		if m.CNAME != "" {
			add(alias, []byte(m.CNAME), m.Need)
		}
		p.members = append(p.members, mp)
	}
	p.groups = planGroups(ref.Pool, p.members)
	return p
}

// planGroups gathers members of equal priority, the best first.
func planGroups(pool *Pool, members []memberPlan) []group {
	priorities := make([]int, 0, len(members))
	for _, m := range pool.Members {
		priorities = append(priorities, m.Priority)
	}
	slices.Sort(priorities)
	priorities = slices.Compact(priorities)
	groups := make([]group, len(priorities))
	for i, m := range pool.Members {
		g, _ := slices.BinarySearch(priorities, m.Priority)
		members[i].group = g
		groups[g].members = append(groups[g].members, i)
		groups[g].names = append(groups[g].names, m.Name)
	}
	for g := range groups {
		slices.Sort(groups[g].names)
	}
	return groups
}

// grouped reports whether the pool keeps a group in use.
func (p *plan) grouped() bool { return p.Pool.Policy == policy.FailoverKind && len(p.groups) > 1 }

// groupOf finds the group that a choice names: the one that most of its targets are in now, the best
// where several are; -1 where none of them is left.
func (p *plan) groupOf(c checks.Choice) int {
	best, most := -1, 0
	for g := range p.groups {
		shared := 0
		for _, n := range p.groups[g].names {
			if slices.Contains(c.Names, n) {
				shared++
			}
		}
		if shared > most {
			best, most = g, shared
		}
	}
	return best
}

// placeOf finds the pool of the chain that a choice names; -1 where it is in it no more.
func (ps *plans) placeOf(p *plan, c checks.Choice) int {
	return slices.IndexFunc(p.chain, func(id PoolID) bool { return ps.pools[id].Pool.Name == c.Pool })
}

// PoolsOf returns the pools whose answers may depend on these targets, ascending, each once.
func (s *Set) PoolsOf(changed []checks.Target) []PoolID {
	var ids []PoolID
	for _, t := range changed {
		ids = append(ids, s.plans.byTarget[t]...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// PoolsOfKeys returns the pools whose answers may depend on registers of these keys (OverrideKey,
// ChoiceKey), ascending, each once. Keys of pools that are not in the Set are passed over.
func (s *Set) PoolsOfKeys(keys []string) []PoolID {
	var ids []PoolID
	for _, k := range keys {
		if id, ok := s.plans.byKey[k]; ok {
			ids = append(ids, s.plans.pools[id].users...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
