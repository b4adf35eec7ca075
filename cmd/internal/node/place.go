package node

import (
	"slices"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
)

// wheelSlack is how far this node's wheel may be from the leader's before it is turned: a message's delay
// moves it by as much, and turning it moves slots.
const wheelSlack = 20 * time.Millisecond

// heedWheel takes over the wheel of the lowest-named fresh node, if that is who speaks.
func (n *Node) heedWheel(h checks.Heartbeat, now time.Time) {
	fresh := n.snapshot.Load().Fresh
	if len(fresh) == 0 || fresh[0] != h.Node || h.Node == n.cfg.Node {
		return
	}
	base := now.Add(-h.Wheel)
	if off := base.Sub(n.wheel); off < -wheelSlack || off > wheelSlack {
		n.wheel, n.placed.valid = base, false
	}
}

// placedFor is what the runner's placement was made from.
type placedFor struct {
	valid   bool
	fresh   []string
	version uint64
}

// place tells the runner its ranks when the fresh nodes, what they hold, or the wheel have changed.
func (n *Node) place() {
	fresh, version := n.snapshot.Load().Fresh, n.ledger.HoldersVersion()
	if n.placed.valid && n.placed.version == version && slices.Equal(n.placed.fresh, fresh) {
		return
	}
	n.placed = placedFor{valid: true, fresh: fresh, version: version}
	p := runner.Placement{Base: n.wheel, Others: rankOf(fresh, n.cfg.Node), Ranks: map[checks.Target]runner.Rank{}}
	for _, w := range n.loaded.Watches() {
		if holders := n.ledger.Holders(w.Target); len(holders) != len(fresh) {
			p.Ranks[w.Target] = rankOf(holders, n.cfg.Node)
		}
	}
	n.runner.Place(p)
}

// rankOf is the place of a node among sorted names; that of a node by itself where it is not among them.
func rankOf(names []string, node string) runner.Rank {
	i, ok := slices.BinarySearch(names, node)
	if !ok {
		return runner.Rank{Rank: 0, Of: 1}
	}
	return runner.Rank{Rank: i, Of: len(names)}
}
