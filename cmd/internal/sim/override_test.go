package sim

import (
	"testing"
	"time"

	"vitalns/checks"
)

// An override with an end, while all nodes are off: the time off counts.
func TestOverrideExpiresWhileOff(t *testing.T) {
	for _, off := range []time.Duration{10 * time.Second, 2 * time.Minute} {
		simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
			c.sleep(6 * time.Second)
			c.machine(2).override("web", "lon", "drain", time.Minute)
			said := time.Now()
			c.within(0, "drained, once the command is done", c.all(fra))
			c.sleep(20 * time.Second)
			for _, m := range c.nodes {
				m.kill()
			}
			c.sleep(off)
			c.boot()
			for _, m := range c.nodes {
				if _, first := m.ready(6 * time.Second); off < time.Minute && first != fra {
					t.Errorf("off for %s: %s says %s first", off, m.name, first)
				}
			}
			if off > time.Minute {
				c.within(500*ms, "it has expired, and one of them writes the return", c.all(lon))
			}
			if off > time.Minute {
				return
			}
			c.within(time.Minute, "lon", c.all(lon))
			if took := time.Since(said); took < 59*time.Second || took > 62*time.Second {
				t.Errorf("an override of a minute ended after %s", took)
			}
			c.stays(time.Minute, "lon", c.all(lon))
			c.settle(0)
		})
	}
}

// Two operators on two sides of a partition: the stricter word wins everywhere, both are shown as a conflict,
// and the next word settles it.
func TestConcurrentOverrides(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(6 * time.Second)
		c.net.Partition([]string{c.machine(1).addr})
		c.sleep(10 * time.Second)
		c.machine(1).override("web", "lon", "drain", 0)
		c.machine(2).override("web", "lon", "up", 0)
		c.within(time.Second, "each side follows its own", func() bool {
			return c.machine(1).a() == fra && c.machine(2).a() == lon && c.machine(3).a() == lon
		})
		c.net.Heal()
		t.Logf("the stricter word is everywhere %s after healing", c.within(15*time.Second, "fra", c.all(fra)))
		for _, m := range c.nodes {
			c.within(time.Second, m.name+" shows both words", func() bool {
				o := m.word()
				return o.Admin == checks.Drain && len(o.Conflict) > 0
			})
		}
		c.machine(3).override("web", "lon", "up", 0)
		c.within(time.Second, "the next word wins", c.all(lon))
		for _, m := range c.nodes {
			if o := m.word(); o.Admin != checks.ForceUp || len(o.Conflict) != 0 {
				t.Errorf("%s: %+v", m.name, o)
			}
		}
	})
}

// Words at the same moment on three nodes: all end with the same, the strictest.
func TestOverridesAtOnce(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.net.SetDelay(30*ms, 30*ms)
		c.sleep(6 * time.Second)
		done := make(chan struct{})
		for i, state := range []string{"up", "down", "drain"} {
			go func() {
				c.machine(1+i).override("web", "lon", state, 0)
				done <- struct{}{}
			}()
		}
		for range 3 {
			<-done
		}
		c.within(2*time.Second, "fra", c.all(fra))
		for _, m := range c.nodes {
			if o := m.word(); o.Admin != checks.ForceDown {
				t.Errorf("%s: %+v", m.name, o)
			}
		}
		c.machine(1).override("web", "lon", "auto", 0)
		c.within(2*time.Second, "lon", c.all(lon))
		c.settle(time.Second)
	})
}

// word is the override of lon as the machine has it.
func (m *machine) word() checks.Override {
	o, _ := m.life.Snapshot().Override("example.org/web/lon")
	return o
}
