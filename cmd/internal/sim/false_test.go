package sim

import (
	"os"
	"testing"
	"time"
)

// soak skips a test that is long, unless VITALNS_SOAK says so.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("VITALNS_SOAK") == "" {
		t.Skip("VITALNS_SOAK=1 runs it")
	}
}

// Five nodes with the defaults, one of which always misjudges, 1 % probe loss everywhere, 30 % gossip loss
// and a restart every ten minutes: no answer that clients see changes.
func TestFalseFailovers(t *testing.T) {
	d := time.Hour
	if raced {
		d /= 6
	}
	for _, liar := range liars {
		t.Run(liar.name, func(t *testing.T) { falseFailovers(t, 1, d, liar) })
	}
}

func TestSoakFalseFailovers(t *testing.T) {
	soak(t)
	for i, liar := range liars {
		t.Run(liar.name, func(t *testing.T) { falseFailovers(t, uint64(100+i), 24*time.Hour, liar) })
	}
}

// A liar is how a node misjudges.
type liar struct {
	name  string
	hosts []string // that it sees refuse; "" for all
}

var liars = []liar{
	{"one target", []string{lon}},
	{"two of six", []string{lon, "192.0.2.3"}},
	{"everything", []string{""}},
}

func falseFailovers(t *testing.T, seed uint64, d time.Duration, l liar) {
	t.Parallel()
	simulate(t, options{seed: seed, size: 5, zone: sixTargets}, func(c *cluster) {
		c.sleep(10 * time.Second)
		c.settle(5 * time.Second)
		begin := time.Now()
		for _, h := range l.hosts {
			c.world.set("n02", h, refuses)
		}
		c.world.lose(0.01)
		c.net.SetLoss(0.3)
		for i := 0; time.Since(begin) < d; i++ {
			c.sleep(10 * time.Minute)
			c.machine(1 + i%5).restart(i)
		}
		c.world.lose(0)
		c.net.SetLoss(0)
		c.sleep(10 * time.Second)
		c.settle(15 * time.Second)
		changes := c.failovers(begin)
		t.Logf("%s: %d false failovers in %s of 5 nodes, 1 %% probe loss, 30 %% gossip loss, %d restarts",
			l.name, len(changes), d, int(d/(10*time.Minute)))
		for _, change := range changes {
			t.Error(change)
		}
	})
}

// restart ends a node, one way or another, and starts it again, sooner or later than its votes live.
func (m *machine) restart(i int) {
	if i%2 == 0 {
		m.kill()
	} else {
		_ = m.off() // logged
	}
	m.c.sleep([...]time.Duration{200 * ms, 2 * time.Second, 8 * time.Second}[i%3])
	m.boot()
}

// The node that misjudges is restarted again and again. In its first moments it knows of its peers before it
// knows what they say: what it concludes then moves nobody else. (Of two nodes each is half, and may.)
func TestMisjudgingNodeRestarts(t *testing.T) {
	for _, size := range []int{3, 4, 5} {
		simulate(t, options{seed: uint64(size), size: size, zone: sixTargets}, func(c *cluster) {
			c.sleep(10 * time.Second)
			begin := time.Now()
			c.world.set("n02", lon, refuses)
			c.net.SetLoss(0.3)
			for i := range 150 {
				c.sleep(15 * time.Second)
				c.machine(2).restart(i)
			}
			c.machine(2).past = nil // it may answer by itself alone where start_grace runs out before a peer is heard
			c.machine(2).life.seq = 1 << 62
			for _, change := range c.failovers(begin) {
				t.Errorf("%d nodes: %s", size, change)
			}
		})
	}
}
