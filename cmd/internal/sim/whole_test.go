package sim

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Three whole nodes: the address is left out when it dies, on every node, and served again when it is back
// and the hold is over.
func TestFailover(t *testing.T) {
	simulate(t, options{size: 3, zone: twoTargets}, func(c *cluster) {
		c.within(5*time.Second, "lon is served", c.all(lon))
		c.sleep(5 * time.Second)
		c.settle(time.Second)
		c.world.set("", lon, refuses)
		t.Logf("failover after %s", c.within(5*time.Second, "fra is served", c.all(fra)))
		c.sleep(10 * time.Second)
		c.settle(time.Second)
		c.world.unset("", lon)
		t.Logf("failback after %s", c.within(time.Minute, "lon is served", c.all(lon)))
		c.sleep(3 * time.Second)
		c.settle(time.Second)
	})
}
