package zones

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Compile makes one Set of checked zones, which shares their records. Every owner name, empty non-terminal,
// wildcard and zone cut stands in its store before the first query. It fails on two zones of one origin and
// on more names than the store can hold; a Source that breaks its own contract is an internal error,
// returned as well.
func Compile(src []*Source) (*Set, error) {
	c := compiler{
		Set: &Set{
			byOrigin: make(map[Name]ZoneID, len(src)),
			byPool:   map[poolKey]PoolID{},
			least:    math.MaxInt,
		},
	}
	for _, z := range src {
		if err := c.zone(z); err != nil {
			return nil, err
		}
	}
	c.partition()
	for i, z := range src {
		if marks := c.zones[i].records.dynamics; marks != len(z.Dynamic) {
			return nil, fmt.Errorf("zones: internal error: the records of zone %s have marks for %d Dynamics of %d", z.Origin, marks, len(z.Dynamic))
		}
		c.zones[i].dynamics = DynamicID(len(c.dynamics))
		for j := range z.Dynamic {
			if err := c.dynamic(ZoneID(i), &z.Dynamic[j]); err != nil {
				return nil, err
			}
		}
	}
	c.rules, c.ranges, c.dynamics = slices.Clone(c.rules), slices.Clone(c.ranges), slices.Clone(c.dynamics)
	c.plans = planPools(c.Set)
	return c.Set, nil
}

// A compiler is a Set in the making.
type compiler struct {
	*Set
	names int
}

// zone takes in the names, pools and rules of one zone.
func (c *compiler) zone(src *Source) error {
	if other, ok := c.byOrigin[src.Origin]; ok {
		return fmt.Errorf("zone %s stands in %s and in %s", src.Origin, c.zones[other].File, src.File)
	}
	records := src.Records
	if records == nil {
		records, _ = NewBuilder(src.Origin, Size{}).Build() // the apex, which goes in
	}
	if records.origin != src.Origin {
		return fmt.Errorf("zones: internal error: the records of zone %s are those of zone %s", src.Origin, records.origin)
	}
	if c.names += records.owners; uint64(len(c.pages)+pagesFor(records))<<pageBits > math.MaxUint32 {
		return errTooLarge
	}
	id := ZoneID(len(c.zones))
	label := strings.TrimSuffix(src.Origin.String(), ".")
	c.byOrigin[src.Origin] = id
	c.zones = append(c.zones, Zone{
		Origin: src.Origin, Label: cmp.Or(label, "."), File: src.File, SOA: src.SOA, Content: src.Content, Watches: src.Watches,
		Names: records.owners, Live: records.dynamics, Records: records.Len(), records: records,
	})
	c.add(id, records)
	c.least, c.deepest = min(c.least, len(src.Origin)), max(c.deepest, records.deepest)
	for i := range src.Pools {
		c.byPool[poolKey{src.Origin, src.Pools[i].Name}] = PoolID(len(c.pools))
		c.pools = append(c.pools, PoolRef{
			Zone: src.Origin, ZoneID: id, ZoneLabel: c.zones[id].Label, Pool: &src.Pools[i], Names: hasNames(&src.Pools[i]),
		})
	}
	return nil
}

func hasNames(p *Pool) bool {
	return slices.ContainsFunc(p.Members, func(m Member) bool { return m.CNAME != "" })
}

// dynamic compiles the rules of one Dynamic.
func (c *compiler) dynamic(zone ZoneID, d *Dynamic) error {
	if at, ok := c.dynamicOf(zone, d.Owner); !ok || at != DynamicID(len(c.dynamics)) {
		return fmt.Errorf("zones: internal error: the records have no mark for the Dynamic of %s", d.Owner)
	}
	made, err := c.besideRules(zone, d)
	if err != nil {
		return err
	}
	for i, r := range d.Rules {
		pool, ok := c.byPool[poolKey{c.zones[zone].Origin, r.Pool}]
		if !ok {
			return fmt.Errorf("zones: internal error: %s leads to pool %q, which does not exist", d.Owner, r.Pool)
		}
		made.names = made.names || c.pools[pool].Names
		if i == 0 {
			made.pool, made.plain = pool, len(r.Subnets) == 0
		}
		ranges, four := compileRanges(r.Subnets)
		c.rules = append(c.rules, rule{
			pool: pool, ranges: uint32(len(c.ranges)), count: uint32(len(ranges)), four: uint32(four), all: len(r.Subnets) == 0,
		})
		c.ranges = append(c.ranges, ranges...)
	}
	c.dynamics = append(c.dynamics, made)
	return nil
}

// partition makes the table, in which names at and below the origin of a deeper zone of the Set are marked:
// that zone answers there.
func (c *compiler) partition() {
	holds := make([]bool, len(c.zones)) // it holds the origin of another zone
	for i := range c.zones {
		for name := c.zones[i].Origin.Parent(); name != ""; name = name.Parent() {
			if above, ok := c.byOrigin[name]; ok {
				holds[above] = true
			}
		}
	}
	c.index(c.names, func(zone ZoneID, name Name) bool {
		if !holds[zone] {
			return false
		}
		for origin := c.zones[zone].Origin; name != origin; name = name.Parent() {
			if _, ok := c.byOrigin[name]; ok {
				return true
			}
		}
		return false
	})
}
