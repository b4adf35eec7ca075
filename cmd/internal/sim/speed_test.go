package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vitalns/checks/runner"
)

// Failover times at random phases, 3 nodes, interval=1s fall=2 fast_interval=200ms timeout=500ms, held
// against the product's own bounds and those it must reach.
func TestFailoverTimes(t *testing.T) { failoverTimes(t, 100) }

func TestSoakFailoverTimes(t *testing.T) {
	soak(t)
	failoverTimes(t, 5000)
}

func failoverTimes(t *testing.T, runs int) {
	for _, row := range []struct {
		how           conduct
		name          string
		median, worst time.Duration
	}{
		{refuses, "refuses", 500 * ms, 900 * ms},
		{hangs, "hangs", 1600 * ms, 1900 * ms},
	} {
		simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
			rng := rand.New(rand.NewPCG(3, 4))
			w := c.machine(1).load().Watches()[0]
			refuse, hang := runner.Budget(w, 3)
			bound := map[conduct]time.Duration{refuses: refuse, hangs: hang}[row.how] + 2*2*ms + 2*rtt
			c.sleep(10 * time.Second)
			var first, last, spread []time.Duration
			for range runs {
				c.sleep(5*time.Second + time.Duration(rng.Int64N(int64(time.Second))))
				died := time.Now()
				c.world.set("", lon, row.how)
				c.within(5*time.Second, "fra", c.all(fra))
				a, b := c.changed(died)
				first, last, spread = append(first, a), append(last, b), append(spread, b-a)
				c.world.unset("", lon)
				c.within(20*time.Second, "lon", c.all(lon))
			}
			t.Logf("3 nodes, interval=1s fall=2 fast_interval=200ms timeout=500ms, %d deaths: %s", runs, row.name)
			t.Logf("  first answer %s", spreadOf(first))
			t.Logf("  last answer  %s; bound %s", spreadOf(last), bound)
			t.Logf("  between them %s", spreadOf(spread))
			if m := last[len(last)/2]; m > row.median {
				t.Errorf("median %s, want at most %s", m, row.median)
			}
			if m := last[len(last)-1]; m > row.worst || m > bound {
				t.Errorf("worst %s, want at most %s and %s", m, row.worst, bound)
			}
			if m := spread[len(spread)-1]; m > 50*ms {
				t.Errorf("nodes differ for %s", m)
			}
		})
	}
}

// changed returns when after died the first and the last machine changed its answer.
func (c *cluster) changed(died time.Time) (first, last time.Duration) {
	first = time.Hour
	for _, m := range c.nodes {
		m.note()
		for _, h := range slices.Backward(m.past) {
			if h.Kind == "answer" && h.Time.After(died) {
				first, last = min(first, h.Time.Sub(died)), max(last, h.Time.Sub(died))
			}
		}
		m.past = nil
	}
	return first, last
}

// spreadOf sorts durations and draws their spread.
func spreadOf(ds []time.Duration) string {
	slices.Sort(ds)
	at := func(p int) time.Duration { return ds[min(len(ds)-1, len(ds)*p/100)].Round(ms) }
	return fmt.Sprintf("min %s, median %s, p99 %s, max %s", ds[0].Round(ms), at(50), at(99), ds[len(ds)-1].Round(ms))
}
