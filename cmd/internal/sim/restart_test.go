package sim

import (
	"strings"
	"testing"
	"time"
)

// watched is quick with failback at once, so that every change of a verdict shows.
var watched = quick(`failback = "auto"`)

// Two of three see lon down. While one of the two restarts its vote stands; if it stays away its vote goes
// vote_expiry after its last heartbeat.
func TestRestartAndVotes(t *testing.T) {
	for _, row := range []struct {
		name string
		off  time.Duration
		kill bool
	}{
		{"killed, back after 0.3 s", 300 * ms, true},
		{"killed, back after 3.5 s", 3500 * ms, true},
		{"stopped, back after 2 s", 2 * time.Second, false},
		{"killed, back after 20 s", 20 * time.Second, true},
		{"stopped, back after 20 s", 20 * time.Second, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
				c.world.set("n01", lon, refuses)
				c.world.set("n03", lon, hangs)
				c.sleep(10 * time.Second)
				c.within(0, "two of three say down", c.all(fra))
				if row.kill {
					c.machine(3).kill()
				} else {
					_ = c.machine(3).off() // logged
				}
				if row.off < 5*time.Second {
					c.stays(row.off, "the vote stands", c.all(fra))
					c.machine(3).boot()
					c.machine(3).ready(5 * time.Second)
					c.stays(30*time.Second, "the vote stands", c.all(fra))
					return
				}
				c.stays(3900*ms, "the vote lives", c.all(fra))
				took := c.within(2*time.Second, "one of two is no majority", c.all(lon))
				t.Logf("the vote is gone %s after the last sign of life at the latest", took+3900*ms)
				c.sleep(row.off)
				c.machine(3).boot()
				c.within(5*time.Second, "two of three say down", c.all(fra))
				c.stays(30*time.Second, "two of three say down", c.all(fra))
			})
		})
	}
}

// A target that dies together with nodes is judged by those that are left: at once where they are still a
// majority, else when the votes of the dead are gone.
func TestNodeAndTargetDieTogether(t *testing.T) {
	for _, row := range []struct {
		size, dead int
		min, max   time.Duration
	}{
		{3, 1, 0, time.Second},
		{5, 2, 0, time.Second},
		{2, 1, 4 * time.Second, 6 * time.Second},
		{5, 3, 4 * time.Second, 6 * time.Second},
	} {
		simulate(t, options{size: row.size, zone: watched}, func(c *cluster) {
			c.sleep(10*time.Second + 333*ms)
			for i := range row.dead {
				c.machine(row.size - i).kill()
			}
			c.world.set("", lon, refuses)
			took := c.within(row.max, "fra", c.all(fra))
			t.Logf("%d of %d nodes die with the target: changed after %s", row.dead, row.size, took)
			if took < row.min {
				t.Errorf("want at least %s", row.min)
			}
			c.stays(time.Minute, "fra", c.all(fra))
		})
	}
}

// A peer that is lost takes its vote with it; the rest judge, and it is seen that they are fewer.
func TestPeerLost(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(10 * time.Second)
		c.machine(2).kill()
		c.sleep(7 * time.Second)
		if v := c.machine(1).verdict(lon); v.Count != 2 {
			t.Errorf("judged by %d, want 2: %s", v.Count, v)
		}
		c.world.set("", lon, hangs)
		t.Logf("one of three nodes gone: a target that hangs is left after %s", c.within(2*time.Second, "fra", c.all(fra)))
	})
}

// Every node is restarted in turn, as in an upgrade: answers stay.
func TestRollingRestart(t *testing.T) {
	simulate(t, options{size: 3, zone: sixTargets}, func(c *cluster) {
		c.world.set("", lon, refuses)
		c.sleep(20 * time.Second)
		begin := time.Now()
		for round := range 3 {
			for i, m := range c.nodes {
				m.restart(round + i)
				if _, first := m.ready(6 * time.Second); first != fra {
					t.Errorf("%s says %s first", m.name, first)
				}
				c.sleep(time.Second)
			}
		}
		c.sleep(10 * time.Second)
		c.settle(time.Second)
		if changes := c.failovers(begin); len(changes) > 0 {
			t.Error(strings.Join(changes, "\n"))
		}
	})
}
