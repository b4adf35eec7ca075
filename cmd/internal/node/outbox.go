package node

import (
	"sync"

	"vitalns/checks"
)

// An outbox holds the newest observation of each target until the loop takes it. It never blocks the
// runner and is bounded by the number of targets: an observation carries counters, so that the newest
// one says all that those before it said.
type outbox struct {
	mu     sync.Mutex // protects newest and order
	newest map[checks.Target]checks.Observation
	order  []checks.Target
	signal chan struct{} // has room for one: there is something to take
}

func newOutbox() *outbox {
	return &outbox{newest: map[checks.Target]checks.Observation{}, signal: make(chan struct{}, 1)}
}

func (b *outbox) put(t checks.Target, o checks.Observation) {
	b.mu.Lock()
	if _, ok := b.newest[t]; !ok {
		b.order = append(b.order, t)
	}
	b.newest[t] = o
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take calls f with each observation, in the order in which targets first changed.
func (b *outbox) take(f func(checks.Target, checks.Observation)) {
	b.mu.Lock()
	order, newest := b.order, b.newest
	b.order, b.newest = nil, map[checks.Target]checks.Observation{}
	b.mu.Unlock()
	for _, t := range order {
		f(t, newest[t])
	}
}
