package hostile

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitalns/test/live"
	"vitalns/test/zonetest"
)

// program is vitalns, built once by TestMain.
var program string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == beCrowd {
		os.Exit(crowdMain(os.Args[2:]))
	}
	os.Exit(live.Main(&program, m.Run))
}

// patience is how long a test waits for what must come, far above what it takes on a busy machine.
const patience = 60 * time.Second

// soak reports whether everything is to run, not a share of it.
func soak() bool { return os.Getenv("VITALNS_SOAK") != "" }

// share returns how much of something is to run.
func share(whole, part int) int {
	if soak() {
		return whole
	}
	return part
}

// poolZone has what the hard zone has not: pools, with rules and client subnets. Each answers with one
// address, so that an answer is the same whenever it is asked for.
const poolZone = `
zone = "pool.test"
ns   = { ns1 = "192.0.2.53" }
soa  = { serial = 7 }
[pools.web]
policy  = "failover"
targets = [{ name = "a", address = ["192.0.2.1", "2001:db8::1"] }, { name = "b", address = "192.0.2.2" }]
[pools.cdn]
targets = [{ name = "x", cname = "mail.hard.test." }]
[records.www]
pool = "web"
TXT  = "beside a pool"
[records."*.wild"]
pool = "web"
[records.cdn]
pool = "cdn"
[records.ecs]
ecs   = true
rules = [{ subnets = ["198.51.100.0/24"], pool = "cdn" }, { pool = "web" }]
`

// start starts a node in some way, and waits until it is ready.
func start(t *testing.T, n *live.Node, how func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := how(); err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// newNode makes a node that serves the hard zone, as imported, and poolZone; nothing is started.
func newNode(t *testing.T) (*live.Stage, *live.Node) {
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	imported, err := s.Command(ctx, "zone", "import", write(t, s.Dir, "hard.zone", zonetest.HardZone), "--origin", zonetest.HardOrigin)
	if err != nil || imported.Code != 0 {
		t.Fatalf("import: %v\n%s", err, imported.Err)
	}
	nodes, err := s.Nodes("ns", live.Setup{Nodes: 1, Zones: []string{
		write(t, s.Dir, "hard.toml", imported.Out), write(t, s.Dir, "pool.toml", poolZone),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s, nodes[0]
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
