package node

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
	"vitalns/dnsserver/edge"
	"vitalns/gossip"
	"vitalns/zones"
)

// start makes the parts from what is on disk and what was loaded. The incarnation is saved before the
// first message leaves.
func (n *Node) start(now time.Time) error {
	saved, err := n.world.Store.Load()
	if err != nil {
		n.counters.stateErrors.Add(1)
		n.log.Error("state is not used; serving goes on", "error", err)
		n.events.add(now, Event{Kind: "node", Text: err.Error()})
	}
	n.started, n.wheel, n.loadedAt, n.saveAt = now, now, now, now.Add(saveEvery)
	n.counters.reloaded(now, true)
	// It is greater than any before it, whichever of the disk and the clock can be trusted.
	n.incarnation = max(saved.Incarnation+1, uint64(max(now.UnixMilli(), 0)))
	n.ledger = checks.NewLedger(checks.LedgerConfig{
		Node: n.cfg.Node, Incarnation: n.incarnation, Instance: n.world.Seed | 1,
		VoteExpiry: n.cfg.voteExpiry(), StartGrace: n.cfg.StartGrace, Nodes: n.cfg.nodes(),
		Joining: n.cfg.Cluster != nil && len(n.cfg.Cluster.Join) > 0,
	}, now)
	n.ledger.Restore(saved.Registers, now.Round(0).Sub(saved.Time), now)
	n.runner = runner.New(runner.Config{Seed: n.world.Seed, Logger: n.log, History: n.historyOf, Observe: n.observed.put})
	n.adopt(loadServed(saved.Served), now)
	n.saver.write(saveJob{state: n.saved(now)}) // its goroutine does not run yet
	if err := n.join(); err != nil {
		return err
	}
	if n.world.Listen == nil {
		return nil
	}
	n.limiter = edge.NewLimiter(n.loaded.File.RRL.Table, n.loaded.File.RRL.limits())
	// The listeners open when the node is ready; that they can is found out now.
	server, err := n.listen()
	if err == nil {
		err = server.Close()
	}
	if err != nil && n.mesh != nil {
		err = errors.Join(err, n.mesh.Close())
	}
	return err
}

// adopt puts what is loaded in place of what was served before, and makes its table. It returns the
// targets whose verdict changed by that.
func (n *Node) adopt(before map[string][]checks.Target, now time.Time) []checks.Target {
	served := servedTargets(n.loaded.Sources)
	inherit(n.ledger, before, served)
	n.served = savedServed(served)
	watches := n.loaded.Watches()
	own := func(checks.Target) bool { return false }
	if n.world.OwnHost != nil {
		own = n.world.OwnHost()
	}
	n.ledger.Configure(watches, own, n.loaded.Digest, now)
	n.ledger.Keep(n.loaded.Set.Holds, now)
	snap, changes := n.ledger.Verdicts(now)
	n.snapshot.Store(snap)
	n.useCookies(snap)
	n.table.Store(zones.NewTable(n.loaded.Set, snap))
	n.runner.Set(watches)
	n.placed.valid, n.serialsDue = false, true
	return changes.Targets
}

// join makes the mesh.
func (n *Node) join() error {
	c := n.cfg.Cluster
	if c == nil {
		return nil
	}
	mesh, err := gossip.New(gossip.Config{Node: n.cfg.Node, Bind: c.Bind, Join: c.Join, Label: c.Name, Keys: c.Keys, Meta: n.cfg.Meta,
		Transport: n.world.Transport, Logger: n.log, Seed: n.world.Seed})
	if err != nil {
		return err
	}
	n.mesh = mesh
	return nil
}

// historyOf is what is known of a target that the runner has no observation of. The runner calls it.
func (n *Node) historyOf(t checks.Target) (checks.State, bool) { return n.snapshot.Load().History(t) }

// saved is what is to be on disk now.
func (n *Node) saved(now time.Time) Saved {
	return Saved{Node: n.cfg.Node, Time: now.Round(0), Incarnation: n.incarnation, Registers: n.ledger.Saved(now), Served: n.served}
}

// duplicate says that another node has this one's name, with both addresses.
func (n *Node) duplicate() error {
	other := cmp.Or(n.twin, "an address that is not known")
	return fmt.Errorf("two nodes have the name %q: this one at %s, and %s, which was there first: give one of them another `node` name", n.cfg.Node, n.mesh.Addr(), other)
}

func (c Config) voteExpiry() time.Duration {
	if c.Cluster == nil || c.Cluster.VoteExpiry == 0 {
		return defaultVoteExpiry
	}
	return c.Cluster.VoteExpiry
}

// expect tells the ledger how many nodes there should be, as far as it is known now.
func (n *Node) expect() {
	if n.mesh != nil && n.cfg.Cluster.Counted {
		n.ledger.Expect(n.cfg.nodes() - n.mesh.JoinsSelf())
	}
}

// nodes is how many there should be by the node file alone.
func (c Config) nodes() int {
	if c.Cluster == nil {
		return 1
	}
	return max(c.Cluster.Nodes, 1)
}
