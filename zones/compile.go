package zones

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Compile makes one Set of checked zones. Every owner name, empty non-terminal, wildcard and zone cut
// stands in its store before the first query. It fails on two zones of one origin and on more than the
// store can hold; a Source that breaks its own contract is an internal error, returned as well.
func Compile(src []*Source) (*Set, error) {
	c := compiler{
		Set: &Set{
			store:    store{seed: maphash.MakeSeed()},
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
	if err := c.place(src); err != nil {
		return nil, err
	}
	c.occlude()
	c.partition()
	return c.finish(), nil
}

// A compiler is a Set in the making.
type compiler struct {
	*Set
	owners strings.Builder // becomes names
	parent []nodeID        // by node; the apex is its own
	pend   []pending
}

// A pending RRset waits for its place: those of one node have to follow each other.
type pending struct {
	node    nodeID
	typ     uint16
	zone    ZoneID
	record  uint32 // in Source.Records
	dynamic DynamicID
}

// zone takes in the names, pools and rules of one zone.
func (c *compiler) zone(src *Source) error {
	if other, ok := c.byOrigin[src.Origin]; ok {
		return fmt.Errorf("zone %s stands in %s and in %s", src.Origin, c.zones[other].File, src.File)
	}
	id := ZoneID(len(c.zones))
	label := strings.TrimSuffix(src.Origin.String(), ".")
	c.byOrigin[src.Origin] = id
	c.zones = append(c.zones, Zone{
		Origin: src.Origin, Label: cmp.Or(label, "."), File: src.File, SOA: src.SOA, Content: src.Content, Watches: src.Watches,
	})
	c.least = min(c.least, len(src.Origin))
	for i := range src.Pools {
		c.byPool[poolKey{src.Origin, src.Pools[i].Name}] = PoolID(len(c.pools))
		c.pools = append(c.pools, PoolRef{
			Zone: src.Origin, ZoneID: id, ZoneLabel: c.zones[id].Label, Pool: &src.Pools[i], Names: hasNames(&src.Pools[i]),
		})
	}
	before := len(c.nodes)
	if _, err := c.node(id, src.Origin); err != nil {
		return err
	}
	for i := range src.Records {
		r := &src.Records[i]
		if r.Type == 0 {
			return fmt.Errorf("zones: internal error: %s has records of type 0", r.Owner)
		}
		n, err := c.node(id, r.Owner)
		if err != nil {
			return err
		}
		c.pend = append(c.pend, pending{node: n, typ: r.Type, zone: id, record: uint32(i)})
	}
	for i := range src.Dynamic {
		if err := c.dynamic(id, &src.Dynamic[i]); err != nil {
			return err
		}
	}
	c.zones[id].Names = len(c.nodes) - before
	return nil
}

func hasNames(p *Pool) bool {
	return slices.ContainsFunc(p.Members, func(m Member) bool { return m.CNAME != "" })
}

// node returns the node of a name, which it makes where it is missing, with every name above it up to
// the apex: those are the empty non-terminals (RFC 4592 §2.2.2).
func (c *compiler) node(zone ZoneID, name Name) (nodeID, error) {
	origin := c.zones[zone].Origin
	if !name.IsSubdomainOf(origin) {
		return 0, fmt.Errorf("zones: internal error: %s is not in zone %s", name, origin)
	}
	if id, ok := c.find(zone, string(name)); ok {
		return id, nil
	}
	id := nodeID(len(c.nodes))
	parent := id
	if name != origin {
		var err error
		if parent, err = c.node(zone, name.Parent()); err != nil {
			return 0, err
		}
		id = nodeID(len(c.nodes))
		if name.IsWildcard() {
			c.nodes[parent].flags |= hasWildcard
		}
	}
	if c.owners.Len()+len(name) > math.MaxUint32 || len(c.nodes) >= math.MaxInt32 {
		return 0, errTooLarge
	}
	c.deepest = max(c.deepest, name.Labels())
	c.nodes = append(c.nodes, node{name: uint32(c.owners.Len()), size: uint8(len(name)), zone: zone})
	c.parent = append(c.parent, parent)
	c.owners.WriteString(string(name))
	c.names = c.owners.String()
	if 2*len(c.nodes) > len(c.table) {
		c.rehash(4 * len(c.nodes))
	} else {
		c.insert(id)
	}
	return id, nil
}

var errTooLarge = errors.New("the zones are too large: names and records must each fit in 4 GiB")

func (c *compiler) insert(id nodeID) {
	mask := uint64(len(c.table) - 1)
	h := c.hash(string(c.name(id)))
	i := h & mask
	for c.table[i] != 0 {
		i = (i + 1) & mask
	}
	c.table[i] = slot(h&^slotNode | uint64(id) + 1)
}

// rehash makes a table for at least size entries.
func (c *compiler) rehash(size int) {
	slots := 16
	for slots < size {
		slots *= 2
	}
	c.table = make([]slot, slots)
	for id := range c.nodes {
		c.insert(nodeID(id))
	}
}

// dynamic compiles the rules of one Dynamic.
func (c *compiler) dynamic(zone ZoneID, d *Dynamic) error {
	n, err := c.node(zone, d.Owner)
	if err != nil {
		return err
	}
	c.nodes[n].flags |= isPooled
	c.pend = append(c.pend, pending{node: n, typ: 0, zone: zone, dynamic: DynamicID(len(c.dynamics))})
	made, err := c.besideRules(zone, d)
	if err != nil {
		return err
	}
	for _, r := range d.Rules {
		pool, ok := c.byPool[poolKey{c.zones[zone].Origin, r.Pool}]
		if !ok {
			return fmt.Errorf("zones: internal error: %s leads to pool %q, which does not exist", d.Owner, r.Pool)
		}
		made.names = made.names || c.pools[pool].Names
		ranges := compileRanges(r.Subnets)
		c.rules = append(c.rules, rule{
			pool: pool, ranges: uint32(len(c.ranges)), count: uint32(len(ranges)), all: len(r.Subnets) == 0,
		})
		c.ranges = append(c.ranges, ranges...)
	}
	c.dynamics = append(c.dynamics, made)
	return nil
}

// place gives the RRsets of each node places that follow each other, by type, and copies their rdata.
func (c *compiler) place(src []*Source) error {
	slices.SortFunc(c.pend, func(a, b pending) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.typ, b.typ))
	})
	c.sets = make([]rrset, 0, len(c.pend))
	for i, p := range c.pend {
		n := &c.nodes[p.node]
		if i > 0 && c.pend[i-1].node == p.node && c.pend[i-1].typ == p.typ {
			return fmt.Errorf("zones: internal error: %s has two RRsets of type %d", c.name(p.node), p.typ)
		}
		if n.count == 0 {
			n.sets = uint32(len(c.sets))
		}
		n.count++
		if p.typ == 0 {
			c.sets = append(c.sets, rrset{rdata: uint32(p.dynamic)})
			continue
		}
		if err := c.copy(&src[p.zone].Records[p.record]); err != nil {
			return err
		}
		switch apex := c.parent[p.node] == p.node; {
		case p.typ == dns.TypeNS && !apex:
			n.flags |= isCut
		case p.typ == dns.TypeDNAME:
			n.flags |= hasDNAME
		}
	}
	return nil
}

