package sim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/cmd/internal/node"
	"vitalns/dnsserver"
)

// ms keeps the scenarios readable.
const ms = time.Millisecond

// sleep lets virtual time pass.
func (c *cluster) sleep(d time.Duration) { time.Sleep(d) }

// answer is what the node says for NAME TYPE: its addresses or names, sorted, or the rcode, or NODATA.
func (m *machine) answer(name string, qtype uint16) string {
	q, err := dnsserver.NewQuery(new(dns.Msg).SetQuestion(name, qtype))
	if err != nil {
		panic(err)
	}
	q.Client, q.Via = netip.MustParseAddr("192.0.2.200"), dnsserver.TCP
	r := dnsserver.Respond(m.life.Table(), q)
	if r.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[r.Rcode]
	}
	var data []string
	for _, rr := range r.Answer {
		data = append(data, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	if len(data) == 0 {
		return "NODATA"
	}
	slices.Sort(data)
	return strings.Join(data, " ")
}

// a is the answer for www, the name that most scenarios look at.
func (m *machine) a() string { return m.answer("www.example.org.", dns.TypeA) }

func (m *machine) aaaa() string { return m.answer("www.example.org.", dns.TypeAAAA) }

// owners are the names that agree looks at.
func (m *machine) owners() (names []string) {
	for _, s := range m.load().Sources {
		for _, d := range s.Dynamic {
			names = append(names, d.Owner.String())
		}
	}
	return names
}

// view is all that the node answers and thinks, in a form that is equal on nodes that agree.
func (m *machine) view(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s A %s, AAAA %s\n", name, m.answer(name, dns.TypeA), m.answer(name, dns.TypeAAAA))
	}
	snap := m.life.Snapshot()
	var verdicts []string
	for t, v := range snap.All() {
		verdicts = append(verdicts, fmt.Sprintf("%s %s stale=%t %d/%d", t, v.State, v.Stale, v.Downs, v.Count))
	}
	slices.Sort(verdicts)
	fmt.Fprintf(&b, "%s\nfresh %v voters %v", strings.Join(verdicts, "\n"), snap.Fresh, snap.Voters)
	return b.String()
}

// agree reports whether all machines that are on see and answer the same, and if not, two that differ.
func (c *cluster) agree() (ok bool, why string) {
	on := c.running()
	names := on[0].owners()
	first := on[0].view(names)
	for _, m := range on[1:] {
		if v := m.view(names); v != first {
			return false, fmt.Sprintf("%s:\n%s\n%s:\n%s", on[0].name, first, m.name, v)
		}
	}
	return true, ""
}

// settle waits until all machines agree and returns how long that took; after d it fails.
func (c *cluster) settle(d time.Duration) time.Duration {
	c.t.Helper()
	begin, why := time.Now(), ""
	for time.Since(begin) <= d {
		ok := false
		if ok, why = c.agree(); ok {
			return time.Since(begin)
		}
		time.Sleep(50 * ms)
	}
	c.t.Fatalf("no agreement within %s:\n%s", d, why)
	return 0
}

// within waits until f holds and returns how long that took; after d it fails.
func (c *cluster) within(d time.Duration, what string, f func() bool) time.Duration {
	c.t.Helper()
	begin := time.Now()
	for time.Since(begin) <= d {
		if f() {
			return time.Since(begin)
		}
		time.Sleep(5 * ms)
	}
	c.t.Fatalf("not within %s: %s\n%s", d, what, c.draw())
	return 0
}

// stays fails if f ceases to hold before d has passed.
func (c *cluster) stays(d time.Duration, what string, f func() bool) {
	c.t.Helper()
	for begin := time.Now(); time.Since(begin) <= d; time.Sleep(20 * ms) {
		if !f() {
			c.t.Fatalf("after %s no longer: %s\n%s", time.Since(begin), what, c.draw())
		}
	}
}

// all reports whether every machine that is on answers www with this.
func (c *cluster) all(want string) func() bool {
	return func() bool {
		for _, m := range c.running() {
			if m.a() != want {
				return false
			}
		}
		return true
	}
}

// draw shows every machine's answer and votes, for a failed test.
func (c *cluster) draw() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %s\n", time.Since(c.zero))
	for _, m := range c.nodes {
		if m.life == nil {
			fmt.Fprintf(&b, "%s is off\n", m.name)
			continue
		}
		snap := m.life.Snapshot()
		fmt.Fprintf(&b, "%s answers %s; fresh %v, abstains %t\n", m.name, m.a(), snap.Fresh, snap.Abstains)
		for t, v := range snap.All() {
			fmt.Fprintf(&b, "  %s %s\n", t, v)
		}
	}
	return b.String()
}

// failovers are the changes of answers that clients could see since a moment, on all machines.
func (c *cluster) failovers(since time.Time) (out []string) {
	for _, m := range c.nodes {
		if m.life != nil {
			m.note()
		}
		for _, e := range m.past {
			if e.Kind == "answer" && e.serving && !e.Time.Before(since) {
				out = append(out, fmt.Sprintf("%s %s %s: %s (%s)", e.Time.Sub(c.zero), m.name, e.Pool, e.Text, e.Cause))
			}
		}
	}
	return out
}

// verdict is what the node thinks of an address.
func (m *machine) verdict(host string) checks.Verdict {
	for t, v := range m.life.Snapshot().All() {
		if t.Host == host {
			return v
		}
	}
	return checks.Verdict{}
}

// override says a word on a target of the zone as an operator would, and fails if it is refused.
func (m *machine) override(pool, target, state string, d time.Duration) {
	m.c.t.Helper()
	_, err := m.life.Override(context.Background(), node.OverrideRequest{Target: "example.org/" + pool + "/" + target,
		State: state, Reason: "test", Owner: "sim", For: node.Seconds(d), Force: true})
	if err != nil {
		m.c.t.Fatalf("%s: %s %s/%s: %v", m.name, state, pool, target, err)
	}
}
