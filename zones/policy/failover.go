package policy

import "math"

// Failover serves together the members of the best priority among those it is given.
func Failover(members []Member) Choice {
	best := math.MaxInt
	for _, m := range members {
		best = min(best, m.Priority)
	}
	return Choice{Mode: Together, Members: keep(members, func(m Member) bool { return m.Priority == best })}
}
