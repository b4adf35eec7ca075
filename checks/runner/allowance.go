package runner

import (
	"math"
	"time"
)

// An allowance bounds the fast and provoked probes: no more than it holds start within any second. It
// remembers the moments of the last ones in a ring, so a burst may use all of it at once and the bound
// still holds exactly.
type allowance struct {
	taken []time.Time
	next  int // the oldest
}

// leastAllowance is what a node may always spend, however few targets it has.
const leastAllowance = 50

// resize sets the allowance to one quiet rate, in probes per second. What was taken stays taken.
func (a *allowance) resize(quiet float64) {
	n := max(leastAllowance, int(math.Ceil(quiet)))
	if n == len(a.taken) {
		return
	}
	inOrder := append(append([]time.Time{}, a.taken[a.next:]...), a.taken[:a.next]...)
	if n < len(inOrder) {
		inOrder = inOrder[len(inOrder)-n:] // the latest
	}
	a.taken = make([]time.Time, n)
	copy(a.taken[n-len(inOrder):], inOrder)
	a.next = 0
}

// take reports whether one more may start now, and counts it if so.
func (a *allowance) take(now time.Time) bool {
	if oldest := a.taken[a.next]; !oldest.IsZero() && now.Sub(oldest) < time.Second {
		return false
	}
	a.taken[a.next] = now
	a.next = (a.next + 1) % len(a.taken)
	return true
}
