package sim

import (
	"testing"
	"time"

	"vitalns/test/simnet"
)

// Where messages are lost in one direction, or by one protocol, all nodes judge alike, and a target that
// dies is left by all.
func TestCrookedNetworks(t *testing.T) {
	type cut struct {
		from, to int // by place; 0: any
		what     simnet.Proto
	}
	for _, row := range []struct {
		name string
		size int
		cuts []cut
		most time.Duration // from the death to the last node's change
	}{
		{"one way between two", 3, []cut{{1, 2, simnet.Both}}, time.Second},
		{"one way between two of five", 5, []cut{{5, 1, simnet.Both}}, time.Second},
		{"UDP one way", 3, []cut{{1, 2, simnet.UDP}}, time.Second},
		{"UDP between two", 3, []cut{{1, 2, simnet.UDP}, {2, 1, simnet.UDP}}, time.Second},
		{"UDP without TCP", 3, []cut{{0, 0, simnet.TCP}}, time.Second},
		{"TCP without UDP", 3, []cut{{0, 0, simnet.UDP}}, time.Second},
		{"TCP without UDP, five", 5, []cut{{0, 0, simnet.UDP}}, time.Second},
	} {
		for _, fromStart := range []bool{false, true} {
			if fromStart && row.cuts[0].from == 0 && row.cuts[0].what == simnet.TCP {
				continue // nodes meet by TCP
			}
			simulate(t, options{size: row.size, zone: watched, cold: fromStart}, func(c *cluster) {
				addr := func(i int) string {
					if i == 0 {
						return ""
					}
					return c.machine(i).addr
				}
				if !fromStart {
					c.sleep(10 * time.Second)
				}
				begin := time.Now()
				for _, k := range row.cuts {
					c.net.Cut(addr(k.from), addr(k.to), k.what)
				}
				c.boot()
				c.sleep(time.Minute)
				c.settle(3 * time.Second)
				if changes := c.failovers(begin); len(changes) > 0 {
					t.Errorf("%s: %v", row.name, changes)
				}
				c.world.set("", lon, refuses)
				took := c.within(5*time.Second, row.name+": fra", c.all(fra))
				t.Logf("%s, from the start %t: all changed after %s", row.name, fromStart, took)
				if took > row.most {
					t.Errorf("want at most %s", row.most)
				}
				c.sleep(10 * time.Second)
				c.settle(0)
				c.net.Heal()
				c.sleep(15 * time.Second)
				c.settle(0)
			})
		}
	}
}

// A node that is heard by nobody, but hears the others, judges by their votes as well as its own.
func TestMuteNode(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(10 * time.Second)
		begin := time.Now()
		c.net.Cut(c.machine(3).addr, "", simnet.Both)
		c.sleep(5 * time.Minute)
		if changes := c.failovers(begin); len(changes) > 0 {
			t.Error(changes)
		}
		c.world.set("n01", lon, refuses)
		c.world.set("n02", lon, refuses)
		took := c.within(3*time.Second, "fra", c.all(fra))
		t.Logf("a mute node follows the others after %s", took)
		c.stays(5*time.Minute, "fra", c.all(fra))
		c.net.Heal()
		c.settle(15 * time.Second)
		c.stays(time.Minute, "fra", c.all(fra))
	})
}
