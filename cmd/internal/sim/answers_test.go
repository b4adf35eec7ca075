package sim

import (
	"context"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
	"vitalns/cmd/internal/node"
)

// dual is lon with both families before fra with IPv4 alone.
var dual = strings.Replace(quick(`failback = "auto"`), `address = "192.0.2.1"`, `address = ["192.0.2.1", "2001:db8::1"]`, 1)

const lon6 = "2001:db8::1"

// both says what every machine answers for A and AAAA.
func (c *cluster) both(a, aaaa string) func() bool {
	return func() bool {
		for _, m := range c.running() {
			if m.a() != a || m.aaaa() != aaaa {
				return false
			}
		}
		return true
	}
}

// A target without the asked family takes the class of its other one, and adds nothing.
func TestTargetWithoutFamily(t *testing.T) {
	simulate(t, options{size: 3, zone: dual}, func(c *cluster) {
		c.sleep(5 * time.Second)
		c.within(0, "all well", c.both(lon, lon6))
		c.world.set("", lon, refuses)
		c.within(3*time.Second, "lon has only IPv6", c.both(fra, lon6))
		c.world.set("", lon6, refuses)
		c.within(3*time.Second, "lon is down", c.both(fra, "NODATA"))
		c.world.unset("", lon)
		c.within(9*time.Second, "lon has only IPv4", c.both(lon, "NODATA"))
		c.world.unset("", lon6)
		c.within(9*time.Second, "all well", c.both(lon, lon6))
	})
}

// A node without IPv6 leaves the judgement of those addresses to its peers, and answers with them.
func TestNodeWithoutIPv6(t *testing.T) {
	simulate(t, options{size: 3, zone: dual, cold: true}, func(c *cluster) {
		c.world.set("n02", lon6, noRoute)
		c.boot()
		for _, m := range c.nodes {
			if took, first := m.ready(3 * time.Second); first != lon {
				t.Errorf("%s: %s after %s", m.name, first, took)
			}
		}
		c.sleep(time.Second)
		c.within(0, "all well", c.both(lon, lon6))
		c.world.set("n01", lon6, refuses)
		c.world.set("n03", lon6, refuses)
		c.within(3*time.Second, "lon's IPv6 is down, by two votes", c.both(lon, "NODATA"))
		if v := c.machine(2).verdict(lon6); v.Downs != 2 || v.Count != 2 {
			t.Errorf("%s", v)
		}
	})
}

// All forced down is NODATA, whatever when_all_down says; all drained goes on serving.
func TestAllForcedDownAllDrained(t *testing.T) {
	simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
		c.sleep(5 * time.Second)
		c.machine(1).override("web", "lon", "down", 0)
		c.within(time.Second, "fra", c.all(fra))
		c.machine(2).override("web", "fra", "down", 0)
		c.within(time.Second, "nothing is left", c.all("NODATA"))
		c.machine(3).override("web", "lon", "drain", 0)
		c.within(time.Second, "drained before forced down", c.all(lon))
		c.machine(1).override("web", "fra", "drain", 0)
		c.stays(5*time.Second, "all drained, the group in use stays", c.all(fra))
		c.world.set("", fra, refuses)
		c.within(3*time.Second, "drained but up", c.all(lon))
		c.machine(1).override("web", "fra", "auto", 0)
		c.stays(5*time.Second, "drained before down", c.all(lon))
		c.world.unset("", fra)
		c.within(9*time.Second, "up before drained", c.all(fra))
	})
}

// fallbacks is a pair that needs both of its targets, with another pair behind it.
func fallbacks(failback string) string {
	return strings.Replace(quick("policy = 'all'", "min_healthy = 2", "fallback = 'spare'", "failback = "+failback), "[records.www]", `
[pools.spare]
policy = "all"
min_healthy = 2
check = "web"
targets = [{ name = "c", address = "192.0.2.3" }, { name = "d", address = "192.0.2.4" }]
[records.www]`, 1)
}

// A fallback serves where it is whole and the pool is not; where neither is, the pool's own rest does.
func TestFallbackPartlyAlive(t *testing.T) {
	simulate(t, options{size: 3, zone: fallbacks("'auto'")}, func(c *cluster) {
		const spare = "192.0.2.3 192.0.2.4"
		c.sleep(5 * time.Second)
		c.world.set("", lon, refuses)
		c.within(3*time.Second, "the fallback", c.all(spare))
		c.world.set("", "192.0.2.4", refuses)
		c.within(3*time.Second, "what is left of the pool", c.all(fra))
		c.world.set("", fra, refuses)
		c.within(3*time.Second, "what is left of the fallback", c.all("192.0.2.3"))
		c.world.unset("", "192.0.2.4")
		c.within(9*time.Second, "the fallback", c.all(spare))
		c.world.unset("", lon)
		c.sleep(20 * time.Second)
		c.within(0, "the fallback", c.all(spare))
		c.world.unset("", fra)
		c.within(9*time.Second, "the pool", c.all(lon+" "+fra))
	})
}

