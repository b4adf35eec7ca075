package node

import (
	"strings"
	"sync"
	"time"

	"vitalns/checks"
)

// maxEvents bounds the history; the oldest are forgotten first. maxFollowers bounds who may follow;
// one more is refused.
const (
	maxEvents    = 2000
	maxFollowers = 64
)

// maxSaid bounds, in bytes, what an event says, and the error of a reload: the rest is cut off.
const maxSaid = 1000

// bounded is text as it is logged and kept.
func bounded(text string) string {
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid-3], "") + "..."
	}
	return checks.Printable(text)
}

// A history keeps the last events and wakes those who follow.
type history struct {
	mu        sync.Mutex // protects all below; held for no I/O
	seq       uint64
	ring      []Event
	changed   chan struct{} // closed and replaced at each event
	followers int
}

func newHistory() *history { return &history{changed: make(chan struct{})} }

// add records an event that happened at now.
func (h *history) add(now time.Time, e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	e.Seq, e.Time, e.Text, e.Cause = h.seq, now, bounded(e.Text), bounded(e.Cause)
	h.ring = append(h.ring, e)
	if len(h.ring) > maxEvents {
		h.ring = append(h.ring[:0:0], h.ring[len(h.ring)-maxEvents*3/4:]...)
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// since returns the events after seq, and a channel that closes when there are more.
func (h *history) since(seq uint64) ([]Event, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.ring)
	for i > 0 && h.ring[i-1].Seq > seq {
		i--
	}
	return h.ring[i:len(h.ring):len(h.ring)], h.changed
}

// follow takes a place among the followers, or reports that there is none; release gives it back.
func (h *history) follow() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers >= maxFollowers {
		return false
	}
	h.followers++
	return true
}

func (h *history) release() {
	h.mu.Lock()
	h.followers--
	h.mu.Unlock()
}
