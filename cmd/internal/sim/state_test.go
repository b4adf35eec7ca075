package sim

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vitalns/cmd/internal/node"
)

// A node whose state directory is lost learns from its peers what was decided; one whose state is an old
// copy does not bring back what has changed since.
func TestStateLostAndRestored(t *testing.T) {
	simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
		one := c.machine(1)
		c.sleep(6 * time.Second)
		one.override("web", "lon", "drain", 0)
		c.sleep(time.Second)
		old := one.disk.content()
		_ = one.off() // logged
		one.disk.put(nil)
		one.boot()
		if _, first := one.ready(5 * time.Second); first != fra {
			t.Errorf("lost state: says %s first", first)
		}
		c.sleep(5 * time.Second)
		one.override("web", "lon", "auto", 0)
		c.within(time.Minute, "lon", c.all(lon))
		c.sleep(time.Second)
		one.kill()
		one.disk.put(old)
		one.boot()
		if _, first := one.ready(5 * time.Second); first != lon {
			t.Errorf("restored state: says %s first", first)
		}
		c.stays(time.Minute, "lon", c.all(lon))
		c.settle(0)
	})
}

// All but one lose their disks, and all are off at once: what an operator said is known from the one.
func TestStateOfOneIsEnough(t *testing.T) {
	simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
		c.sleep(6 * time.Second)
		c.machine(1).override("web", "lon", "drain", 0)
		for _, m := range c.nodes {
			m.kill() // nothing but what was acknowledged
		}
		c.machine(1).disk.put(nil)
		c.machine(3).disk.put(nil)
		c.sleep(time.Hour)
		c.boot()
		for _, m := range c.nodes {
			if _, first := m.ready(6 * time.Second); first != fra {
				t.Errorf("%s says %s first", m.name, first)
			}
		}
	})
}

// A kill at any moment loses nothing that was acknowledged.
func TestKillLosesNothing(t *testing.T) {
	for i := range 10 {
		simulate(t, options{size: 1, zone: quick(), lone: true}, func(c *cluster) {
			m := c.machine(1)
			c.sleep(6*time.Second + time.Duration(i)*1234*ms)
			m.override("web", "lon", "down", 0)
			m.kill()
			c.sleep(time.Duration(i*i) * time.Minute)
			m.boot()
			if _, first := m.ready(6 * time.Second); first != fra {
				t.Errorf("%d: says %s first", i, first)
			}
		})
	}
}

// State that cannot be read, or that a clock says is from the future, is set aside; serving goes on.
func TestStateUnreadable(t *testing.T) {
	simulate(t, options{size: 1, zone: quick(), lone: true}, func(c *cluster) {
		m := c.machine(1)
		c.sleep(6 * time.Second)
		m.override("web", "lon", "down", 0)
		_ = m.off() // logged
		m.disk.tear()
		m.boot()
		if took, first := m.ready(5 * time.Second); first != lon {
			t.Errorf("after %s says %s", took, first)
		}
		if es := m.happened("node", "torn"); es == 0 {
			t.Error("nothing says so")
		}
	})
}

// happened counts the events of a kind whose text has a word.
func (m *machine) happened(kind, word string) (n int) {
	m.note()
	for _, h := range m.past {
		if h.Kind == kind && strings.Contains(h.Text, word) {
			n++
		}
	}
	return n
}

// A full disk keeps nothing from being served or judged; a command says that its word is not on disk.
func TestFullDisk(t *testing.T) {
	simulate(t, options{size: 3, zone: quick()}, func(c *cluster) {
		for _, m := range c.nodes {
			m.disk.fill(true)
		}
		c.sleep(6 * time.Second)
		c.world.set("", lon, refuses)
		c.within(time.Second, "fra", c.all(fra))
		one := c.machine(1)
		_, err := one.life.Override(context.Background(), node.OverrideRequest{Target: "example.org/web/lon", State: "down", Force: true})
		if err == nil || !strings.Contains(err.Error(), "not on disk") {
			t.Errorf("override on a full disk: %v", err)
		}
		_ = one.off() // logged
		one.boot()
		if _, first := one.ready(6 * time.Second); first != fra {
			t.Errorf("booted on a full disk: says %s", first)
		}
		one.disk.fill(false)
		c.sleep(2 * time.Second)
		one.override("web", "lon", "down", 0)
		if one.disk.content() == nil {
			t.Error("nothing was saved when there was room again")
		}
	})
}

