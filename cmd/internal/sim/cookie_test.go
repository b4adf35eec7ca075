package sim

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vitalns/dnsserver/edge"
)

// Rotation of these scenarios; the product rotates daily, and nothing but the time differs. A secret lives
// for a rotation after the last cookie was made by it, less what it takes to hear of a rotation, or to miss
// the node whose it was.
const (
	rotation = 20 * time.Second
	lifetime = rotation - 7*time.Second
)

// A biscuit is a server cookie, with where and when it was made.
type biscuit struct {
	raw  []byte
	by   string
	made time.Time
}

var baker = netip.MustParseAddr("192.0.2.200")

// bake has the machine make a cookie for a client; its raw is nil when it has no secret.
func (m *machine) bake() biscuit {
	var c edge.Cookie
	m.life.Cookies().Look(&c, &edge.Query{Cookie: []byte("a client")}, baker, time.Now())
	if c.Result == edge.NoCookie {
		return biscuit{by: m.name, made: time.Now()}
	}
	return biscuit{append([]byte{}, c.Answer[:]...), m.name, time.Now()}
}

// takes reports whether the machine accepts a cookie.
func (m *machine) takes(b biscuit) bool {
	var c edge.Cookie
	m.life.Cookies().Look(&c, &edge.Query{Cookie: b.raw}, baker, time.Now())
	return c.Result == edge.ValidCookie
}

// share has every running machine make a cookie and every other accept it, and those in jar, which are
// not older than age.
func (c *cluster) share(jar *[]biscuit, age time.Duration) {
	c.t.Helper()
	kept := (*jar)[:0]
	for _, b := range *jar {
		if time.Since(b.made) < age {
			kept = append(kept, b)
		}
	}
	*jar = kept
	for _, m := range c.running() {
		if m.life.Waiting() == "" {
			*jar = append(*jar, m.bake())
		}
	}
	for _, b := range *jar {
		for _, m := range c.running() {
			if m.life.Waiting() == "" && !m.takes(b) {
				c.t.Fatalf("%s refuses the cookie that %s made %s ago\n%s", m.name, b.by, time.Since(b.made), c.generations())
			}
		}
	}
}

// sharing does so for d.
func (c *cluster) sharing(d time.Duration, jar *[]biscuit) {
	c.t.Helper()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(211 * ms) {
		c.share(jar, lifetime)
	}
}

func (m *machine) generation() uint64 { return m.life.Snapshot().Cookies.Generation }

func (c *cluster) generations() (s string) {
	for _, m := range c.running() {
		s += fmt.Sprintf("%s: generation %d\n", m.name, m.generation())
	}
	return s
}

// A cookie made on any node is valid on every other for as long as its secret is promised to live: before,
// during and after each rotation, with messages delayed and lost, and with nodes that restart one after the
// other, by signal or by power.
func TestCookiesThroughRotations(t *testing.T) {
	simulate(t, options{size: 3, zone: watched, rotation: rotation}, func(c *cluster) {
		for _, m := range c.nodes {
			m.ready(5 * time.Second)
		}
		c.within(time.Second, "all have secrets", func() bool {
			return c.machine(1).generation() == 1 && c.machine(2).generation() == 1 && c.machine(3).generation() == 1
		})
		c.net.SetDelay(50*ms, 50*ms)
		c.net.SetLoss(0.05)
		var jar []biscuit
		c.sharing(4*rotation, &jar)
		if g := c.machine(3).generation(); g != 4 && g != 5 {
			t.Errorf("after four rotations: generation %d", g)
		}
		for i, m := range c.nodes {
			if i%2 == 0 {
				m.kill()
			} else {
				_ = m.off() // logged
			}
			c.sharing(rotation/3, &jar)
			m.boot()
			m.ready(6 * time.Second)
			c.sharing(rotation/3, &jar)
		}
		c.sharing(rotation, &jar)
		if g := c.machine(1).generation(); g < 6 || g > 8 {
			t.Errorf("after seven rotations: generation %d", g)
		}
	})
}

// A node that joins late, with nothing on its disk, accepts at once what the others have made.
func TestCookiesOfALateNode(t *testing.T) {
	simulate(t, options{size: 3, zone: watched, rotation: rotation}, func(c *cluster) {
		var jar []biscuit
		c.sleep(10 * time.Second)
		c.sharing(3*rotation+rotation/2, &jar)
		late := c.machine(1) // of the lowest name: from now on the secrets are its to rotate
		_ = late.off()       // logged
		late.disk.put(nil)
		c.sharing(rotation/4, &jar)
		late.boot()
		late.ready(6 * time.Second)
		c.share(&jar, lifetime)
		before := late.generation()
		c.sharing(2*rotation, &jar)
		if g := late.generation(); g <= before || before < 3 {
			t.Errorf("generation %d when it had joined, %d two rotations later", before, g)
		}
	})
}