// A pool is returned to from its fallback after the hold, or by command.
func TestReturnFromFallback(t *testing.T) {
	const spare = "192.0.2.3 192.0.2.4"
	simulate(t, options{size: 3, zone: fallbacks("'20s'")}, func(c *cluster) {
		c.sleep(5 * time.Second)
		c.world.set("", lon, refuses)
		c.within(3*time.Second, "the fallback", c.all(spare))
		c.world.unset("", lon)
		c.within(9*time.Second, "lon is up", func() bool { return c.machine(1).verdict(lon).State.String() == "up" })
		c.stays(19*time.Second, "the fallback holds", c.all(spare))
		c.within(1500*ms, "the pool", c.all(lon+" "+fra))
	})
	simulate(t, options{size: 3, zone: fallbacks("'manual'")}, func(c *cluster) {
		c.sleep(5 * time.Second)
		c.world.set("", lon, refuses)
		c.within(3*time.Second, "the fallback", c.all(spare))
		if _, err := c.machine(2).failback("web"); err == nil {
			t.Error("returned to a pool that is not usable")
		}
		c.world.unset("", lon)
		c.sleep(9 * time.Second)
		c.stays(time.Hour/4, "the fallback stays", c.all(spare))
		if _, err := c.machine(2).failback("web"); err != nil {
			t.Error(err)
		}
		c.within(0, "the pool, once the command is done", c.all(lon+" "+fra))
	})
}

func (m *machine) failback(pool string) (node.Written, error) {
	return m.life.Failback(context.Background(), node.FailbackRequest{Pool: "example.org/" + pool})
}

// The group in use dies while the better one is on hold: the better one is taken at once.
func TestDeathDuringHold(t *testing.T) {
	simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
		c.sleep(5 * time.Second)
		c.world.set("", lon, refuses)
		c.within(3*time.Second, "fra", c.all(fra))
		c.sleep(10 * time.Second)
		c.world.unset("", lon)
		c.sleep(10 * time.Second)
		c.within(0, "fra still", c.all(fra))
		c.world.set("", fra, refuses)
		t.Logf("group in use dies during the hold: changed after %s", c.within(time.Second, "lon", c.all(lon)))
		c.world.unset("", fra)
		c.stays(time.Minute, "lon", c.all(lon))
	})
}

// The node that would write the return dies during the hold, and another one starts anew: the hold is counted
// by the ages of votes and ends when it would have.
func TestRestartsDuringHold(t *testing.T) {
	simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
		c.sleep(5 * time.Second)
		c.world.set("", lon, refuses)
		c.within(3*time.Second, "fra", c.all(fra))
		c.sleep(10 * time.Second)
		c.world.unset("", lon)
		c.within(3*time.Second, "lon is up", func() bool { return c.machine(1).verdict(lon).State == checks.Up })
		back := time.Now()
		c.sleep(10 * time.Second)
		c.machine(1).kill()
		c.sleep(8 * time.Second)
		_ = c.machine(2).off() // logged
		c.machine(2).boot()
		c.within(20*time.Second, "lon", c.all(lon))
		took := time.Since(back)
		t.Logf("hold of 30 s, its writer killed, another node restarted: returned after %s", took)
		if took < 29*time.Second || took > 32*time.Second {
			t.Errorf("returned after %s, want 30 s", took)
		}
	})
}

// The choice in use is kept by names: another order of the file changes nothing while it holds.
func TestReorderDuringHold(t *testing.T) {
	const was = `{ name = "lon", address = "192.0.2.1" }, { name = "fra", address = "192.0.2.2" }`
	for _, row := range []struct{ name, order, end string }{
		{"swapped", `{ name = "fra", address = "192.0.2.2" }, { name = "lon", address = "192.0.2.1" }`, fra},
		{"one between", `{ name = "lon", address = "192.0.2.1" }, { name = "ams", address = "192.0.2.9" }, { name = "fra", address = "192.0.2.2" }`, lon},
	} {
		simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
			c.world.set("", "192.0.2.9", refuses)
			c.sleep(5 * time.Second)
			c.world.set("", lon, refuses)
			c.within(3*time.Second, "fra", c.all(fra))
			c.sleep(10 * time.Second)
			c.world.unset("", lon)
			c.within(9*time.Second, "lon is up", func() bool { return c.machine(1).verdict(lon).State.String() == "up" })
			for _, m := range c.nodes {
				c.sleep(4 * time.Second)
				m.zone = strings.Replace(m.zone, was, row.order, 1)
				m.reload(true)
				c.within(0, row.name+": fra while it holds", c.all(fra))
			}
			c.stays(17*time.Second, row.name+": fra while it holds", c.all(fra))
			c.sleep(2 * time.Second)
			c.stays(time.Minute, row.name+": after the hold", c.all(row.end))
		})
	}
}

// reload has the node read its files and fails unless they are as good as is said.
func (m *machine) reload(good bool) node.Reload {
	m.c.t.Helper()
	r, err := m.life.Reload(context.Background())
	if err != nil || r.Valid != good || r.Applied != good {
		m.c.t.Fatalf("%s: reload: %+v, %v", m.name, r, err)
	}
	return r
}
