package gossip_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitalns/checks"
	"vitalns/gossip"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// wait polls for what real sockets need real time for.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// settle waits until memberlist's last pings are through, which may take a second after Run.
func settle(t *testing.T) {
	wait(t, "no goroutine is left", func() bool { return goleak.Find() == nil })
}

// Three nodes on loopback sockets with encryption: they meet, hear each other and leave. Ports are drawn.
func TestSockets(t *testing.T) {
	keys := [][]byte{keyA}
	meta := gossip.Meta{HTTP: "127.0.0.1:8053", Site: "lon", Version: "test"}
	a := start(t, nil, gossip.Config{Node: nameOf(0), Bind: "127.0.0.1:0", Keys: keys, Meta: meta})
	b := start(t, nil, gossip.Config{Node: nameOf(1), Bind: "127.0.0.1:0", Keys: keys, Join: []string{a.mesh.Addr()}})
	c := start(t, nil, gossip.Config{Node: nameOf(2), Bind: "127.0.0.1:0", Keys: keys, Join: []string{a.mesh.Addr()}})
	wait(t, "all are members", func() bool { return len(a.alive()) == 3 && len(b.alive()) == 3 && len(c.alive()) == 3 })
	if got := c.member(t, nameOf(0)); got.Meta.Site != "lon" || got.Addr != a.mesh.Addr() {
		t.Errorf("got %+v", got)
	}
	a.mesh.Publish([]checks.Register{register("news", 0)})
	a.beatOnce(0, 3)
	wait(t, "news and heartbeats arrive", func() bool {
		_, ok := b.have("news")
		_, also := c.have("news")
		return ok && also && b.counter(nameOf(0)) > 0
	})
	b.mesh.Reply(nameOf(2), gossip.State{Owner: nameOf(1), Registers: many(2000)})
	wait(t, "a large state arrives", func() bool { return len(lastState(c)) == 2000 })

	if _, err := gossip.New(gossip.Config{Node: "z", Bind: a.mesh.Addr(), Keys: keys}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: got %v", err)
	}
	c.close(t)
	wait(t, "the third has left", func() bool { return a.member(t, nameOf(2)).State == gossip.Left })
	b.close(t)
	a.close(t)
	settle(t)
}

// Where a node listens that has another key, the members say so.
func TestSocketsWrongKey(t *testing.T) {
	a := start(t, nil, gossip.Config{Node: nameOf(0), Bind: "127.0.0.1:0", Keys: [][]byte{keyA}})
	b := start(t, nil, gossip.Config{Node: nameOf(1), Bind: "127.0.0.1:0", Keys: [][]byte{keyB}, Join: []string{a.mesh.Addr()}})
	problem := func(n *node, addr string) func() bool {
		return func() bool {
			for _, m := range n.mesh.Members() {
				if m.Addr == addr && m.Problem == "wrong key" {
					return true
				}
			}
			return false
		}
	}
	wait(t, "the one that joins sees it", problem(b, a.mesh.Addr()))
	wait(t, "the other too", problem(a, "127.0.0.1"))
	b.close(t)
	a.close(t)
	settle(t)
}

// A mesh that never runs gives its sockets back.
func TestClose(t *testing.T) {
	for range 2 {
		m, err := gossip.New(gossip.Config{Node: "a", Bind: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		m.Publish([]checks.Register{register("k", 0)})
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
