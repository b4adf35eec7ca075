package probe

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"vitalns/checks"
)

// pingable skips where this process has no right to ICMP.
func pingable(t testing.TB, to string) netip.Addr {
	t.Helper()
	a := netip.MustParseAddr(to)
	s, err := openPing(a, netip.Addr{})
	if err != nil {
		t.Skipf("needs the right to ICMP, by CAP_NET_RAW or ping_group_range: %v", err)
	}
	s.close()
	return a
}

func TestPing(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "::1"} {
		t.Run(to, func(t *testing.T) {
			a := pingable(t, to)
			expectResult(t, run(t, configured(t, "icmp"), testEnv, netip.AddrPortFrom(a, 0), long), "ok")
		})
	}
}

// Many pings at once share one socket, each gets its own reply, and the socket is closed after the last.
func TestPingShares(t *testing.T) {
	pingable(t, "127.0.0.1")
	env := &Env{}
	c := configured(t, "icmp")
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 200 {
		a := netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})
		wg.Go(func() {
			if r := c.Prober(env).Probe(ctx, Target(c, a.String(), long)); r.Kind != checks.OK {
				t.Errorf("%s: %v %s", a, r.Kind, r.Reason)
			}
		})
	}
	wg.Wait()
	if env.pings.sockets != [2]*pinger{} {
		t.Error("a socket is left open")
	}
}

// Replies to a burst wait until the reader gets a core: all of them.
func TestPingBurst(t *testing.T) {
	to := pingable(t, "127.0.0.1")
	s, err := openPing(to, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const burst = 300
	for seq := range burst {
		if err := s.send(to, uint16(seq), uint64(seq)); err != nil {
			t.Fatal(err)
		}
	}
	came := map[uint16]bool{}
	buf, control := make([]byte, 2048), make([]byte, 512)
	for s.drain(s.fd, buf, control, func(e echo) { came[e.seq] = e.errno == 0 && e.nonce == uint64(e.seq) }) {
	}
	if len(came) != burst {
		t.Errorf("%d of %d replies came", len(came), burst)
	}
}

// In a network of its own, where nothing answers for an address: a timeout; then over an unprivileged
// socket, which the group range allows there.
func TestPingNamespace(t *testing.T) {
	ip := iproute2(t)
	inNamespace(t, func() {
		if err := exec.Command(ip, "link", "set", "lo", "up").Run(); err != nil {
			t.Skipf("needs the right to set up the network of a namespace: %v", err)
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0); err != nil {
			t.Skipf("needs the right to set up the network of a namespace: %v", err)
		}
		for _, to := range []string{"127.0.0.1", "::1"} {
			a := netip.MustParseAddr(to)
			s, err := openPing(a, netip.Addr{})
			if err != nil || s.raw {
				t.Fatalf("no unprivileged socket: %v", err)
			}
			s.close()
			expectResult(t, run(t, configured(t, "icmp"), &Env{}, netip.AddrPortFrom(a, 0), long), "ok")
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/icmp_echo_ignore_all", []byte("1"), 0); err != nil {
			t.Skipf("needs the right to set up the network of a namespace: %v", err)
		}
		expectResult(t, run(t, configured(t, "icmp"), &Env{}, netip.MustParseAddrPort("127.0.0.1:0"), short), "failed timeout")
		// Without the right to raw sockets, and without the group: no right at all.
		_ = os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("1 0"), 0)
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil { // to give rights away anybody may
			t.Fatal(err)
		}
		expectResult(t, run(t, configured(t, "icmp"), &Env{}, netip.MustParseAddrPort("127.0.0.1:0"), short), "void "+noICMPRight)
	})
}

// A message of the queue of errors is the kernel's, but holds what came over the network.
func FuzzQueued(f *testing.F) {
	f.Add(echoRequest(netip.MustParseAddr("192.0.2.1"), 7, 9, 11), []byte{})
	to := sockaddr(netip.MustParseAddrPort("192.0.2.1:0"))
	f.Fuzz(func(t *testing.T, request, control []byte) {
		if e, ok := new(pingSocket).queued(to, request, control); ok && e.errno == 0 {
			t.Errorf("got %+v", e)
		}
	})
}

func BenchmarkICMP(b *testing.B) {
	to := pingable(b, "127.0.0.1")
	benchmark(b, configured(b, "icmp"), netip.AddrPortFrom(to, 0), checks.OK)
}
