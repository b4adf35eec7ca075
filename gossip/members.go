package gossip

import (
	"slices"
	"strings"
	"time"
)

// Members returns this node, the nodes that are or were members, and the addresses that have a problem,
// by name and then by address.
func (m *Mesh) Members() []Member {
	now := time.Now()
	self := Member{Name: m.cfg.Node, Addr: m.Addr(), Self: true, State: Alive, Since: m.started, Meta: m.cfg.Meta}
	ms := m.peers.members(self, m.join.list(), now)
	slices.SortFunc(ms, func(a, b Member) int {
		if (a.Name == "") != (b.Name == "") {
			return len(b.Name) - len(a.Name) // addresses without a name come last
		}
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Addr, b.Addr)
	})
	return ms
}

func (t *peers) members(self Member, join []string, now time.Time) []Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, at := range t.shadows {
		if now.Sub(at) <= shadowing {
			self.Problem = "duplicate name: " + addr + " has it too"
		}
	}
	ms := []Member{self}
	shown := map[string]bool{self.Addr: true}
	for _, p := range t.order {
		ms = append(ms, t.member(p, now))
		shown[p.addr] = true
	}
	for addr, pr := range t.problems {
		if !shown[addr] && now.Sub(pr.at) <= problemExpiry {
			shown[addr] = true
			ms = append(ms, Member{Addr: addr, Problem: pr.text})
		}
	}
	for _, addr := range join {
		if !shown[addr] {
			shown[addr] = true
			ms = append(ms, Member{Addr: addr})
		}
	}
	return ms
}

// member returns what is known of a peer. t.mu is held.
func (t *peers) member(p *peer, now time.Time) Member {
	v := Member{Name: p.name, Addr: p.addr, State: p.state, Since: p.since, RTT: p.rtt, Meta: p.meta}
	if p.state == Alive {
		v.Streams = p.route(now).stream
		if now.Sub(p.heard) > quiet {
			v.State = Suspect
		}
	}
	if pr, ok := t.problems[p.addr]; ok && now.Sub(pr.at) <= problemExpiry {
		v.Problem = pr.text
	}
	if p.twin != "" && now.Sub(p.twinAt) <= shadowing {
		v.Problem = "duplicate name: " + p.twin + " has it too"
	}
	return v
}
