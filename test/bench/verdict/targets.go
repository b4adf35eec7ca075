package main

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"vitalns/test/live"
)

// targets are what the pools check. Those that go down say whether they are up; of the others it counts that
// they accept.
type targets struct {
	own    []*target // of the pools that are watched
	others []netip.AddrPort
	live.Acceptor
}

// perNet is how many addresses of loopback are taken at once.
const perNet = 250

func openTargets() (*targets, error) {
	ts := &targets{}
	for len(ts.own)+len(ts.others) < pools {
		addrs, err := live.Loopback(perNet)
		if err != nil {
			return nil, errors.Join(err, ts.Close())
		}
		for _, a := range addrs {
			l, err := live.Listen(a.String())
			if err != nil {
				return nil, errors.Join(err, ts.Close())
			}
			if len(ts.own) < watched {
				t := &target{addr: a}
				ts.own = append(ts.own, t)
				ts.Accept(l, t.respond)
				continue
			}
			ts.others = append(ts.others, a)
			ts.Accept(l, nil)
		}
	}
	return ts, nil
}

// up brings all up.
func (ts *targets) up() {
	for _, t := range ts.own {
		t.mu.Lock()
		t.isDown, t.first = false, time.Time{}
		t.mu.Unlock()
	}
}

// A target says "up" to whoever connects, or nothing at all.
type target struct {
	addr netip.AddrPort

	mu     sync.Mutex // protects all below; held for a write of two bytes
	isDown bool
	first  time.Time // when it first said nothing
}

func (t *target) respond(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.isDown:
		_, _ = c.Write([]byte(word)) // one that hung up has not been told, and asks again
	case t.first.IsZero():
		t.first = time.Now()
	}
}

func (t *target) down() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.isDown = true
}

// responded is when the first of those who asked heard that it is down.
func (t *target) responded() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first
}
