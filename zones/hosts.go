package zones

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/miekg/dns"
)

// A HostsID names the Hosts of an owner: its MX or SRV records that pools have a part in.
type HostsID uint32

// hosts are compiled Hosts.
type hosts struct {
	Hosts
	pools []PoolID // of Hosts.Pools
	ecs   bool
}

// besideRules compiles what a Dynamic has besides its rules.
func (c *compiler) besideRules(zone ZoneID, d *Dynamic) (dynamic, error) {
	out := dynamic{
		rules: uint32(len(c.rules)), count: uint16(len(d.Rules)), ecs: d.ECS,
		first: uint32(len(c.hosts)), hosts: uint16(len(d.Hosts)),
	}
	n := len(d.Rules)
	switch {
	case n > math.MaxUint16 || n > 0 && len(d.Rules[n-1].Subnets) > 0 || n == 0 && d.Alias == "" && len(d.Hosts) == 0:
		return out, fmt.Errorf("zones: internal error: the rules of %s do not end in one for everyone", d.Owner)
	case n > 0 && d.Alias != "":
		return out, fmt.Errorf("zones: internal error: %s has both rules and an ALIAS", d.Owner)
	case d.Alias != "":
		c.aliases = append(c.aliases, aliasing{d.Alias, d.TTL})
		out.alias = uint32(len(c.aliases))
	}
	for _, h := range d.Hosts {
		if h.Type != dns.TypeMX && h.Type != dns.TypeSRV {
			return out, fmt.Errorf("zones: internal error: %s has hosts of type %d", d.Owner, h.Type)
		}
		made := hosts{Hosts: h, ecs: d.ECS}
		for _, p := range h.Pools {
			pool, ok := c.byPool[poolKey{c.zones[zone].Origin, p.Pool}]
			if !ok || !c.pools[pool].Names {
				return out, fmt.Errorf("zones: internal error: %s has hosts of %q, which is no pool of names", d.Owner, p.Pool)
			}
			made.pools = append(made.pools, pool)
		}
		c.hosts = append(c.hosts, made)
	}
	return out, nil
}

// claims reports whether a Dynamic answers a type of question, and how.
func (s *Set) claims(id DynamicID, qtype uint16, out *Outcome) bool {
	d := &s.dynamics[id]
	addresses := isAddress(qtype) || qtype == dns.TypeANY
	switch {
	case d.count > 0 && (d.names || addresses):
		out.Kind, out.Dynamic = Pooled, id
		return true
	case d.alias > 0 && addresses:
		out.Kind, out.Dynamic = Followed, id
		return true
	}
	for h := d.first; h < d.first+uint32(d.hosts); h++ {
		if s.hosts[h].Type == qtype || qtype == dns.TypeANY && out.RRset == nil {
			out.Kind, out.Hosts = Hosted, HostsID(h)
			return true
		}
	}
	return false
}

// HostsType returns the type of the records that Hosts make: MX or SRV.
func (s *Set) HostsType(h HostsID) uint16 { return s.hosts[h].Type }

// HostsECS reports whether the pools of Hosts look at the client subnet where a query has one.
func (s *Set) HostsECS(h HostsID) bool { return s.hosts[h].ecs }

// A Listed is one answer of Hosts.
type Listed struct {
	Result Result
	Type   uint16   // MX or SRV
	Rdata  [][]byte // no two alike; read only
	TTL    uint32   // of a NODATA: at most that of its SOA
	Drawn  []Drawn  // what each pool gave
}

// List makes the records of Hosts: those written out, then one for each name that draw gives of a pool. The
// TTL is the least of all of them. With no record at all it is SERVFAIL if a pool says so, else NODATA.
func (t *Table) List(id HostsID, draw func(PoolID) Drawn) Listed {
	h := &t.set.hosts[id]
	out := Listed{Type: h.Type, Rdata: slices.Clone(h.Fixed), TTL: NoLimit}
	if len(h.Fixed) > 0 {
		out.TTL = h.TTL
	}
	failed := false
	for i, pool := range h.pools {
		d := draw(pool)
		out.Drawn = append(out.Drawn, d)
		out.TTL = min(out.TTL, d.TTL)
		failed = failed || d.Result == DrawnServFail
		if d.Result != DrawnServe {
			continue
		}
		for n, name := range d.Rdata {
			weight := t.set.pools[d.From].Pool.Members[d.Members[n]].Weight
			rdata := h.Pools[i].rdata(h.Type, weight, name)
			if !slices.ContainsFunc(out.Rdata, func(r []byte) bool { return bytes.Equal(r, rdata) }) {
				out.Rdata = append(out.Rdata, rdata)
			}
		}
	}
	switch {
	case len(out.Rdata) > 0:
		out.Result = DrawnServe
	case failed:
		out.Result = DrawnServFail
	}
	return out
}

// rdata is the record of one name.
func (p HostPool) rdata(typ uint16, weight int, name []byte) []byte {
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 6+len(name)), p.Priority)
	if typ == dns.TypeSRV {
		out = binary.BigEndian.AppendUint16(out, uint16(weight))
		out = binary.BigEndian.AppendUint16(out, p.Port)
	}
	return append(out, name...)
}

// All is what a pool may answer a type of question with: a Drawn of everything that one is drawn from.
func (t *Table) All(p PoolID, qtype uint16) Drawn {
	a := t.Answer(p, qtype)
	d := Drawn{Result: a.Result, Type: qtype, From: a.From, TTL: a.TTL, Note: a.Note}
	if t.set.pools[p].Names {
		d.Type = dns.TypeCNAME
	}
	if a.Result != DrawnServe {
		return d
	}
	for i, m := range a.Choice.Members {
		d.Rdata = append(d.Rdata, a.Rdata[i]...)
		d.Members = append(d.Members, m.Index)
	}
	return d
}