// copy appends an RRset to the store.
func (c *compiler) copy(r *RRset) error {
	if len(r.Rdata) == 0 || len(r.Rdata) > math.MaxUint16 {
		return fmt.Errorf("zones: internal error: %s has %d records of type %d", r.Owner, len(r.Rdata), r.Type)
	}
	c.sets = append(c.sets, rrset{rdata: uint32(len(c.rdata)), ttl: r.TTL, typ: r.Type, count: uint16(len(r.Rdata))})
	for _, b := range r.Rdata {
		if len(b) > math.MaxUint16 {
			return fmt.Errorf("zones: internal error: %s has rdata of %d bytes", r.Owner, len(b))
		}
		c.rdata = append(append(c.rdata, byte(len(b)>>8), byte(len(b))), b...)
	}
	if len(c.rdata) > math.MaxUint32 {
		return errTooLarge
	}
	return nil
}

// occlude marks what lies below a zone cut or a DNAME. A parent's node is made before its children's.
func (c *compiler) occlude() {
	for id, parent := range c.parent {
		if nodeID(id) != parent && c.nodes[parent].flags&(isCut|hasDNAME|isOccluded) != 0 {
			c.nodes[id].flags |= isOccluded
		}
	}
}

// partition marks what a zone has at and below the origin of a deeper zone of the Set, which answers there.
func (c *compiler) partition() {
	holds := make([]bool, len(c.zones)) // it holds the origin of another zone
	for i := range c.zones {
		for name := c.zones[i].Origin.Parent(); name != ""; name = name.Parent() {
			if above, ok := c.byOrigin[name]; ok {
				holds[above] = true
			}
		}
	}
	for id, parent := range c.parent {
		n := &c.nodes[id]
		if !holds[n.zone] {
			continue
		}
		if zone, ok := c.byOrigin[c.name(nodeID(id))]; ok && zone != n.zone || c.nodes[parent].flags&isForeign != 0 {
			n.flags |= isForeign
		}
	}
}

// finish gives back what the arenas did not use.
func (c *compiler) finish() *Set {
	s := c.Set
	s.names = strings.Clone(s.names)
	s.nodes = slices.Clone(s.nodes)
	s.rdata = slices.Clone(s.rdata)
	s.rules, s.ranges, s.dynamics = slices.Clone(s.rules), slices.Clone(s.ranges), slices.Clone(s.dynamics)
	if len(s.nodes) > 0 {
		c.rehash(len(s.nodes) + len(s.nodes)/3)
	}
	s.plans = planPools(s)
	return s
}
