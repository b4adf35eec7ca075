package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vitalns/test/simnet"
)

// Clusters of 5, 20 and 50 nodes in a storm: delay, 30 % loss, partitions, paths of one direction or one
// protocol, kills, restarts, lost disks, suspends, targets that come and go. When it is quiet all agree, and what they think is true.
func TestStorm(t *testing.T) {
	for _, s := range []struct {
		size int
		d    time.Duration
	}{{5, 10 * time.Minute}, {20, 2 * time.Minute}, {50, 20 * time.Second}} {
		t.Run(fmt.Sprint(s.size), func(t *testing.T) {
			if raced && s.size > 20 {
				t.Skip("too slow under the race detector")
			}
			t.Parallel()
			storm(t, 3, s.size, s.d)
		})
	}
}

func TestSoakStorm(t *testing.T) {
	soak(t)
	for seed := range uint64(10) {
		for _, size := range []int{5, 20, 50} {
			t.Run(fmt.Sprintf("%d/%d", seed, size), func(t *testing.T) {
				t.Parallel()
				storm(t, 10+seed, size, 10*time.Minute)
			})
		}
	}
}

func storm(t *testing.T, seed uint64, size int, d time.Duration) {
	simulate(t, options{seed: seed, size: size, zone: sixTargets}, func(c *cluster) {
		rng := rand.New(rand.NewPCG(seed, 99))
		c.net.SetDelay(10*ms, 200*ms)
		c.net.SetLoss(0.3)
		c.sleep(10 * time.Second)
		for begin := time.Now(); time.Since(begin) < d; {
			c.mischief(rng)
			c.sleep(time.Duration(rng.IntN(8000)) * ms)
		}
		c.net.Heal()
		c.net.SetLoss(0)
		for _, m := range c.nodes {
			if m.suspended() {
				m.awaken(0)
			}
		}
		c.boot()
		c.sleep(time.Second)
		took := c.settle(20 * time.Second)
		c.sleep(min(d, 40*time.Second)) // flap damping has its time
		c.settle(time.Second)
		for i := range 6 {
			host := fmt.Sprintf("192.0.2.%d", i+1)
			want := "up"
			if c.world.meet("", host) != works {
				want = "down"
			}
			if got := c.machine(1).verdict(host); got.State.String() != want {
				t.Errorf("%s: %s, want %s", host, got, want)
			}
		}
		t.Logf("%d nodes, %s of storm: one view %s after it", size, d, took+time.Second)
	})
}

// mischief does one thing that may happen.
func (c *cluster) mischief(rng *rand.Rand) {
	m := c.nodes[rng.IntN(len(c.nodes))]
	switch rng.IntN(9) {
	case 0:
		var left []string
		for _, m := range c.nodes {
			if rng.IntN(2) == 0 {
				left = append(left, m.addr)
			}
		}
		c.net.Partition(left)
	case 1:
		c.net.Heal()
	case 2, 3:
		switch {
		case m.life == nil:
			if rng.IntN(4) == 0 {
				m.disk.put(nil)
			}
			m.boot()
		case m.suspended():
			m.awaken(time.Duration(rng.IntN(2)) * time.Minute)
		case len(c.running()) > 1 && rng.IntN(2) == 0:
			m.kill()
		case len(c.running()) > 1:
			_ = m.off() // logged
		}
	case 4:
		c.net.Cut(m.addr, c.nodes[rng.IntN(len(c.nodes))].addr, simnet.Proto(1+rng.IntN(3)))
	case 5:
		if m.life != nil && !m.suspended() {
			m.suspend()
		}
	default:
		host := fmt.Sprintf("192.0.2.%d", 1+rng.IntN(6))
		c.world.set("", host, []conduct{works, refuses, hangs}[rng.IntN(3)])
	}
}
