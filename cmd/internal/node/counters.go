package node

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vitalns/checks"
)

// counters is what the node itself counts. Its methods may be called from any goroutine.
type counters struct {
	inboxDropped atomic.Uint64
	stateErrors  atomic.Uint64

	mu          sync.Mutex // protects what follows; held for counting only
	transitions map[transition]uint64
	detection   [len(detectionBounds) + 1]uint64
	detected    float64 // seconds in all
	reloads     [2]uint64
	lastGood    time.Time
	lastOK      bool
}

type transition struct {
	target checks.Target
	to     checks.State
}

// detectionBounds are in seconds.
var detectionBounds = [...]float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// maxTransitions bounds the targets whose transitions are counted; those of more are not.
const maxTransitions = 100_000

func (c *counters) transition(t checks.Target, to checks.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transitions == nil {
		c.transitions = map[transition]uint64{}
	}
	if _, ok := c.transitions[transition{t, to}]; ok || len(c.transitions) < maxTransitions {
		c.transitions[transition{t, to}]++
	}
}

// failedOver counts the time from the first bad probe to the changed answer; a zero time is none.
func (c *counters) failedOver(first, now time.Time) {
	if first.IsZero() {
		return
	}
	s := now.Sub(first).Seconds()
	i, _ := slices.BinarySearch(detectionBounds[:], s)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.detection[i]++
	c.detected += s
}

func (c *counters) reloaded(now time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastOK = ok
	if !ok {
		c.reloads[1]++
		return
	}
	c.reloads[0]++
	c.lastGood = now
}
