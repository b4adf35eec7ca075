package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitalns/test/live"
)

// program is vitalns, built once by TestMain.
var program string

func TestMain(m *testing.M) {
	os.Exit(live.Main(&program, m.Run))
}

// patience is how long a test waits for what must come, far above what it takes on a busy machine.
const patience = 30 * time.Second

// open makes a stage for one test.
func open(t *testing.T) *live.Stage {
	t.Helper()
	s, err := live.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// cluster makes nodes that serve one zone, and starts them.
func cluster(t *testing.T, s *live.Stage, n int, zone string) []*live.Node {
	t.Helper()
	nodes, err := s.Nodes("ns", live.Setup{Zones: []string{write(t, s.Dir, "zone.toml", zone)}, Nodes: n})
	if err != nil {
		t.Fatal(err)
	}
	start(t, nodes...)
	return nodes
}

// start starts nodes and waits until all are ready.
func start(t *testing.T, nodes ...*live.Node) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// kill ends nodes as a crash would.
func kill(t *testing.T, nodes ...*live.Node) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Proc.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// answers waits until all nodes answer a name with just these addresses.
func answers(t *testing.T, nodes []*live.Node, qname string, want ...netip.Addr) {
	t.Helper()
	want = slices.SortedFunc(slices.Values(want), netip.Addr.Compare)
	for _, n := range nodes {
		live.Eventually(t, patience, func() string {
			got, err := ask(n.DNS, qname)
			if err == nil && slices.Equal(got, want) {
				return ""
			}
			return fmt.Sprintf("%s answers %v (%v) for %s, not %v", n.Name, got, err, qname, want)
		})
	}
}

// ask asks once for addresses.
func ask(addr, qname string) ([]netip.Addr, error) {
	q, err := live.Question(qname, 1)
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("udp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.Write(q); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		return nil, err
	}
	_, addrs, err := live.Addresses(buf[:n])
	return addrs, err
}

// command runs a command against a node and wants an exit code.
func command(t *testing.T, n *live.Node, code int, args ...string) live.Said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := n.Command(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	if said.Code != code {
		t.Fatalf("vitalns %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), said.Code, code, said.Out, said.Err)
	}
	return said
}

// status asks a node for its status.
func status(t *testing.T, n *live.Node) live.Status {
	t.Helper()
	st, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}
