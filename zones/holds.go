package zones

import (
	"slices"

	"vitalns/checks"
)

// Holds reports whether a register with many writers is about something in the set: a target, a pool or
// a zone.
func (s *Set) Holds(kind checks.Kind, key string) bool {
	if kind == checks.KindSerial {
		return slices.ContainsFunc(s.zones, func(z Zone) bool { return z.Label == key })
	}
	_, ok := s.plans.byKey[key]
	return ok
}
