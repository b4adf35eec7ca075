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

// A clone that is restarted whenever it exits, as an init system does, is refused before anyone takes it for
// the original: all count the same three votes all the time, and what status says of it goes away with it.
func TestRestartingClone(t *testing.T) {
	const all = "up 0/3 (n01 up, n02 up, n03 up)"
	simulate(t, options{size: 3, zone: sixTargets}, func(c *cluster) {
		c.sleep(20 * time.Second)
		begin, starts := time.Now(), 0
		clone := c.add("n01", "127.0.9.9:7946")
		for time.Since(begin) < time.Minute {
			clone.boot()
			starts++
			for again := time.Now().Add(time.Second); time.Now().Before(again); c.sleep(50 * ms) {
				for i := range 3 {
					if m := c.machine(i + 1); m.verdict(lon).String() != all || m.life.Snapshot().Abstains {
						t.Fatalf("%s after the clone's start: %s judges %s, abstains: %t", time.Second-time.Until(again), m.name, m.verdict(lon), m.life.Snapshot().Abstains)
					}
				}
			}
			select {
			case <-clone.life.done:
			default:
				t.Fatal("the clone runs for a second")
			}
			if err := clone.gone(); err == nil || !strings.Contains(err.Error(), c.machine(1).addr) {
				t.Fatalf("the clone ends with %v", err)
			}
		}
		if n := c.troubles(); n == 0 {
			t.Error("nobody shows that there are two of a name")
		}
		c.sleep(3 * time.Minute)
		if n := c.troubles(); n > 0 {
			t.Errorf("long after the clone has gone %d troubles are shown", n)
		}
		t.Logf("%d starts", starts)
	})
}

// troubles counts what the nodes show of two nodes with one name.
func (c *cluster) troubles() (n int) {
	for _, m := range c.running() {
		s, err := m.life.Status(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		ms, err := m.life.Members(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		n += len(s.Alarms)
		for _, m := range ms.Members {
			if m.Problem != "" {
				n++
			}
		}
	}
	return n
}

// Two nodes of one name start at one moment: one of them keeps it, the other exits.
func TestClonesStartTogether(t *testing.T) {
	for seed := range uint64(8) {
		simulate(t, options{size: 3, zone: sixTargets, cold: true, seed: seed}, func(c *cluster) {
			c.machine(1).boot()
			c.machine(2).boot()
			c.sleep(10 * time.Second)
			clone := c.add("n03", "127.0.9.9:7946")
			c.machine(3).boot()
			clone.boot()
			c.sleep(20 * time.Second)
			ended := 0
			for _, m := range []*machine{c.machine(3), clone} {
				select {
				case <-m.life.done:
					ended++
					if err := m.gone(); err == nil {
						t.Error("ends without an error")
					}
				default:
				}
			}
			if ended != 1 {
				t.Errorf("%d of two ended, want one", ended)
			}
			c.sleep(10 * time.Second)
			if got, want := c.machine(1).verdict(lon).String(), "up 0/3 (n01 up, n02 up, n03 up)"; got != want {
				t.Errorf("seed %d: got %s, want %s", seed, got, want)
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
