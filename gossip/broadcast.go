package gossip

import (
	"bytes"
	"math"
	"sync"
	"time"

	"vitalns/checks"
)

// maxGossip bounds the registers that wait to be gossiped; the oldest goes when there are more.
const maxGossip = 4096

// A registerKey names a register by what it replaces in a queue.
type registerKey struct {
	kind        checks.Kind
	key, writer string
}

func keyOf(r checks.Register) registerKey { return registerKey{r.Kind, r.Key, r.Writer} }

// A rumour is a register that is gossiped a few more times.
type rumour struct {
	checks.Register
	at   time.Time // when it was handed over: its age counts from here
	left int
}

// rumours is the queue behind memberlist's broadcasts. Unlike memberlist's own it puts many registers
// into one message and tells their ages as they are when sent.
type rumours struct {
	mu    sync.Mutex // protects the fields below
	queue []*rumour  // the first is sent next
	byKey map[registerKey]*rumour
}

// add queues registers to be sent times times. A newer version replaces a queued one; the same one
// changes nothing. It returns how many had to go.
func (q *rumours) add(rs []checks.Register, times int, now time.Time) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.byKey == nil {
		q.byKey = make(map[registerKey]*rumour)
	}
	for _, r := range rs {
		k := keyOf(r)
		if old := q.byKey[k]; old != nil {
			if r.Version.Less(old.Version) || r.Version == old.Version && bytes.Equal(r.Payload, old.Payload) {
				continue
			}
			old.Register, old.at, old.left = r, now, times
			continue
		}
		if len(q.queue) >= maxGossip {
			delete(q.byKey, keyOf(q.queue[0].Register))
			q.queue = q.queue[1:]
			dropped++
		}
		u := &rumour{r, now, times}
		q.byKey[k] = u
		q.queue = append(q.queue, u)
	}
	return dropped
}

// message returns one message of at most size bytes with what is next, or nil.
func (q *rumours) message(from string, size int, now time.Time) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil
	}
	b := appendHead(nil, kindRegisters, viaGossip, from)
	head := len(b)
	n, again := 0, []*rumour(nil)
	for ; n < len(q.queue); n++ {
		u := q.queue[n]
		before := len(b)
		b = appendRegister(b, u.Register, from, now.Sub(u.at))
		if len(b) > size {
			b = b[:before]
			break
		}
		if u.left--; u.left > 0 {
			again = append(again, u)
		} else {
			delete(q.byKey, keyOf(u.Register))
		}
	}
	q.queue = append(q.queue[n:], again...)
	if len(b) == head {
		return nil
	}
	return b
}

// gossipTimes is how often a register is gossiped in a cluster of n: memberlist's rule.
func gossipTimes(n int) int {
	return retransmitMult * int(math.Ceil(math.Log10(float64(n+1))))
}
