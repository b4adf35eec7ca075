package dnsserver

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"vitalns/zones"
)

// A register gives every zone and every target of a pool that was ever asked for a place where all workers
// count it, the same across reloads. So there are no more counters than zones and targets that were ever
// configured, whatever clients ask.
type register struct {
	current atomic.Pointer[places] // of the Set asked last

	mu      sync.Mutex // protects the rest
	zones   []string   // labels, by place less 1
	byZone  map[string]int
	blocks  []block // by place of their first target
	byPool  map[poolLabel][]int
	targets int
}

type poolLabel struct{ zone, pool string }

// A block is the targets of a pool as they stood in a file. Their places follow each other.
type block struct {
	poolLabel
	targets []string
	first   int
}

// places are those of one Set: plus 1, and 0 until somebody asks.
type places struct {
	set   *zones.Set
	zones []atomic.Int32 // by ZoneID
	pools []atomic.Int32 // by PoolID: of the first member
}

// noZone is the place of what is asked of no zone.
const noZone = 0

// of returns the places of a Set.
func (r *register) of(set *zones.Set) *places {
	if p := r.current.Load(); p != nil && p.set == set {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.current.Load(); p != nil && p.set == set {
		return p
	}
	p := &places{set: set, zones: make([]atomic.Int32, len(set.Zones())), pools: make([]atomic.Int32, len(set.Pools()))}
	r.current.Store(p)
	return p
}

// zone returns the place of a zone.
func (r *register) zone(set *zones.Set, id int) int {
	if id < 0 {
		return noZone
	}
	place := &r.of(set).zones[id]
	if at := place.Load(); at > 0 {
		return int(at - 1)
	}
	label := set.Zone(zones.ZoneID(id)).Label
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byZone[label]
	if !ok {
		if r.byZone == nil {
			r.byZone = map[string]int{}
		}
		r.zones = append(r.zones, label)
		at = len(r.zones)
		r.byZone[label] = at
	}
	place.Store(int32(at + 1))
	return at
}

// pool returns the place of the first member of a pool.
func (r *register) pool(set *zones.Set, id int) int {
	place := &r.of(set).pools[id]
	if at := place.Load(); at > 0 {
		return int(at - 1)
	}
	ref := &set.Pools()[id]
	b := block{poolLabel: poolLabel{ref.ZoneLabel, ref.Pool.Name}}
	for i := range ref.Pool.Members {
		b.targets = append(b.targets, ref.Pool.Members[i].Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	same := slices.IndexFunc(r.byPool[b.poolLabel], func(i int) bool { return slices.Equal(r.blocks[i].targets, b.targets) })
	if same >= 0 {
		b.first = r.blocks[r.byPool[b.poolLabel][same]].first
	} else {
		b.first = r.targets
		r.targets += len(b.targets)
		if r.byPool == nil {
			r.byPool = map[poolLabel][]int{}
		}
		r.byPool[b.poolLabel] = append(r.byPool[b.poolLabel], len(r.blocks))
		r.blocks = append(r.blocks, b)
	}
	place.Store(int32(b.first + 1))
	return b.first
}

// label returns the label of the zone at a place. mu is held.
func (r *register) label(place int) string {
	if place == noZone {
		return "none"
	}
	return r.zones[place-1]
}

// targetCounts names what stands at the places of targets. mu is held.
func (r *register) targetCounts(counts []uint64) (out []TargetCount) {
	sum := map[TargetCount]uint64{} // by name: a pool whose targets were changed has several blocks
	for _, b := range r.blocks {
		for i, target := range b.targets {
			if at := b.first + i; at < len(counts) && counts[at] > 0 {
				sum[TargetCount{Zone: b.zone, Pool: b.pool, Target: target}] += counts[at]
			}
		}
	}
	for t, n := range sum {
		t.N = n
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b TargetCount) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Target, b.Target))
	})
	return out
}
