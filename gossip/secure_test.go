package gossip_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"vitalns/checks"
	"vitalns/gossip"
	"vitalns/test/simnet"
)

var keyA, keyB = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

func keyed(t *testing.T, nw *simnet.Net, i int, keys ...[]byte) *node {
	t.Helper()
	return start(t, nw, gossip.Config{Node: nameOf(i), Bind: addrOf(i), Join: []string{addrOf(0)}, Keys: keys, Seed: uint64(i)})
}

// Nodes with one key are a cluster; one with another key, and one with none, are none of it, and either
// side shows why.
func TestWrongKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(1)
		nodes := []*node{
			keyed(t, nw, 0, keyA), keyed(t, nw, 1, keyA),
			keyed(t, nw, 2, keyB), keyed(t, nw, 3),
		}
		beat(nodes, 10*time.Second)
		wantAlive(t, nodes[:2], 2)
		wantAlive(t, nodes[2:], 1)
		for _, tt := range []struct {
			at         int
			addr, want string
		}{
			{2, addrOf(0), "wrong key"}, {3, addrOf(0), "not encrypted"},
			{0, "127.0.1.3", "wrong key"}, {0, "127.0.1.4", "not encrypted"},
		} {
			if got := nodes[tt.at].member(t, tt.addr).Problem; !strings.Contains(got, tt.want) && !strings.Contains(got, "wrong key: it encrypts") {
				t.Errorf("%s shows %s with problem %q, want %q", nameOf(tt.at), tt.addr, got, tt.want)
			}
		}
		if nodes[0].mesh.Stats().Undecrypted == 0 {
			t.Error("nothing is counted as undecrypted")
		}
		if _, largest := nw.Packets(); largest > 1200 {
			t.Errorf("a datagram of %d bytes", largest)
		}
		finish(t, nodes...)
	})
}

// While a key is rotated nodes with either first key understand each other, so long as each has both.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(2)
		nodes := []*node{keyed(t, nw, 0, keyA, keyB), keyed(t, nw, 1, keyB, keyA), keyed(t, nw, 2, keyA, keyB)}
		beat(nodes, 5*time.Second)
		wantAlive(t, nodes, 3)
		nodes[1].mesh.Publish([]checks.Register{register("news", 1)})
		beat(nodes, time.Second)
		if _, ok := nodes[0].have("news"); !ok {
			t.Error("news under the other key did not arrive")
		}
		finish(t, nodes...)
	})
}

// A member whose key is changed under it shows as having a wrong key as soon as it sends.
func TestMemberWithWrongKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(3)
		nodes := []*node{keyed(t, nw, 0, keyA), keyed(t, nw, 1, keyA)}
		beat(nodes, 5*time.Second)
		nodes[1].close(t)
		nodes[1] = keyed(t, nw, 1, keyB)
		beat(nodes, 5*time.Second)
		if got := nodes[1].member(t, addrOf(0)); got.Problem != "wrong key" || got.State != gossip.Unreached {
			t.Errorf("got %+v", got)
		}
		if got := nodes[0].member(t, "127.0.1.2"); got.Problem != "wrong key" {
			t.Errorf("got %+v", got)
		}
		finish(t, nodes...)
	})
}

// Clusters of different names do not meet, whatever their keys.
func TestOtherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(4)
		ours := keyed(t, nw, 0, keyA)
		tr, err := nw.Transport(addrOf(1))
		if err != nil {
			t.Fatal(err)
		}
		mesh, err := gossip.New(gossip.Config{
			Node: "theirs", Bind: addrOf(1), Join: []string{addrOf(0)}, Keys: [][]byte{keyA}, Label: "other", Transport: tr,
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		ctx, stop := contextOf(t)
		go func() { done <- mesh.Run(ctx, func(gossip.Message) {}) }()
		time.Sleep(5 * time.Second)
		wantAlive(t, []*node{ours}, 1)
		if got := ours.member(t, "127.0.1.2").Problem; got != "another cluster's name" {
			t.Errorf("got problem %q", got)
		}
		if ours.mesh.Stats().Foreign == 0 {
			t.Error("nothing is counted as foreign")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		finish(t, ours)
	})
}

// What a scanner sends to the gossip port makes nobody a member, neither by datagram nor by stream.
func TestNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(5)
		ours := keyed(t, nw, 0, keyA)
		noise, err := nw.Transport(addrOf(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"GET / HTTP/1.0\r\n\r\n", "\x00\x01\xff\xfe and more", "\xf4\x04\x01\x80\xffxrest", "\xf4", "\xf4\x00",
			"\xf4\x16Decrypt packet failed\n...",
		} {
			if _, err := noise.WriteToAddress([]byte(text), memberlist.Address{Addr: addrOf(0)}); err != nil {
				t.Fatal(err)
			}
			conn, err := noise.DialAddressTimeout(memberlist.Address{Addr: addrOf(0)}, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(text)) // it may have been hung up
			_ = conn.Close()
			time.Sleep(time.Second)
		}
		if ms := ours.mesh.Members(); len(ms) != 1 {
			t.Errorf("got members %+v", ms)
		}
		if s := ours.mesh.Stats(); s.Foreign != 0 || s.DecodeErrors == 0 {
			t.Errorf("%d foreign, %d malformed", s.Foreign, s.DecodeErrors)
		}
		if err := noise.Shutdown(); err != nil {
			t.Error(err)
		}
		finish(t, ours)
	})
}

func TestNewRefuses(t *testing.T) {
	good := gossip.Config{Node: "a", Bind: "127.0.0.1:0"}
	tests := []struct {
		name   string
		change func(*gossip.Config)
		want   string
	}{
		{"unencrypted", func(c *gossip.Config) { c.Bind = "192.0.2.53:7946" }, "refusing to run unencrypted"},
		{"no name", func(c *gossip.Config) { c.Node = "" }, "node name"},
		{"long name", func(c *gossip.Config) { c.Node = strings.Repeat("x", gossip.MaxName+1) }, "node name"},
		{"long label", func(c *gossip.Config) { c.Label = strings.Repeat("x", 65) }, "cluster name"},
		{"host name", func(c *gossip.Config) { c.Bind = "localhost:7946" }, "must be IP:PORT"},
		{"wildcard", func(c *gossip.Config) { c.Bind = "0.0.0.0:7946" }, "peers are told this address"},
		{"short key", func(c *gossip.Config) { c.Keys = [][]byte{make([]byte, 5)} }, "key 1: a key is 16, 24 or 32 bytes"},
		{"join without port", func(c *gossip.Config) { c.Join = []string{"192.0.2.1"} }, "join address"},
		{"not our address", func(c *gossip.Config) { c.Bind, c.Keys = "192.0.2.53:0", [][]byte{keyA} }, "192.0.2.53"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			m, err := gossip.New(cfg)
			if err == nil {
				t.Fatalf("no error; close: %v", m.Close())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if got := errors.Is(err, gossip.ErrUnencrypted); got != (tt.name == "unencrypted") {
				t.Errorf("errors.Is(err, ErrUnencrypted) = %v", got)
			}
		})
	}
}
