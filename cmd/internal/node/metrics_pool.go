package node

import (
	"vitalns/zones"
)

// poolMetrics tell what each pool answers.
type poolMetrics struct {
	targets, allDown, fallback, failovers, lastFailover, detection *family
}

func newPoolMetrics(fs *families) poolMetrics {
	return poolMetrics{
		targets:      fs.gauge("pool_targets", "How many targets of a pool are up, down, drained or unknown, as the answers take them? An override counts as what it says; a drained target is one that is up.", "zone", "pool", "state"),
		allDown:      fs.gauge("pool_all_down", "Is nothing usable left in a pool and its fallbacks, so that when_all_down decides what is answered?", "zone", "pool"),
		fallback:     fs.gauge("pool_fallback_active", "Is a pool answered from its fallback?", "zone", "pool"),
		failovers:    fs.counter("pool_failovers_total", "How often did what a pool answers change since the node started, in either direction?", "zone", "pool"),
		lastFailover: fs.gauge("pool_last_failover_timestamp_seconds", "When did what a pool answers change last? Absent if it has not since the node started.", "zone", "pool"),
		detection:    fs.histogram("failover_detection_seconds", "How long does it take from the first bad probe of a target until the answer has changed, as this node saw both? Clients follow within the TTL."),
	}
}

func (m poolMetrics) collect(s *scrape) {
	s.spread(m.detection, s.counted.detection)
	set := s.table.Set()
	if len(set.Pools()) > maxPoolSeries {
		s.truncated = true
		return
	}
	for i, ref := range set.Pools() {
		id := zones.PoolID(i)
		a, zone, pool := s.table.Pool(id), ref.ZoneLabel, ref.Pool.Name
		states := map[string]int{}
		for _, member := range a.Members {
			states[memberState(member.Class)]++
		}
		for _, state := range []string{"up", "down", "drain", "unknown"} {
			s.put(m.targets, float64(states[state]), zone, pool, state)
		}
		s.is(m.allDown, a.Step == 5, zone, pool)
		s.is(m.fallback, a.From != id, zone, pool)
		h := s.pools[zone+"/"+pool]
		s.count(m.failovers, h.failovers, zone, pool)
		if h.failovers > 0 {
			s.at(m.lastFailover, h.since, zone, pool)
		}
	}
}
