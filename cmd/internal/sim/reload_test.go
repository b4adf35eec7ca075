package sim

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// otherPort is watched with another probe behind the same addresses.
var otherPort = strings.Replace(watched, "port = 80", "port = 8080", 1)

// A bad file changes nothing; its problems are told.
func TestBadReload(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(6 * time.Second)
		begin := time.Now()
		m := c.machine(1)
		m.zone = strings.Replace(watched, "interval", "intervall", 1) + "\nnonsense = true\n"
		r := m.reload(false)
		if strings.Count(r.Problems, "error:") < 2 {
			t.Errorf("problems:\n%s", r.Problems)
		}
		c.stays(10*time.Second, "lon", c.all(lon))
		c.world.set("", lon, refuses)
		c.within(time.Second, "fra", c.all(fra))
		m.zone = watched
		m.reload(true)
		if changes := c.failovers(begin); len(changes) != 3 {
			t.Error(changes)
		}
	})
}

// A reload that changes what is probed: every target keeps its verdict, stale, until the new probe has votes;
// one that was down needs `rise` successes. During a rollout each node judges by what it probes.
func TestReloadOtherProbe(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.world.set("", lon, refuses)
		c.sleep(10 * time.Second)
		c.within(0, "lon is down", c.all(fra))
		begin := time.Now()
		m := c.machine(1)
		m.zone = otherPort
		m.reload(true)
		if v := m.verdict(lon); !v.Stale || v.State.String() != "down" {
			t.Errorf("just after: %s", v)
		}
		c.stays(10*time.Second, "lon stays down", c.all(fra))
		if v := m.verdict(lon); v.Stale || v.Count != 1 {
			t.Errorf("with a vote of its own: %s", v)
		}
		for _, m := range c.nodes[1:] {
			m.zone = otherPort
			m.reload(true)
			c.stays(3*time.Second, "lon stays down", c.all(fra))
		}
		c.settle(0)
		if changes := c.failovers(begin); len(changes) > 0 {
			t.Error(changes)
		}
		// Back at the same time as another probe comes: two successes, not one.
		c.world.unset("", lon)
		for _, m := range c.nodes {
			m.zone = watched
			m.reload(true)
		}
		c.stays(150*ms, "one success is not enough", c.all(fra))
		c.within(3*time.Second, "lon", c.all(lon))
	})
}

// A start that changes what is probed does as a reload does, with the verdict from disk.
func TestStartOtherProbe(t *testing.T) {
	simulate(t, options{size: 1, zone: watched, lone: true}, func(c *cluster) {
		m := c.machine(1)
		c.world.set("", lon, refuses)
		c.sleep(10 * time.Second)
		_ = m.off() // logged
		m.zone = otherPort
		c.world.set("", "", hangs)
		c.sleep(10 * time.Second)
		m.boot()
		if took, first := m.ready(5 * time.Second); first != fra || took > 10*ms {
			t.Errorf("after %s says %s first", took, first)
		}
	})
}

// A reload that changes how it is judged loses nothing, and nodes that judge differently still vote together.
func TestReloadJudgement(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.world.set("n01", lon, refuses)
		c.sleep(10 * time.Second)
		begin := time.Now()
		slow := strings.NewReplacer(`interval = "1s"`, `interval = "4s"`, "fall = 2", "fall = 5\nrise = 4\nclear = 3").Replace(watched)
		for _, m := range c.nodes {
			m.zone = slow
			r := m.reload(true)
			if len(r.Changes) == 0 {
				t.Error("the reload tells of no change")
			}
			if v := m.verdict(lon); v.Count != 3 || v.Downs != 1 || v.Stale {
				t.Errorf("%s: %s", m.name, v)
			}
			c.stays(2*time.Second, "lon", c.all(lon))
		}
		if changes := c.failovers(begin); len(changes) > 0 {
			t.Error(changes)
		}
		// Quorum by reload: one down vote of three is now enough, on the node that says so.
		m := c.machine(2)
		m.zone = strings.Replace(slow, "fall = 5", "fall = 5\nquorum = 'any'", 1)
		m.reload(true)
		if got := m.a(); got != fra {
			t.Errorf("quorum any: says %s", got)
		}
		if got := c.machine(1).a(); got != lon {
			t.Errorf("majority: says %s", got)
		}
	})
}

// What only a start can change is named, and the rest is applied.
func TestReloadNeedsRestart(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		c.sleep(6 * time.Second)
		m := c.machine(1)
		changed := *m.file
		changed.Listen = []string{"192.0.2.53:53"}
		m.file = &changed
		m.zone = strings.Replace(watched, `address = "192.0.2.2"`, `address = "192.0.2.7"`, 1)
		r := m.reload(true)
		if !slices.Equal(r.NeedsRestart, []string{"[dns] listen"}) {
			t.Errorf("needs restart: %v", r.NeedsRestart)
		}
		c.sleep(2 * time.Second)
		c.world.set("", lon, refuses)
		c.within(2*time.Second, "the rest is applied", func() bool { return m.a() == "192.0.2.7" && c.machine(2).a() == fra })
	})
}

// A rollout of another zone file, node after node, while a target dies: each node answers by its own file,
// votes on the same probe count everywhere, and the serial is one in the end.
func TestRollout(t *testing.T) {
	simulate(t, options{size: 3, zone: watched}, func(c *cluster) {
		next := strings.Replace(watched, "[records.www]", `
[pools.more]
check = "web"
targets = [{ name = "fra", address = "192.0.2.2" }, { name = "ams", address = "192.0.2.9" }]
[records.more]
pool = "more"
[records.www]`, 1)
		c.sleep(6 * time.Second)
		before := c.machine(1).serial()
		c.machine(1).zone = next
		c.machine(1).reload(true)
		c.sleep(time.Second)
		c.world.set("", lon, refuses)
		c.within(time.Second, "fra on all", c.all(fra))
		for _, m := range c.nodes[1:] {
			c.sleep(5 * time.Second)
			m.zone = next
			m.reload(true)
			c.within(0, "fra on all", c.all(fra))
		}
		c.sleep(5 * time.Second)
		c.settle(time.Second)
		for _, m := range c.nodes {
			if got := m.serial(); got != c.machine(1).serial() || got <= before {
				t.Errorf("%s: serial %d, was %d, is %d on n01", m.name, got, before, c.machine(1).serial())
			}
			if got := m.answer("more.example.org.", 1); got != fra {
				t.Errorf("%s: more is %s", m.name, got)
			}
		}
		t.Logf("serial %d -> %d", before, c.machine(1).serial())
	})
}

func (m *machine) serial() uint32 { return m.life.Table().Serial(0) }
