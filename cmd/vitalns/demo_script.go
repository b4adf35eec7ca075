package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"vitalns/cmd/internal/node"
)

// script is the demo, act by act.
var script = []func(context.Context, *show) error{
	actStart, actKilled, actHangs, actFails, actNodeKilled, actOneMisjudges, actDrain, actAllDown,
}

// patience is how long the demo waits for what it expects, far above what it takes: a slow machine is no
// failure. The times that count are printed.
const patience = 10 * time.Second

func actStart(ctx context.Context, s *show) error {
	s.say("start three backends and three nodes")
	for _, b := range s.backends {
		if err := s.startBackend(b); err != nil {
			return err
		}
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	began := time.Now()
	for _, n := range s.nodes {
		if err := s.startNode(n); err != nil {
			return err
		}
		n.watcher = newWatcher(watching, fmt.Sprintf("127.0.0.1:%d", n.dnsPort), demoName)
	}
	return s.changes(ctx, began, s.nodes, s.backends[0])
}

func actKilled(ctx context.Context, s *show) error {
	s.say("backend lon is killed: connections are refused")
	began := time.Now()
	if err := kill(s.backends[0].proc); err != nil {
		return err
	}
	if err := s.changes(ctx, began, s.nodes, s.backends[1]); err != nil {
		return err
	}
	if err := s.without(s.backends[0]); err != nil {
		return err
	}
	s.say("backend lon is started again; after 1 s of health (failback) it is returned to")
	began = time.Now()
	if err := s.startBackend(s.backends[0]); err != nil {
		return err
	}
	return s.changes(ctx, began, s.nodes, s.backends[0])
}

func actHangs(ctx context.Context, s *show) error {
	s.say("backend lon hangs: it accepts connections and says nothing (timeout 500 ms)")
	began := time.Now()
	if err := s.backends[0].signal(syscall.SIGSTOP); err != nil {
		return err
	}
	if err := s.changes(ctx, began, s.nodes, s.backends[1]); err != nil {
		return err
	}
	began = time.Now()
	if err := s.backends[0].signal(syscall.SIGCONT); err != nil {
		return err
	}
	s.say("backend lon goes on")
	return s.changes(ctx, began, s.nodes, s.backends[0])
}

func actFails(ctx context.Context, s *show) error {
	s.say("backend lon answers 500")
	began := time.Now()
	if err := s.backends[0].mode(ctx, "500"); err != nil {
		return err
	}
	if err := s.changes(ctx, began, s.nodes, s.backends[1]); err != nil {
		return err
	}
	s.say("backend lon answers 200 again")
	began = time.Now()
	if err := s.backends[0].mode(ctx, "ok"); err != nil {
		return err
	}
	return s.changes(ctx, began, s.nodes, s.backends[0])
}

func actNodeKilled(ctx context.Context, s *show) error {
	ns2, others := s.nodes[1], []*demoNode{s.nodes[0], s.nodes[2]}
	s.say("node ns2 is killed with SIGKILL")
	began := time.Now()
	if err := kill(ns2.proc); err != nil {
		return err
	}
	if err := s.unchanged(ctx, began, others, 3*time.Second); err != nil {
		return err
	}
	s.ok("ns1 and ns3 answered on, unchanged, for %.1f s", time.Since(began).Seconds())
	s.say("node ns2 is started again")
	began = time.Now()
	if err := s.startNode(ns2); err != nil {
		return err
	}
	return s.changes(ctx, began, []*demoNode{ns2}, s.backends[0])
}

func actOneMisjudges(ctx context.Context, s *show) error {
	s.say("backend lon turns ns3 away, and nobody else (told by the User-Agent of its probes)")
	began := time.Now()
	if err := s.backends[0].mode(ctx, "refuse ns3"); err != nil {
		return err
	}
	if err := s.votes(ctx, "lon", "ns3", "down"); err != nil {
		return err
	}
	if err := s.unchanged(ctx, began, s.nodes, time.Until(began.Add(3*time.Second))); err != nil {
		return err
	}
	s.ok("ns3 says down, ns1 and ns2 say up: outvoted, no failover")
	if err := s.backends[0].mode(ctx, "ok"); err != nil {
		return err
	}
	return s.votes(ctx, "lon", "ns3", "up")
}

func actDrain(ctx context.Context, s *show) error {
	s.say("lon is drained on ns2: vitalns target drain %s/web/lon --reason \"kernel upgrade\"", demoZone)
	began := time.Now()
	if err := s.override(ctx, "drain", "kernel upgrade"); err != nil {
		return err
	}
	if err := s.changes(ctx, began, s.nodes, s.backends[1]); err != nil {
		return err
	}
	s.say("and left to its checks again: vitalns target auto %s/web/lon", demoZone)
	began = time.Now()
	if err := s.override(ctx, "auto", ""); err != nil {
		return err
	}
	return s.changes(ctx, began, s.nodes, s.backends[0])
}

func actAllDown(ctx context.Context, s *show) error {
	s.say("all backends are killed: a pool that knows nothing better serves on, and says so")
	began := time.Now()
	for _, b := range s.backends {
		if err := kill(b.proc); err != nil {
			return err
		}
	}
	all := slices.Clone(s.backends)
	if err := s.everything(ctx, "all down", func(answer, ede string) bool {
		return strings.Contains(ede, "all targets of every are down") && len(strings.Split(answer, ",")) == len(all)
	}); err != nil {
		return err
	}
	s.ok("every.%s answers all three with EDE \"all targets ... down\"; %.2f s after the kill", demoZone, time.Since(began).Seconds())
	s.say("all backends are started again")
	began = time.Now()
	for _, b := range s.backends {
		if err := s.startBackend(b); err != nil {
			return err
		}
	}
	if err := s.everything(ctx, "all up", func(answer, ede string) bool {
		return ede == "" && len(strings.Split(answer, ",")) == len(all)
	}); err != nil {
		return err
	}
	s.ok("every node answers all three without a word; %.2f s after the start", time.Since(began).Seconds())
	return s.changes(ctx, began, s.nodes, s.backends[0])
}

// changes waits until the nodes answer with b's address and prints how long after began each did.
func (s *show) changes(ctx context.Context, began time.Time, nodes []*demoNode, b *backend) error {
	s.wait("%s (%s) on %d nodes", b.address, b.name, len(nodes))
	times, err := await(ctx, nodes, b.address, patience)
	if err != nil {
		return err
	}
	var parts []string
	for i, n := range nodes {
		parts = append(parts, fmt.Sprintf("%s %.2f s", n.name, max(times[i].Sub(began), 0).Seconds()))
	}
	line := fmt.Sprintf("%s (%s): %s", b.address, b.name, strings.Join(parts, ", "))
	if len(nodes) > 1 {
		first, last := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
		line += fmt.Sprintf("; %.0f ms between the first and the last", last.Sub(first).Seconds()*1000)
	}
	s.ok("%s", line)
	return nil
}

// unchanged watches for a while that no answer changes.
func (s *show) unchanged(ctx context.Context, since time.Time, nodes []*demoNode, d time.Duration) error {
	s.wait("answers stay as they are")
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, n := range nodes {
		if c := n.watcher.since(since); len(c) > 0 {
			return fmt.Errorf("%s changed its answer to %q", n.name, c[0].answer)
		}
	}
	return nil
}

// without checks that no node names b in a pool of policy all.
func (s *show) without(b *backend) error {
	q := new(dns.Msg).SetQuestion("every."+demoZone+".", dns.TypeA)
	for _, n := range s.nodes {
		if answer := ask(q, fmt.Sprintf("127.0.0.1:%d", n.dnsPort)); answer == "" || strings.Contains(answer, b.address) {
			return fmt.Errorf("%s answers %q for every.%s", n.name, answer, demoZone)
		}
	}
	s.ok("every.%s, a pool of policy all, leaves it out on all nodes", demoZone)
	return nil
}

// everything waits until the answer of each node for the pool of policy all is as expected.
func (s *show) everything(ctx context.Context, what string, good func(answer, ede string) bool) error {
	s.wait("%s", what)
	q, _, err := parseQuery([]string{"every." + demoZone}, "IN")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, n := range s.nodes {
		for {
			var answer, ede string
			r, _, err := exchange(ctx, q, fmt.Sprintf("127.0.0.1:%d", n.dnsPort), false)
			if err == nil {
				_, notes := asides(r)
				ede = strings.Join(notes, "; ")
				answer = strings.Join(queryAnswers(r), ",")
			}
			if err == nil && good(answer, ede) {
				break
			}
			select {
			case <-time.After(watchEvery):
			case <-ctx.Done():
				return fmt.Errorf("%s: %s answers %q (%s)", what, n.name, answer, ede)
			}
		}
	}
	return nil
}

func queryAnswers(m *dns.Msg) []string {
	var out []string
	for _, rr := range m.Answer {
		if a, ok := rr.(*dns.A); ok {
			out = append(out, a.A.String())
		}
	}
	return out
}

// votes waits until ns1 has the vote of a node on a target.
func (s *show) votes(ctx context.Context, target, voter, want string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cl, err := newClient("unix://"+s.nodes[0].socket, "")
	if err != nil {
		return err
	}
	for {
		var st node.Status
		got := ""
		if err := cl.get(ctx, "/api/v1/status", &st); err == nil {
			for _, p := range st.Pools {
				for _, t := range p.Targets {
					if p.Pool == "web" && t.Name == target && len(t.Checks) > 0 {
						got = t.Checks[0].Votes[voter]
					}
				}
			}
		}
		if got == want {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s votes %q on %s, not %q", voter, got, target, want)
		}
	}
}

// override writes an override of lon on ns2.
func (s *show) override(ctx context.Context, state, reason string) error {
	cl, err := newClient("unix://"+s.nodes[1].socket, "")
	if err != nil {
		return err
	}
	var w node.Written
	return cl.post(ctx, "/api/v1/overrides", node.OverrideRequest{Target: demoZone + "/web/lon", State: state, Reason: reason, Owner: "demo"}, &w)
}
