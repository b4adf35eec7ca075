package sim

import (
	"strings"
	"testing"
	"time"
)

// A clone, with the name and the disk of a node that runs, exits and names both addresses; the cluster goes
// on as it was.
func TestClonedNode(t *testing.T) {
	for _, keepDisk := range []bool{true, false} {
		simulate(t, options{size: 3, zone: sixTargets}, func(c *cluster) {
			c.sleep(20 * time.Second)
			begin := time.Now()
			clone := c.add("n02", "127.0.9.9:7946")
			if keepDisk {
				clone.disk.put(c.machine(2).disk.content())
			}
			clone.boot()
			select {
			case <-clone.life.done:
			case <-time.After(20 * time.Second):
				t.Fatalf("the clone still runs:\n%s", c.draw())
			}
			t.Logf("the clone exits after %s", time.Since(begin))
			err := clone.gone()
			if err == nil || !strings.Contains(err.Error(), clone.addr) || !strings.Contains(err.Error(), c.machine(2).addr) {
				t.Errorf("the clone ends with %v", err)
			}
			c.sleep(15 * time.Second)
			c.settle(time.Second)
			if v := c.machine(1).verdict(lon); v.Count != 3 {
				t.Errorf("%s", v)
			}
			if changes := c.failovers(begin); len(changes) > 0 {
				t.Error(changes)
			}
		})
	}
}

// Two nodes of one name grow up apart and meet: one of them stops voting, both keep answering, and when one
// is gone the other votes again.
func TestTwoOfOneNameMeet(t *testing.T) {
	simulate(t, options{size: 4, zone: sixTargets, cold: true}, func(c *cluster) {
		twin := c.add("n02", "127.0.9.9:7946")
		c.net.Partition([]string{c.machine(1).addr, c.machine(2).addr})
		c.boot()
		c.sleep(time.Minute)
		begin := time.Now()
		c.net.Heal()
		c.sleep(30 * time.Second)
		muted := 0
		for _, m := range []*machine{c.machine(2), twin} {
			if m.life == nil {
				t.Fatalf("%s at %s has ended", m.name, m.addr)
			}
			if m.life.Snapshot().Abstains {
				muted++
			}
		}
		if muted != 1 {
			t.Errorf("%d of the two do not vote, want 1", muted)
		}
		c.within(0, "lon", c.all(lon))
		twin.kill()
		c.sleep(30 * time.Second)
		c.settle(0)
		if v := c.machine(1).verdict(lon); v.Count != 4 {
			t.Errorf("%s", v)
		}
		if changes := c.failovers(begin); len(changes) > 0 {
			t.Error(changes)
		}
	})
}

// A node comes back at another address: its peers take it for the same within seconds.
func TestNewAddress(t *testing.T) {
	for _, clean := range []bool{true, false} {
		simulate(t, options{size: 3, zone: sixTargets}, func(c *cluster) {
			c.sleep(20 * time.Second)
			begin := time.Now()
			m := c.machine(3)
			if clean {
				_ = m.off() // logged
			} else {
				m.kill()
			}
			m.addr = "127.0.7.7:7946"
			c.sleep(500 * ms)
			m.boot()
			took, first := m.ready(6 * time.Second)
			t.Logf("new address, clean %t: ready after %s", clean, took)
			if first != lon {
				t.Errorf("says %s first", first)
			}
			took = c.settle(10 * time.Second)
			t.Logf("new address, clean %t: one view %s later", clean, took)
			c.sleep(time.Minute)
			c.settle(0)
			if v := c.machine(1).verdict(lon); v.Count != 3 {
				t.Errorf("%s", v)
			}
			if changes := c.failovers(begin); len(changes) > 0 {
				t.Error(changes)
			}
		})
	}
}
