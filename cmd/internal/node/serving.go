package node

import (
	"vitalns/checks"
	"vitalns/zones"
)

// servedTargets are the targets behind each served address (or name) of the zones, by
// ZONE/POOL/TARGET/ADDRESS.
func servedTargets(sources []*zones.Source) map[string][]checks.Target {
	served := map[string][]checks.Target{}
	for _, s := range sources {
		for _, p := range s.Pools {
			for _, m := range p.Members {
				key := zones.OverrideKey(s.Origin, p.Name, m.Name) + "/"
				for _, a := range m.Addrs {
					served[key+a.Addr.String()] = a.Need.Of
				}
				if m.CNAME != "" {
					served[key+m.CNAME.String()] = m.Need.Of
				}
			}
		}
	}
	return served
}

// inherit has each target that is new behind a served address begin with the verdict of the one that
// stood in its place there before: the probe changed, not the address.
func inherit(l *checks.Ledger, before, after map[string][]checks.Target) {
	held := map[checks.Target]bool{}
	for _, ts := range before {
		for _, t := range ts {
			held[t] = true
		}
	}
	for key, ts := range after {
		old := before[key]
		if len(old) == 0 {
			continue
		}
		for i, t := range ts {
			if !held[t] {
				l.Inherit(t, old[min(i, len(old)-1)])
			}
		}
	}
}

// savedServed and loadServed carry the same table over the disk. A key that cannot be read is of a
// version to come: that address begins anew.
func savedServed(served map[string][]checks.Target) map[string][]string {
	out := make(map[string][]string, len(served))
	for key, ts := range served {
		for _, t := range ts {
			out[key] = append(out[key], t.Key())
		}
	}
	return out
}

func loadServed(saved map[string][]string) map[string][]checks.Target {
	out := make(map[string][]checks.Target, len(saved))
	for key, ts := range saved {
		for _, s := range ts {
			if t, err := checks.ParseTargetKey(s); err == nil {
				out[key] = append(out[key], t)
			}
		}
	}
	return out
}
