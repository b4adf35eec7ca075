package checks

import "time"

// An Admin is what an operator, or the file, wants of a target. The zero Admin is Auto.
type Admin uint8

const (
	Auto Admin = iota // the verdict decides
	ForceUp
	Drain
	ForceDown
)

// String returns "auto", "up", "drain" or "down".
func (a Admin) String() string {
	switch a {
	case ForceUp:
		return "up"
	case Drain:
		return "drain"
	case ForceDown:
		return "down"
	}
	return "auto"
}

// An Override is an operator's word on one target. It outranks the file, which outranks verdicts.
// Versions are ordered by Clock, a version vector: if one write had seen the other it wins; if neither
// had, the stricter wins (down, drain, auto, up) and Conflict is set until someone writes again.
type Override struct {
	Admin    Admin
	Expired  bool   // acts as Auto and loses to any write it has not seen
	Reason   string // at most 200 bytes
	Owner    string // at most 64 bytes
	Clock    map[string]uint64
	Conflict []Override    // what lost against this one without either having seen the other; no Conflict inside
	Age      time.Duration // since it was written
	Left     time.Duration // until it expires; 0: it does not
}

// A Choice is the pool of a chain, or the group of a failover pool, in use.
// The greater Epoch wins, then the lesser Rank (the better choice), then the lesser bytes.
type Choice struct {
	Epoch uint64
	Pool  string   // pool of the chain
	Names []string // targets of the group, sorted; nil in a choice of a chain
	Rank  uint16   // place in the chain, or of the group in its pool, when written: 0 is the best
	// Since is when it was written, by the age of its register on this node's clock. A Snapshot has it,
	// a payload does not; zero: long ago.
	Since time.Time
}

// A LastGood is the set of targets last served while something was usable.
// The greater Epoch wins, then the lesser bytes.
type LastGood struct {
	Epoch uint64
	Names []string // sorted
}

// A Serial is the SOA serial of one content of a zone. The greater Number wins, then the greater Content.
type Serial struct {
	Number  uint32
	Content [16]byte
}
