package gossip

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// A claim is how a node comes to its name. Until the name is its own it sends nothing of ours and gives its
// peers no state, so that nobody takes it for the node that has the name and runs. Who has a name is known
// by memberlist: it keeps a name at the address that had it first, for as long as there is an answer.
type claim struct {
	done     chan struct{} // closed once the name is ours
	namesake atomic.Uint32 // the kind of what a node of our name last gave in an exchange; 0: none did
}

// unanswered is how long a node whose join addresses do not answer waits for one that knows of its name. Then
// it is a node that runs on its own, and what is found after that is two nodes that run.
const unanswered = 10 * time.Second

// named reports whether the name is ours.
func (m *Mesh) named() bool {
	select {
	case <-m.claim.done:
		return true
	default:
		return false
	}
}

func (m *Mesh) claimName() { close(m.claim.done) }

// settleName follows an exchange with a member: the name is ours unless another address was named for it
// since then, and somebody is there. Where nobody can be asked the next exchange tells more: peers give up
// a member that does not answer them.
func (m *Mesh) settleName(since time.Time) {
	for _, addr := range m.peers.namesakes(since) {
		if !m.yields(addr) {
			return
		}
	}
	m.claimName()
}

// yields asks at an address for another node of our name and reports whether the name is free for all there
// is. Of two nodes that start it is for the one with the lesser address.
func (m *Mesh) yields(addr string) bool {
	m.claim.namesake.Store(0)
	if _, err := m.list.Join([]string{addr}); err != nil {
		m.counts.joinFailures.Add(1)
		return joinProblem(err) == refused
	}
	m.counts.joins.Add(1)
	switch kind(m.claim.namesake.Load()) {
	case kindState:
		m.tell(note{
			level: slog.LevelDebug, msg: "the name is taken", args: []any{"addr", addr},
			conflict: &Conflict{Node: m.cfg.Node, Addr: m.Addr(), Other: addr, Taken: true},
		})
		return false
	case kindNothing:
		return m.Addr() < addr
	}
	return true // a node of another name: the peers that told of the address have not given it up yet
}

// overhear notes what a node of our own name gives in an exchange: a state if it has the name, nothing if it
// is about to claim it, as we are.
func (m *Mesh) overhear(b []byte) {
	if k, from := sender(b); from == m.cfg.Node {
		m.claim.namesake.Store(uint32(k))
	}
}
