package zones

import (
	"net/netip"

	"vitalns/checks"
)

// A Set is all zones of a node, compiled: immutable, and free of health. Many goroutines may read it.
type Set struct {
	store
	zones    []Zone
	byOrigin map[Name]ZoneID
	// Bytes of the shortest origin and labels of the deepest owner: no lookup tries a suffix outside of
	// these.
	least, deepest int

	pools    []PoolRef
	byPool   map[poolKey]PoolID
	dynamics []dynamic
	rules    []rule
	ranges   []addrRange
	aliases  []aliasing
	hosts    []hosts
	plans    plans
}

// A ZoneID is the place of a zone in Set.Zones.
type ZoneID uint32

// A Zone is what a Set knows of one zone besides its records.
type Zone struct {
	Origin  Name
	Label   string // for people and metrics: without final dot
	File    string
	SOA     SOA
	Content [16]byte
	Watches []checks.Watch
	Names   int // owner names and empty non-terminals
	Live    int // those of them that have a Dynamic
	Records int // static ones, without the SOA

	records  *Records  // not nil
	dynamics DynamicID // the first of the zone: they follow each other
}

// A PoolID is the place of a pool in Set.Pools.
type PoolID uint32

// A PoolRef is a pool and the zone it belongs to.
type PoolRef struct {
	Zone      Name
	ZoneID    ZoneID
	ZoneLabel string // without final dot
	Pool      *Pool  // read only
	Names     bool   // its members are names (CNAME), not addresses
}

type poolKey struct {
	zone Name
	pool string
}

// A DynamicID names an owner whose answers come from pools.
type DynamicID uint32

// Zones returns all zones, in the order of the sources.
func (s *Set) Zones() []Zone { return s.zones }

// Zone returns one zone.
func (s *Set) Zone(id ZoneID) *Zone { return &s.zones[id] }

// ZoneID finds a zone by its origin.
func (s *Set) ZoneID(origin Name) (ZoneID, bool) {
	id, ok := s.byOrigin[origin]
	return id, ok
}

// Pools returns all pools of all zones, in the order of zones and files.
func (s *Set) Pools() []PoolRef { return s.pools }

// PoolID finds a pool by its zone and name.
func (s *Set) PoolID(zone Name, pool string) (PoolID, bool) {
	id, ok := s.byPool[poolKey{zone, pool}]
	return id, ok
}

// Rules returns how many rules a Dynamic has.
func (s *Set) Rules(d DynamicID) int { return int(s.dynamics[d].count) }

// RulePool returns the pool that the i-th rule of a Dynamic leads to.
func (s *Set) RulePool(d DynamicID, i int) PoolID {
	return s.rules[s.dynamics[d].rules+uint32(i)].pool
}

// ECS reports whether the rules of a Dynamic look at the client subnet where a query has one.
func (s *Set) ECS(d DynamicID) bool { return s.dynamics[d].ecs }

// HasNames reports whether a rule of a Dynamic leads to a pool of names.
func (s *Set) HasNames(d DynamicID) bool { return s.dynamics[d].names }

// Match returns the first rule of a Dynamic that matches the client, and how many leading bits of the
// client's address that depended on: every client that shares them gets the same rule (RFC 7871 §7.2.1).
// A client without a valid address is matched by rules without subnets alone.
func (s *Set) Match(d DynamicID, client netip.Addr) (i int, scope int) {
	dyn := &s.dynamics[d]
	for i := range int(dyn.count) {
		r := &s.rules[dyn.rules+uint32(i)]
		if r.all {
			return i, scope
		}
		if !client.IsValid() {
			continue
		}
		in, bits := matchRanges(s.rangesFor(r, client), client)
		scope = max(scope, bits)
		if in {
			return i, scope
		}
	}
	panic("zones: internal error: no rule of a dynamic owner matches everyone")
}
