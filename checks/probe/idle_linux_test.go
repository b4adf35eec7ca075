package probe

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// A socket that has hung up goes from target to target of its family, also past those that refuse.
func TestIdleSockets(t *testing.T) {
	targets := []netip.AddrPort{listen(t, "127.0.0.1:0", hang), listen(t, "127.0.0.2:0", hang)}
	env, c := &Env{}, configured(t, "tcp", number("port", 1))
	for i := range 6 {
		expectResult(t, run(t, c, env, targets[i%2], long), "ok")
		if len(env.idle.four) != 1 || len(env.idle.six) != 0 {
			t.Fatalf("after visit %d: %v and %v are kept", i, env.idle.four, env.idle.six)
		}
		if i == 2 {
			expectResult(t, run(t, c, env, closedPort(t), long), "failed refused")
			if len(env.idle.four) != 0 {
				t.Errorf("a socket is kept that was refused")
			}
		}
	}
}

// However many probe at once, few sockets are kept.
func TestIdleSocketsAreFew(t *testing.T) {
	to := listen(t, "127.0.0.1:0", func(net.Conn) {})
	env, c := &Env{}, configured(t, "tcp", number("port", 1))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 20 {
				expectResult(t, run(t, c, env, to, long), "ok")
			}
		})
	}
	wg.Wait()
	if n := len(env.idle.four); n == 0 || n > maxIdle {
		t.Errorf("%d sockets are kept", n)
	}
}

// A socket that is bound to a source is not kept: it would go on probing from an address that this node has no
// more, where a new one is void.
func TestBoundSocketsAreNotKept(t *testing.T) {
	to := listen(t, "127.0.0.1:0", func(net.Conn) {})
	env, c := &Env{Source: []netip.Addr{netip.MustParseAddr("127.0.0.9")}}, configured(t, "tcp", number("port", 1))
	for range 3 {
		expectResult(t, run(t, c, env, to, long), "ok")
		if n := len(env.idle.four); n != 0 {
			t.Fatalf("%d sockets are kept", n)
		}
	}
}
