package zonefile

import (
	"math"
	"slices"

	"vitalns/zones"
)

var (
	mxKeys = Keys{Names: []string{"pool", "preference"}, Foreign: map[string]string{"priority": "preference", "exchange": "pool", "target": "pool"}}
	// weight is among the keys to say where it belongs.
	srvKeys = Keys{Names: []string{"pool", "priority", "port", "weight"}, Foreign: map[string]string{"preference": "priority", "target": "pool"}}
)

// defaultPreference is that of an MX whose hosts come from a pool: room for better and for worse.
const defaultPreference = 10

// A hostPool is a zones.HostPool with the places of its parts.
type hostPool struct {
	zones.HostPool
	at, pool *Value
}

// isHostPool reports whether a value of an MX or SRV names a pool, and is no record and no { ttl, data }.
func isHostPool(typ uint16, v *Value) bool {
	return v != nil && v.kind == tableKind && (typ == typeMX || typ == typeSRV) &&
		(v.byName["pool"] != nil || v.byName["data"] == nil && v.byName["ttl"] == nil)
}

// readHostPool reads { pool = "mail", preference = 10 } of an MX, { pool = "sip", priority = 0, port = 5060 }
// of an SRV.
func (z *zone) readHostPool(set *rrset, v *Value) {
	typ := FormatType(set.Type)
	keys, example := mxKeys, `write { pool = "mail", preference = 10 }`
	if set.Type == typeSRV {
		keys, example = srvKeys, `write { pool = "sip", priority = 0, port = 5060 }`
	}
	t := v.Table(say("%s of %s", typ, set.at.where), keys)
	h := hostPool{at: v, pool: t.Get("pool")}
	if h.pool == nil {
		t.Error(example, "names no pool")
	}
	good := h.pool.Text(&h.Pool)
	n := 0
	if set.Type == typeMX {
		n = defaultPreference
		good = (t.Get("preference") == nil || t.Get("preference").Int(&n, 0, math.MaxUint16)) && good
		h.Priority = uint16(n)
	} else {
		good = (t.Get("priority") == nil || t.Get("priority").Int(&n, 0, math.MaxUint16)) && good
		h.Priority = uint16(n)
		if w := t.Get("weight"); w != nil {
			w.KeyError("write it in the pool's targets", "the weight of an SRV is that of each target")
			good = false
		}
		if port := t.Get("port"); port == nil {
			t.Error(example, "has no port")
			good = false
		} else {
			good = port.Int(&n, 0, math.MaxUint16) && good
			h.Port = uint16(n)
		}
	}
	if !good {
		return
	}
	if i := slices.IndexFunc(set.hosts, func(o hostPool) bool { return o.HostPool == h.HostPool }); i >= 0 {
		v.Warn("", "is in line %d already", set.hosts[i].at.line())
		return
	}
	set.hosts = append(set.hosts, h)
}

// linkHosts puts the RRsets that pools have a part in into the Dynamic of the owner.
func (o *owner) linkHosts() {
	for _, set := range o.sets {
		if len(set.hosts) == 0 {
			continue
		}
		if o.dynamic == nil {
			o.dynamic = &zones.Dynamic{Owner: o.name}
		}
		h := zones.Hosts{Type: set.Type, TTL: set.TTL, Fixed: set.Rdata}
		for _, p := range set.hosts {
			h.Pools = append(h.Pools, p.HostPool)
		}
		o.dynamic.Hosts = append(o.dynamic.Hosts, h)
	}
}

// linkHostPool marks the pools that an MX or SRV reaches, which have to be of names.
func (z *zone) linkHostPool(set *rrset, h hostPool) {
	p := z.poolByName[h.Pool]
	if p == nil {
		z.noPool(h.pool, h.Pool)
		return
	}
	at := h.pool
	for range z.pools { // as long as a chain can be
		p.reached, p.asHosts = true, true
		p.asSRV = p.asSRV || set.Type == typeSRV
		if !p.isCNAME() && len(p.Members) > 0 {
			at.Error(`give its targets cname = "..."; addresses are for A and AAAA`, "%s lists names, and pool %q has addresses", FormatType(set.Type), p.Name)
			return
		}
		at = p.table.Get("fallback")
		if p = z.poolByName[p.Fallback]; p == nil {
			return
		}
	}
}

// lintHostPools looks at the names that pools list in an RRset.
func (z *zone) lintHostPools(nodes map[zones.Name]bool, set *rrset) {
	for _, h := range set.hosts {
		p := z.poolByName[h.Pool]
		if p == nil || p.broken || p.linted[set.Type] {
			continue
		}
		if p.linted == nil {
			p.linted = map[uint16]bool{}
		}
		p.linted[set.Type] = true
		for i, m := range p.Members {
			if m.CNAME != "" {
				z.lintHost(nodes, set.Type, p.members[i].at, m.CNAME)
			}
		}
	}
}