// A disk that takes 20 s for each save delays no answer; what is acknowledged waits for it.
func TestSlowDisk(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(6 * time.Second)
		for _, m := range c.nodes {
			m.disk.drag(20 * time.Second)
		}
		c.sleep(15 * time.Second) // a save is under way
		c.world.set("", lon, refuses)
		c.within(time.Second, "fra", c.all(fra))
		c.world.unset("", lon)
		c.within(3*time.Second, "lon", c.all(lon))
		begin := time.Now()
		done := make(chan struct{})
		go func() {
			c.machine(1).override("web", "lon", "down", 0)
			close(done)
		}()
		c.within(time.Second, "in force before it is on disk", c.all(fra))
		<-done
		if took := time.Since(begin); took < 20*time.Second {
			t.Errorf("acknowledged after %s", took)
		}
		for _, m := range c.nodes {
			m.disk.drag(0)
		}
	})
}

// A clock that is wrong at boot: verdicts on disk are old where they seem to be from the future, what is
// left of an override is not lost to a clock that goes back, and the node is heard by its peers although
// its incarnation went far ahead, or back.
func TestWrongClock(t *testing.T) {
	for _, ahead := range []time.Duration{-24 * time.Hour, -30 * time.Second, 365 * 24 * time.Hour} {
		simulate(t, options{size: 1, zone: quick(), lone: true}, func(c *cluster) {
			m := c.machine(1)
			c.sleep(6 * time.Second)
			m.override("web", "lon", "drain", time.Hour)
			_ = m.off() // logged
			c.sleep(10 * time.Second)
			m.disk.shift(ahead)
			m.boot()
			want := fra
			if ahead > time.Hour {
				want = lon // it has expired, for all that is known
			}
			c.sleep(40 * time.Second)
			if got := m.a(); got != want {
				t.Errorf("%s ahead: says %s, want %s", ahead, got, want)
			}
			if want == fra {
				c.sleep(time.Hour - 52*time.Second)
				c.within(0, "an hour is not over", c.all(fra))
				c.within(time.Minute, "the hour is over and so is the hold", c.all(lon))
			}
		})
	}
}

// An incarnation from a clock that was years ahead, then a lost disk: the node outbids what its peers
// remember of it, and its votes count.
func TestWrongClockAndLostState(t *testing.T) {
	simulate(t, options{size: 3, zone: watched, cold: true}, func(c *cluster) {
		m := c.machine(3)
		raw, err := json.Marshal(node.Saved{Time: time.Now(), Incarnation: uint64(time.Now().AddDate(20, 0, 0).UnixMilli())})
		if err != nil {
			t.Fatal(err)
		}
		m.disk.put(raw)
		c.boot()
		c.sleep(10 * time.Second)
		c.settle(0)
		m.kill()
		m.disk.put(nil)
		c.sleep(time.Second)
		m.boot()
		c.sleep(6 * time.Second)
		c.settle(0)
		if v := c.machine(1).verdict(lon); v.Count != 3 {
			t.Errorf("%s", v)
		}
		c.world.set("n01", lon, refuses)
		c.world.set("n03", lon, refuses)
		c.within(time.Second, "the vote of n03 counts", c.all(fra))
	})
}

// A machine that was suspended forgets what it observed and waits for its peers; its answers stay
// meanwhile, and those of the others never notice.
func TestSuspendAndResume(t *testing.T) {
	for _, row := range []struct{ passes, more time.Duration }{
		{time.Minute, 0},              // by every clock
		{20 * ms, time.Hour},          // by CLOCK_BOOTTIME alone, as on real hardware
		{7 * time.Second, time.Hour},  // and its peers saw it go
		{20 * time.Minute, time.Hour}, // and forgot it
	} {
		simulate(t, options{size: 3, zone: sixTargets}, func(c *cluster) {
			c.sleep(20*time.Second + 450*ms)
			begin := time.Now()
			m := c.machine(3)
			c.world.set("n03", "", hangs) // the network takes a while to come up
			m.suspend()
			c.sleep(row.passes)
			m.awaken(row.more)
			c.within(1100*ms, "it notices", func() bool { return m.happened("node", "woke") > 0 })
			c.stays(4*time.Second, "lon", c.all(lon))
			c.world.unset("n03", "")
			c.settle(15 * time.Second)
			c.stays(time.Minute, "lon", c.all(lon))
			if changes := c.failovers(begin); len(changes) > 0 {
				t.Errorf("%v: %v", row, changes)
			}
		})
	}
}

// While it slept the target died: when it wakes it follows its peers, and never votes with what it knew.
func TestSuspendedWhileTargetDies(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(20*time.Second + 450*ms)
		m := c.machine(3)
		m.suspend()
		c.sleep(10 * time.Second)
		c.world.set("", lon, refuses)
		c.within(2*time.Second, "fra", func() bool { return c.machine(1).a() == fra && c.machine(2).a() == fra })
		c.sleep(time.Minute)
		m.awaken(time.Hour)
		t.Logf("woke to a dead target: follows after %s", c.within(3*time.Second, "fra", c.all(fra)))
		c.stays(time.Minute, "fra", c.all(fra))
		c.settle(0)
	})
}
