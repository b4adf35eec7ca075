package edge

import (
	"net/netip"
	"time"
)

// A Request is what a response depends on besides the query and the zones.
type Request struct {
	Client    netip.Addr    // where the query came from
	Stream    bool          // no limit but that of a message
	Encrypted bool          // padding hides its size
	Keepalive time.Duration // how long the connection may idle; 0: not to be said
	Draw      uint64        // random: rotation and weighted choice follow it
	Cookie    Cookie        // of the query; the response has its answer
}

// A Source says what a response was made from. The zero Source is FromError.
type Source uint8

const (
	FromError Source = iota
	FromStatic
	FromPool
	FromNegative
	Sources // how many there are
)

// String returns the source as metrics name it.
func (s Source) String() string { return [...]string{"error", "static", "pool", "negative"}[s] }

// A Trace is what is counted of a response, and what limits go by. Zones and pools are places in the Set
// that it was made from.
type Trace struct {
	Zone          int // of the question; NoZone
	Source        Source
	Rcode         int
	Authoritative bool
	Truncated     bool
	Answered      bool  // there are records in its answer section, or would be but for TC
	Pool          int   // of which Members were drawn
	Members       []int // by place in the pool's file order; good until the next query
	Others        []Drawn
}

// Drawn is what one more pool gave: several have hosts for one MX or SRV.
type Drawn struct {
	Pool    int
	Members []int
}

// NoZone is the Zone of a response to a question that no zone has.
const NoZone = -1

// Class says which account the response is charged to.
func (t *Trace) Class() Class {
	const noError, nxDomain = 0, 3
	switch {
	case t.Rcode == nxDomain:
		return NXDomain
	case t.Rcode != noError:
		return Failure
	case t.Answered || t.Truncated:
		return Positive
	}
	return NoData
}
