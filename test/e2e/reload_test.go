package e2e

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitalns/test/live"
)

// A reload of a file with an error keeps what is served and says where the error is, whether it comes by
// command or by SIGHUP; the next good one is served.
func TestBadReloadKeepsServing(t *testing.T) {
	t.Parallel()
	bs := backends(t, 2)
	s := open(t)
	good := zone(bs, patient, ``)
	nodes := cluster(t, s, 3, good)
	answers(t, nodes, names[0], ips(bs)...)
	before := status(t, nodes[0]).Config.Digest
	same := func() {
		t.Helper()
		answers(t, nodes, names[0], ips(bs)...)
		if got := status(t, nodes[0]).Config.Digest; got != before {
			t.Errorf("after a bad reload it serves %s, not %s", got, before)
		}
	}

	file := write(t, s.Dir, "zone.toml", strings.Replace(good, "policy  =", "polcy =", 1))
	said := command(t, nodes[0], 1, "reload")
	if !strings.Contains(said.Err, file+":15:1: error: ") || !strings.Contains(said.Err, "`policy`") {
		t.Errorf("reload said %q, without %s:15:1 or a hint", said.Err, file)
	}
	same()

	write(t, s.Dir, "zone.toml", good[:len(good)/2]+"\n[")
	hup(t, nodes[0], func(st live.Status) bool { return st.Config.Error != "" })
	same()

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	command(t, nodes[0], 1, "reload")
	same()

	write(t, s.Dir, "zone.toml", strings.ReplaceAll(good, "\n[records.first]", "\n[records.new]\nA = \"192.0.2.77\"\n[records.first]"))
	hup(t, nodes[1], func(st live.Status) bool { return st.Config.Digest != before })
	command(t, nodes[0], 0, "reload")
	command(t, nodes[2], 0, "reload")
	answers(t, nodes, "new.e2e.test", netip.MustParseAddr("192.0.2.77"))
	answers(t, nodes, names[0], ips(bs)...)
	if e := status(t, nodes[0]).Config.Error; e != "" {
		t.Errorf("after a good reload the status still says %q", e)
	}
}

// hup sends SIGHUP and waits until the status is as wanted.
func hup(t *testing.T, n *live.Node, want func(live.Status) bool) {
	t.Helper()
	if err := n.Proc.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	live.Eventually(t, patience, func() string {
		if want(status(t, n)) {
			return ""
		}
		return n.Name + " has not reloaded"
	})
}

// stop ends a node by SIGTERM and waits until it has ended.
func stop(t *testing.T, n *live.Node) {
	t.Helper()
	if err := n.Proc.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.Proc.Done():
	case <-time.After(patience):
		t.Fatalf("%s runs on after SIGTERM:\n%s", n.Name, n.Proc.Output())
	}
}

// A state directory that cannot be used is set aside or said; a daemon's whole life needs no more rights
// than its directory.
func TestTornState(t *testing.T) {
	t.Parallel()
	bs := backends(t, 1)
	nodes := cluster(t, open(t), 1, zone(bs, patient, ``))
	answers(t, nodes, names[0], bs[0].ip())
	kill(t, nodes[0])
	state := filepath.Join(nodes[0].Dir, "state", "state.json")
	raw, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, raw[:len(raw)/2], 0o640); err != nil {
		t.Fatal(err)
	}
	start(t, nodes[0])
	answers(t, nodes, names[0], bs[0].ip())
	if _, err := os.Stat(state + ".bad"); err != nil {
		t.Errorf("the torn state is not set aside: %v", err)
	}
	if !strings.Contains(nodes[0].Proc.Output(), "state.json") {
		t.Errorf("the node does not say that its state was torn:\n%s", nodes[0].Proc.Output())
	}
}
