package sim

import (
	"testing"
	"time"
)

// ready waits until the machine answers queries, looking often, and returns what it says first.
func (m *machine) ready(d time.Duration) (took time.Duration, first string) {
	m.c.t.Helper()
	begin := time.Now()
	for m.life.Waiting() != "" {
		if time.Since(begin) > d {
			m.c.t.Fatalf("%s is not ready after %s: %s\n%s", m.name, d, m.life.Waiting(), m.c.draw())
		}
		time.Sleep(ms)
	}
	return time.Since(begin), m.a()
}

// A cluster that starts as a whole is ready once every target is probed and a peer was heard.
func TestStartCold(t *testing.T) {
	simulate(t, options{size: 3, zone: sixTargets, cold: true}, func(c *cluster) {
		c.world.set("", lon, refuses)
		c.boot()
		for _, m := range c.nodes {
			took, first := m.ready(5 * time.Second)
			t.Logf("%s is ready after %s", m.name, took)
			if first != fra {
				t.Errorf("%s says %s first, want %s", m.name, first, fra)
			}
		}
	})
}

// A node whose peers are all off waits for one until start_grace runs out.
func TestStartAlone(t *testing.T) {
	simulate(t, options{size: 3, zone: twoTargets, cold: true}, func(c *cluster) {
		c.machine(3).boot()
		took, first := c.machine(3).ready(6 * time.Second)
		if took.Round(10*ms) != 5*time.Second || first != lon {
			t.Errorf("ready after %s with %s, want 5 s with %s", took, first, lon)
		}
	})
}

// After a restart with a target known to be down its address is never answered, whether it is peers or the
// disk that know.
func TestStartKnownDown(t *testing.T) {
	for _, row := range []struct {
		name  string
		size  int
		off   time.Duration
		how   conduct // of the dead target
		grace bool    // start_grace runs out first
	}{
		{"peers know, it hangs", 3, time.Second, hangs, false},
		{"peers know, it refuses, long off", 3, 5 * time.Minute, refuses, false},
		{"peers know, nothing to be found out", 3, 5 * time.Minute, noRoute, false},
		{"the disk knows, it hangs", 1, 30 * time.Second, hangs, false},
		{"the disk knows, nothing to be found out", 1, 30 * time.Second, noRoute, false},
		{"the disk knew, it hangs", 1, 5 * time.Minute, hangs, false},
		{"the disk knew, nothing to be found out", 1, 5 * time.Minute, noRoute, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			simulate(t, options{size: row.size, zone: twoTargets, lone: row.size == 1}, func(c *cluster) {
				c.sleep(10 * time.Second)
				c.world.set("", lon, hangs)
				c.within(15*time.Second, "fra is served", c.all(fra))
				c.sleep(time.Second)
				m := c.machine(row.size)
				m.kill()
				c.sleep(row.off)
				c.world.set(m.name, lon, row.how)
				if row.how == noRoute {
					c.world.set(m.name, "", noRoute)
				}
				m.boot()
				took, first := m.ready(6 * time.Second)
				t.Logf("ready after %s", took)
				if first != fra {
					t.Errorf("says %s first, want %s", first, fra)
				}
				if row.grace != (took >= 5*time.Second) {
					t.Errorf("ready after %s", took)
				}
				c.stays(time.Minute, "fra is served", c.all(fra))
			})
		})
	}
}

// All nodes lose power at once while a target is down: none answers its address when they are back.
func TestPowerLoss(t *testing.T) {
	for _, off := range []time.Duration{20 * time.Second, 5 * time.Minute} {
		simulate(t, options{size: 3, zone: twoTargets}, func(c *cluster) {
			c.sleep(10 * time.Second)
			c.world.set("", lon, hangs)
			c.within(15*time.Second, "fra is served", c.all(fra))
			c.sleep(15 * time.Second)
			for _, m := range c.nodes {
				m.kill()
			}
			c.sleep(off)
			c.boot()
			for _, m := range c.nodes {
				took, first := m.ready(6 * time.Second)
				t.Logf("off for %s: %s is ready after %s", off, m.name, took)
				if first != fra {
					t.Errorf("%s says %s first", m.name, first)
				}
			}
			c.stays(time.Minute, "fra", c.all(fra))
			c.settle(0)
		})
	}
}

// A target that came back while the node was off needs `rise` successes before it is served.
func TestStartRecovered(t *testing.T) {
	simulate(t, options{size: 1, zone: quick("failback = 'auto'"), lone: true}, func(c *cluster) {
		c.sleep(10 * time.Second)
		c.world.set("", lon, refuses)
		c.within(5*time.Second, "fra is served", c.all(fra))
		c.sleep(11 * time.Second) // to disk
		c.machine(1).kill()
		c.sleep(10 * time.Second)
		c.world.unset("", lon)
		c.machine(1).boot()
		if took, first := c.machine(1).ready(5 * time.Second); first != fra {
			t.Errorf("after %s says %s, on one success", took, first)
		}
		c.within(3*time.Second, "lon is served", c.all(lon))
	})
}

// A lone node all of whose targets are down does what when_all_down says.
func TestAllDown(t *testing.T) {
	for _, row := range []struct{ word, want string }{
		{"serve-all", lon + " " + fra}, {"last-good", fra}, {"nodata", "NODATA"}, {"servfail", "SERVFAIL"},
	} {
		simulate(t, options{size: 1, zone: quick(`policy = "all"`, "when_all_down = '"+row.word+"'"), lone: true}, func(c *cluster) {
			c.sleep(5 * time.Second)
			c.world.set("", lon, refuses)
			c.within(5*time.Second, "fra is served", c.all(fra))
			c.world.set("", fra, hangs)
			c.within(9*time.Second, row.word, func() bool { return c.machine(1).verdict(fra).State.String() == "down" })
			c.stays(time.Minute, row.word, c.all(row.want))
			if c.machine(1).life.Snapshot().Abstains {
				t.Error("abstains: it never had a peer")
			}
			c.world.unset("", lon)
			c.within(5*time.Second, "lon is served", c.all(lon))
		})
	}
}
