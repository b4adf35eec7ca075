package sim

import (
	"testing"
	"time"

	"vitalns/checks"
)

// After a partition of 2|3 for ten minutes, during which targets died and came back on either side, all
// nodes have one view within 15 s.
func TestPartitionHeals(t *testing.T) {
	for seed := range uint64(5) {
		simulate(t, options{seed: seed, size: 5, zone: sixTargets}, func(c *cluster) {
			c.sleep(10*time.Second + time.Duration(seed)*173*ms)
			left := []*machine{c.machine(1), c.machine(4)}
			if seed%2 == 1 {
				left = []*machine{c.machine(4), c.machine(5)}
			}
			c.net.Partition([]string{left[0].addr, left[1].addr})
			c.sleep(time.Minute)
			// The left side loses lon, the right side fra, and everyone a member of the set.
			for _, m := range c.nodes {
				if m == left[0] || m == left[1] {
					c.world.set(m.name, lon, hangs)
				} else {
					c.world.set(m.name, fra, refuses)
				}
			}
			c.world.set("", "192.0.2.3", refuses)
			c.sleep(9 * time.Minute)
			for _, m := range c.nodes {
				want := lon
				if m == left[0] || m == left[1] {
					want = fra
				}
				if got := m.a(); got != want {
					t.Errorf("divided: %s answers %s, want %s", m.name, got, want)
				}
			}
			c.net.Heal()
			t.Logf("seed %d: one view %s after healing", seed, c.settle(15*time.Second))
			healed := time.Now()
			c.sleep(10 * time.Second)
			c.settle(0)
			if !c.all(lon)() {
				t.Errorf("three of five see lon up:\n%s", c.draw())
			}
			// The votes of the other side come one node after the other; none of it is more than one change.
			if changes := c.failovers(healed); len(changes) > 2*len(left) {
				t.Errorf("%d changes after healing: %v", len(changes), changes)
			}
		})
	}
}

// A node whose uplink is dead hears no peer and reaches no target: it abstains, its answers stay, those of
// the others too, and when the uplink is back nothing changes either.
func TestDeadUplink(t *testing.T) {
	for i, how := range []conduct{hangs, refuses, noRoute, hangs, noRoute} {
		for _, size := range []int{2, 3, 5} {
			simulate(t, options{seed: uint64(i), size: size, zone: sixTargets}, func(c *cluster) {
				c.sleep(12*time.Second + time.Duration(i*617+size*211)*ms)
				c.settle(time.Second)
				cut := c.machine(1 + i%size)
				begin := time.Now()
				c.net.Down(cut.addr)
				c.world.set(cut.name, "", how)
				c.sleep(10 * time.Minute)
				if !cut.life.Snapshot().Abstains {
					t.Errorf("%d nodes, conduct %d: %s does not abstain", size, how, cut.name)
				}
				c.net.Up(cut.addr)
				c.world.unset(cut.name, "")
				c.settle(15 * time.Second)
				c.sleep(30 * time.Second)
				c.settle(0)
				for _, change := range c.failovers(begin) {
					t.Errorf("%d nodes, conduct %d: %s", size, how, change)
				}
			})
		}
	}
}

// A target on the node's own host still works when the uplink is dead; that says nothing about the uplink.
func TestDeadUplinkLocalTarget(t *testing.T) {
	simulate(t, options{size: 3, zone: sixTargets, cold: true}, func(c *cluster) {
		m := c.machine(2)
		m.own = func(t checks.Target) bool { return t.Host == "192.0.2.3" }
		c.boot()
		c.sleep(12 * time.Second)
		begin := time.Now()
		c.net.Down(m.addr)
		c.world.set(m.name, "", hangs)
		c.world.set(m.name, "192.0.2.3", works)
		c.sleep(10 * time.Minute)
		if !m.life.Snapshot().Abstains {
			t.Error("it does not abstain")
		}
		c.net.Up(m.addr)
		c.world.unset(m.name, "")
		c.settle(15 * time.Second)
		c.sleep(30 * time.Second)
		c.settle(0)
		for _, change := range c.failovers(begin) {
			t.Error(change)
		}
	})
}

// A node that hears its peers and reaches no target is alone in what it sees.
func TestDeadTargetsOfOneNode(t *testing.T) {
	for _, how := range []conduct{hangs, refuses, noRoute} {
		simulate(t, options{seed: uint64(how), size: 3, zone: sixTargets}, func(c *cluster) {
			c.sleep(12 * time.Second)
			begin := time.Now()
			c.world.set("n03", "", how)
			c.sleep(3 * time.Minute)
			if c.machine(3).life.Snapshot().Abstains != (how != noRoute) {
				t.Errorf("conduct %d: abstains %t", how, c.machine(3).life.Snapshot().Abstains)
			}
			c.settle(0)
			c.world.unset("n03", "")
			c.sleep(2 * time.Minute)
			c.settle(0)
			for _, change := range c.failovers(begin) {
				t.Errorf("conduct %d: %s", how, change)
			}
		})
	}
}

// What nodes said before they vanished is not heard again when they are back: with quorum "any" a single
// old vote would show.
func TestNoResurrection(t *testing.T) {
	const zone = head + `
[checks.web]
type = "tcp"
port = 80
quorum = "any"
[pools.web]
check    = "web"
failback = "auto"
targets = [{ name = "lon", address = "192.0.2.1" }, { name = "fra", address = "192.0.2.2" }]
[records.www]
pool = "web"
`
	for seed := range uint64(3) {
		simulate(t, options{seed: seed, size: 5, zone: zone}, func(c *cluster) {
			c.net.SetDelay(ms, 300*ms) // much is overtaken
			c.net.SetLoss(0.3)
			c.sleep(15 * time.Second)
			c.world.set("", lon, refuses)
			c.within(10*time.Second, "fra is served", c.all(fra))
			c.net.Partition([]string{c.machine(4).addr, c.machine(5).addr})
			c.sleep(10 * time.Second)
			c.world.unset("", lon)
			c.world.set("n04", lon, hangs)
			c.world.set("n05", lon, hangs)
			inside := func(want string) func() bool {
				return func() bool { return c.machine(1).a() == want && c.machine(2).a() == want && c.machine(3).a() == want }
			}
			c.within(time.Minute, "lon is back for three", inside(lon))
			c.machine(4).kill()
			c.machine(5).kill()
			c.sleep(time.Duration(seed) * 90 * time.Second)
			c.world.unset("n04", lon)
			c.world.unset("n05", lon)
			c.net.Heal()
			c.machine(4).boot()
			c.machine(5).boot()
			c.stays(3*time.Minute, "lon is served", inside(lon))
			c.settle(0)
		})
	}
}
