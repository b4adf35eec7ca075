package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vitalns/checks"
	"vitalns/test/live"
)

// slow is a check that takes longer to find a silent target down than a node waits for at start: what a
// node that restarts knows of it comes from its peers or its disk.
const slow = `interval      = "2s"
timeout       = "2s"
fast_interval = "200ms"
fall          = 3
rise          = 1`

// A node that is killed and started again under load, with a target that is known to be down, never
// answers with it: alone, as one of three, and all three at once.
func TestRestartUnderLoad(t *testing.T) {
	for _, row := range []struct {
		name    string
		nodes   int
		restart int // how many of them at once
	}{
		{"a lone node", 1, 1},
		{"one of three", 3, 1},
		{"all three", 3, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			bs := backends(t, 3)
			dead := bs[1]
			nodes := cluster(t, open(t), row.nodes, zone(bs, slow, ``))
			answers(t, nodes, names[0], ips(bs)...)
			dead.close(t)
			dead.silent = true
			dead.open(t)
			answers(t, nodes, names[0], bs[0].ip(), bs[2].ip())
			live.Eventually(t, patience, func() string { return votedDown(t, nodes, "t1") })
			for _, n := range nodes { // an operator's word is on disk once it is acknowledged, and so is all before it
				command(t, n, 0, "target", "auto", "e2e.test/www/t0")
			}

			ctx, stop := context.WithCancel(t.Context())
			var g errgroup.Group
			floods := make([]*flood, row.restart)
			for i := range floods {
				floods[i] = &flood{addr: nodes[i].DNS, rate: 500, total: 60_000}
				g.Go(func() error { floods[i].run(ctx, t); return nil })
			}
			for range 3 {
				kill(t, nodes[:row.restart]...)
				start(t, nodes[:row.restart]...)
				answers(t, nodes[:row.restart], names[0], bs[0].ip(), bs[2].ip())
				pause(ctx, 500*time.Millisecond) // under load
			}
			stop()
			_ = g.Wait() // gives no error
			for i, f := range floods {
				f.never(t, nodes[i].Name, dead.ip())
			}
		})
	}
}

// votedDown says which node does not hear every node vote a target of www down; "" if none.
func votedDown(t *testing.T, nodes []*live.Node, target string) string {
	for _, n := range nodes {
		st := status(t, n)
		for _, p := range st.Pools {
			for _, x := range p.Targets {
				if p.Pool != "www" || x.Name != target {
					continue
				}
				down := 0
				for _, v := range x.Checks[0].Votes {
					if v == "down" {
						down++
					}
				}
				if down < len(nodes) {
					return n.Name + " does not hear every vote on " + target
				}
			}
		}
	}
	return ""
}

// never wants an address in no reply, and enough replies to mean something.
func (f *flood) never(t *testing.T, node string, dead netip.Addr) {
	t.Helper()
	bad := 0
	for _, r := range f.replies {
		if slices.Contains(r.addrs, dead) {
			if bad == 0 {
				t.Errorf("%s answered %s with %v", node, names[r.query%2], r.addrs)
			}
			bad++
		}
	}
	if bad > 1 || len(f.replies) < 100 {
		t.Errorf("%s: %d such answers, among %d replies to %d queries", node, bad, len(f.replies), len(f.sent))
	}
}

// What an operator was told is done survives SIGKILL of every node the moment after, and so does a pool's
// choice that is on disk and waits for the word to fail back.
func TestKillKeepsOverridesAndChoices(t *testing.T) {
	for _, row := range []struct {
		name  string
		nodes int
	}{{"a lone node", 1}, {"three", 3}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			bs := backends(t, 3)
			nodes := cluster(t, open(t), row.nodes, zone(bs, patient, `failback = "manual"`))
			again := func() {
				t.Helper()
				kill(t, nodes...)
				start(t, nodes...)
			}
			answers(t, nodes, names[1], bs[0].ip())

			said := command(t, nodes[0], 0, "target", "drain", "e2e.test/www/t2", "--reason", "new disk")
			again()
			for _, n := range nodes {
				if !strings.Contains(said.Out, n.Name) {
					t.Errorf("target drain printed %q, without %s", said.Out, n.Name)
				}
			}
			answers(t, nodes, names[0], bs[0].ip(), bs[1].ip())
			for _, n := range nodes {
				for _, p := range status(t, n).Pools {
					for _, x := range p.Targets {
						if drained := x.Override != nil && x.Override.State == "drain" && x.Override.Reason == "new disk"; drained != (p.Pool == "www" && x.Name == "t2") {
							t.Errorf("after SIGKILL %s has the override %+v for %s/%s", n.Name, x.Override, p.Pool, x.Name)
						}
					}
				}
			}

			bs[0].close(t)
			answers(t, nodes, names[1], bs[1].ip())
			live.Eventually(t, patience, func() string { // milliseconds after the answers, which wait for no disk
				for _, n := range nodes {
					if !onDisk(t, n, "t1") {
						return n.Name + " has not written its choice"
					}
				}
				return ""
			})
			bs[0].open(t)
			answers(t, nodes, names[0], bs[0].ip(), bs[1].ip())
			killUnderLoad(t, nodes).always(t, 1, bs[1].ip())
			answers(t, nodes, names[1], bs[1].ip())
			command(t, nodes[len(nodes)-1], 0, "pool", "failback", "e2e.test/first")
			answers(t, nodes, names[1], bs[0].ip())
			again()
			answers(t, nodes, names[1], bs[0].ip())
		})
	}
}

// killUnderLoad restarts nodes after SIGKILL and waits until they agree anew. It returns what the first was asked
// meanwhile.
func killUnderLoad(t *testing.T, nodes []*live.Node) *flood {
	t.Helper()
	f := &flood{addr: nodes[0].DNS, rate: 200, total: 60_000}
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { f.run(ctx, t); return nil })
	kill(t, nodes...)
	start(t, nodes...)
	live.Eventually(t, patience, func() string { // every vote is anew: nothing rests on what was
		for _, n := range nodes {
			if !status(t, n).Steady(len(nodes)) {
				return n.Name + " is not steady"
			}
		}
		return ""
	})
	stop()
	_ = g.Wait() // gives no error
	return f
}

// always fails the test where a reply about one of the names has another address.
func (f *flood) always(t *testing.T, name int, want netip.Addr) {
	t.Helper()
	for _, r := range f.replies {
		if r.query%len(names) == name && !slices.Equal(r.addrs, []netip.Addr{want}) {
			t.Fatalf("%s is answered with %v, want %v", names[name], r.addrs, want)
		}
	}
}

// onDisk reports whether the state of a node has the choice of a target.
func onDisk(t *testing.T, n *live.Node, target string) bool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(n.Dir, "state", "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(raw, []byte("\n"))
	var state struct{ Registers []checks.Register }
	if err := json.Unmarshal(body, &state); err != nil {
		t.Fatal(err)
	}
	for _, r := range state.Registers {
		if r.Kind != checks.KindChoice {
			continue
		}
		c, err := checks.DecodeChoice(r.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(c.Names, []string{target}) {
			return true
		}
	}
	return false
}

// SIGTERM ends a node with exit code 0, and it answers until it ends.
func TestStop(t *testing.T) {
	t.Parallel()
	bs := backends(t, 1)
	nodes := cluster(t, open(t), 1, zone(bs, patient, ``))
	answers(t, nodes, names[0], bs[0].ip())
	stop(t, nodes[0])
	if code := nodes[0].Proc.Code(); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, nodes[0].Proc.Output())
	}
}
