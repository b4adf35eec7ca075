package sim

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A thousand refusals shorter than (fall-1) x fast_interval, at random moments, with the defaults: no answer
// changes.
func TestBlips(t *testing.T) {
	simulate(t, options{size: 3, zone: twoTargets}, func(c *cluster) {
		const longest = 2*500*ms - rtt // what is under way when it ends counts as well
		rng := rand.New(rand.NewPCG(1, 2))
		c.sleep(20 * time.Second)
		begin, seen := time.Now(), 0
		for range 1000 {
			c.sleep(5*time.Second + time.Duration(rng.Int64N(int64(2*time.Second))))
			c.world.set("", lon, refuses)
			c.sleep(longest - time.Duration(rng.Int64N(int64(100*ms))))
			if c.machine(1).verdict(lon).Doubt {
				seen++
			}
			c.world.unset("", lon)
		}
		changes := c.failovers(begin)
		t.Logf("%d failovers of 1,000 blips of up to %s (interval 2s, fall 3, fast_interval 500ms); %d of them were in doubt", len(changes), longest, seen)
		if len(changes) > 0 {
			t.Errorf("%d changes, the first: %s", len(changes), changes[0])
		}
		if seen < 500 {
			t.Errorf("only %d blips were noticed: they are no test", seen)
		}
	})
}

// A target that comes and goes every five seconds for half an hour: each time it falls soon after it came up
// doubles the successes it needs, so that after four falls (2, 4, 8, then 16 successes in 5 s) it stays out.
func TestFlapping(t *testing.T) {
	simulate(t, options{size: 3, zone: strings.Replace(twoTargets, "[records.www]", "failback = 'auto'\n[records.www]", 1)}, func(c *cluster) {
		c.sleep(20 * time.Second)
		begin := time.Now()
		for time.Since(begin) < 30*time.Minute {
			c.world.set("", lon, refuses)
			c.sleep(5 * time.Second)
			c.world.unset("", lon)
			c.sleep(5 * time.Second)
		}
		changes := c.failovers(begin)
		t.Logf("a target that flaps 180 times: %d changes of answers on 3 nodes", len(changes))
		if len(changes) > 3*2*4 {
			t.Errorf("%d changes, want at most 24: %v", len(changes), changes)
		}
		c.within(2*time.Minute, "once it is steady it is served", c.all(lon))
		c.settle(time.Second)
	})
}
