package gossip

import (
	"sync"
	"time"

	"vitalns/checks"
)

const (
	// coalesce is how long news waits at most for more of it. The first after a pause does not wait.
	coalesce = 2 * time.Millisecond
	// maxPending bounds the registers that wait for a send or a repeat; more are dropped and counted.
	maxPending = 1 << 14
	// maxLetters bounds pulls and replies that wait; more are dropped and counted.
	maxLetters = 1024
	// bulk is the size of a batch from which it goes by TCP: as datagrams it would overrun a socket's buffer.
	bulk = 64 << 10
)

// repeats are the pauses after which a register is sent once more by datagram: with 5 % loss one peer in
// 8,000 misses all of them, and a change costs three packets a peer.
var repeats = [...]time.Duration{40 * time.Millisecond, 120 * time.Millisecond}

// A pending is a register that is to be sent, for the first time or again.
type pending struct {
	checks.Register
	at    time.Time // when it was handed over: its age counts from here
	due   time.Time
	stage int  // how often it was sent
	dead  bool // a newer one has taken its place
}

// A letter goes to one member: a pull or a state.
type letter struct {
	to    string
	pull  *checks.Pull
	state *State
	at    time.Time
}

// An outbox holds what the sender goroutine is to send. Nothing that puts into it blocks.
type outbox struct {
	wake chan struct{} // holds a token when something was put in

	mu      sync.Mutex // protects the fields below
	beat    *checks.Heartbeat
	letters []letter
	stages  [len(repeats) + 1][]*pending // by how often they were sent; each in order of due
	byKey   map[registerKey]*pending
	flushed time.Time // when registers were last sent for the first time
}

// A load is what is to be sent now.
type load struct {
	beat    *checks.Heartbeat
	letters []letter
	news    []*pending // for the first time
	again   []*pending
	bulk    bool      // the news is too much for datagrams
	next    time.Time // when there is more without a wake; zero: not before
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), byKey: make(map[registerKey]*pending)}
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// publish queues registers and returns how many did not fit.
func (o *outbox) publish(rs []checks.Register, now time.Time) (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := now
	if next := o.flushed.Add(coalesce); due.Before(next) {
		due = next
	}
	for _, r := range rs {
		k := keyOf(r)
		if old := o.byKey[k]; old != nil {
			if r.Version.Less(old.Version) {
				continue
			}
			if old.stage == 0 {
				old.Register, old.at = r, now
				continue
			}
			old.dead = true
		} else if len(o.byKey) >= maxPending {
			dropped++
			continue
		}
		p := &pending{Register: r, at: now, due: due}
		o.byKey[k] = p
		o.stages[0] = append(o.stages[0], p)
	}
	o.ring()
	return dropped
}

func (o *outbox) setBeat(h checks.Heartbeat) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beat = &h
	o.ring()
}

// post queues a letter and reports whether there was room.
func (o *outbox) post(l letter) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.letters) >= maxLetters {
		return false
	}
	o.letters = append(o.letters, l)
	o.ring()
	return true
}

// take returns what is due and moves it on: to its next repeat, or out.
func (o *outbox) take(now time.Time) load {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := load{beat: o.beat, letters: o.letters}
	o.beat, o.letters = nil, nil
	l.news = o.due(0, now)
	size := 0
	for _, p := range l.news {
		size += registerSize(p.Register)
	}
	if len(l.news) > 0 {
		o.flushed = now
	}
	l.bulk = size > bulk
	for stage := 1; stage < len(o.stages); stage++ {
		l.again = append(l.again, o.due(stage, now)...)
	}
	if l.bulk {
		o.finish(l.news)
	} else {
		o.repeat(l.news, now)
	}
	o.repeat(l.again, now)
	for _, q := range o.stages {
		if len(q) > 0 && (l.next.IsZero() || q[0].due.Before(l.next)) {
			l.next = q[0].due
		}
	}
	return l
}

// due takes what is due out of a stage. o.mu is held.
func (o *outbox) due(stage int, now time.Time) (ps []*pending) {
	q := o.stages[stage]
	for len(q) > 0 && (q[0].dead || !q[0].due.After(now)) {
		if !q[0].dead {
			ps = append(ps, q[0])
		}
		q = q[1:]
	}
	if len(q) == 0 {
		q = nil
	}
	o.stages[stage] = q
	return ps
}

// repeat puts what is sent now into its next stage. o.mu is held.
func (o *outbox) repeat(ps []*pending, now time.Time) {
	for i, p := range ps {
		if p.stage == len(repeats) {
			o.finish(ps[i : i+1])
			continue
		}
		p.due = now.Add(repeats[p.stage])
		p.stage++
		o.stages[p.stage] = append(o.stages[p.stage], p)
	}
}

func (o *outbox) finish(ps []*pending) {
	for _, p := range ps {
		delete(o.byKey, keyOf(p.Register))
	}
}