// All nodes restart at once: they go on with the secrets on their disks, and the time they were off counts.
func TestCookiesOverARestartOfAll(t *testing.T) {
	for _, kill := range []bool{false, true} {
		simulate(t, options{size: 3, zone: watched, rotation: rotation}, func(c *cluster) {
			var jar []biscuit
			c.sleep(10 * time.Second)
			c.sharing(rotation+rotation/2, &jar)
			before := c.machine(2).generation()
			for _, m := range c.nodes {
				if kill {
					m.kill()
				} else {
					_ = m.off() // logged
				}
			}
			c.sleep(rotation / 4)
			c.boot()
			for _, m := range c.nodes {
				m.ready(6 * time.Second)
			}
			c.share(&jar, lifetime)
			c.sharing(rotation, &jar)
			if g := c.machine(2).generation(); g != before+1 && g != before+2 {
				t.Errorf("kill %v: generation %d, %d before", kill, g, before)
			}
		})
	}
}

// A partition of less than a rotation breaks no cookie, though each side rotates for itself meanwhile. When
// it heals there is one set of secrets.
func TestCookiesAcrossAPartition(t *testing.T) {
	for _, row := range []struct {
		size, left int
	}{{3, 1}, {5, 2}, {4, 2}} {
		t.Run(fmt.Sprintf("%d of %d", row.left, row.size), func(t *testing.T) {
			simulate(t, options{size: row.size, zone: watched, rotation: rotation}, func(c *cluster) {
				var jar []biscuit
				c.within(2*rotation, "a rotation", func() bool { return c.machine(1).generation() == 2 })
				c.sharing(rotation/2, &jar)
				var left []string
				for _, m := range c.nodes[:row.left] {
					left = append(left, m.addr)
				}
				c.net.Partition(left)
				before := c.machine(row.size).generation()
				c.sharing(rotation-5*time.Second, &jar)
				for _, m := range c.nodes {
					if g := m.generation(); g != before+1 {
						t.Errorf("%s: generation %d, %d before", m.name, g, before)
					}
				}
				c.net.Heal()
				c.sharing(15*time.Second, &jar)
				c.oneSet()
				c.sharing(2*rotation, &jar)
			})
		})
	}
}

// Halves that were apart for many rotations have one set of secrets within 15 s of healing, and from then
// on no cookie breaks.
func TestCookiesAfterALongPartition(t *testing.T) {
	simulate(t, options{size: 4, zone: watched, rotation: rotation}, func(c *cluster) {
		c.sleep(10 * time.Second)
		c.net.Partition([]string{c.machine(1).addr, c.machine(2).addr})
		c.sleep(10 * rotation)
		c.net.Heal()
		c.sleep(15 * time.Second)
		c.oneSet()
		var jar []biscuit
		c.sharing(3*rotation, &jar)
	})
}

// oneSet fails unless all machines have the same secrets.
func (c *cluster) oneSet() {
	c.t.Helper()
	for _, m := range c.running() {
		if m.life.Snapshot().Cookies != c.running()[0].life.Snapshot().Cookies {
			c.t.Fatalf("not one set of secrets:\n%s", c.generations())
		}
	}
}

// A lone node has cookies as soon as it answers, and rotates and restarts as a cluster does. Off for a
// month, it rotates once.
func TestCookiesOfALoneNode(t *testing.T) {
	simulate(t, options{size: 1, zone: watched, rotation: rotation, lone: true}, func(c *cluster) {
		var jar []biscuit
		m := c.machine(1)
		m.ready(5 * time.Second)
		c.share(&jar, lifetime)
		c.sharing(2*rotation+rotation/2, &jar)
		if g := m.generation(); g != 3 {
			t.Errorf("after two rotations: generation %d", g)
		}
		m.kill()
		m.boot()
		m.ready(5 * time.Second)
		c.share(&jar, lifetime)
		_ = m.off() // logged
		m.disk.shift(30 * 24 * time.Hour)
		before := time.Now()
		m.boot()
		m.ready(5 * time.Second)
		c.share(&jar, time.Since(before))
		if g := m.generation(); g != 4 {
			t.Errorf("off for a month: generation %d", g)
		}
	})
}
