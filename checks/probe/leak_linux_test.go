package probe

import (
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"vitalns/checks"
	"vitalns/test/live"
)

// leavesNone fails the test if f leaves a socket open. No garbage is collected meanwhile: an os.File that is
// forgotten would be closed by that, sooner or later.
func leavesNone(t *testing.T, f func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := sockets(t)
	f()
	for s := range sockets(t) {
		if !before[s] {
			t.Errorf("%s is left open", s)
		}
	}
}

// sockets are those that the process has, by their numbers in the kernel.
func sockets(t *testing.T) map[string]bool {
	t.Helper()
	const dir = "/proc/self/fd/"
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, fd := range fds {
		if s, err := os.Readlink(dir + fd.Name()); err == nil && strings.HasPrefix(s, "socket:") { // the one of ReadDir is closed by now
			all[s] = true
		}
	}
	return all
}

func (i *idleSockets) close() {
	for _, fds := range []*[]int{&i.four, &i.six} {
		for _, fd := range *fds {
			_ = unix.Close(fd)
		}
		*fds = nil
	}
}

// silent takes connections and packets, and says nothing.
func silent(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return netip.MustParseAddrPort(l.Addr().String())
}

// However a probe ends, it leaves nothing open but the sockets that are kept for the next.
func TestProbesLeaveNothingOpen(t *testing.T) {
	const brief = 30 * time.Millisecond
	all := map[string]Check{
		"knock": configured(t, "tcp", number("port", 1)), "dialogue": configured(t, "tcp", number("port", 1), text("send", "x"), text("expect.text", "y")),
		"http": configured(t, "http", text("host", "h")), "tls": configured(t, "tls"),
		"dns over udp": configured(t, "dns", text("name", "a.")), "dns over tcp": configured(t, "dns", text("name", "a."), text("transport", "tcp")),
	}
	near, foreign := []netip.Addr{netip.MustParseAddr("127.0.0.9")}, []netip.Addr{netip.MustParseAddr("192.0.2.77")}
	mute := silent(t)
	for _, tt := range []struct {
		name   string
		to     netip.AddrPort
		source []netip.Addr
		ok     string // the kind that succeeds, if one does
	}{
		{"refused", closedPort(t), nil, ""},
		{"refused from a source", closedPort(t), near, ""},
		{"broadcast", broadcast, nil, ""},
		{"no address of this node", mute, foreign, ""},
		{"never granted", blackHole(t), nil, ""},
		{"never answered", mute, nil, "knock"},
		{"never answered from a source", mute, near, "knock"},
	} {
		for kind, c := range all {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				env, timeout, ok := &Env{Source: tt.source}, brief, kind == tt.ok
				if ok {
					timeout = long
				}
				leavesNone(t, func() {
					r := run(t, c, env, tt.to, timeout)
					if (r.Kind == checks.OK) != ok {
						t.Errorf("got %v %q", r.Kind, r.Reason)
					}
					env.idle.close()
				})
			})
		}
	}
	leavesNone(t, func() {
		t.Run("answered", func(t *testing.T) { // which ends when the targets have closed their ends
			reply := func(s string) func(net.Conn) {
				return func(c net.Conn) { _, _ = c.Read(make([]byte, 512)); _, _ = io.WriteString(c, s) }
			}
			expectResult(t, run(t, all["dialogue"], testEnv, listen(t, "127.0.0.1:0", reply("y")), long), "ok")
			expectResult(t, run(t, all["http"], testEnv, listen(t, "127.0.0.1:0", reply("HTTP/1.1 200 OK\r\n\r\n")), long), "ok")
			to := dnsServer(t, respond(dns.RcodeSuccess))
			expectResult(t, run(t, all["dns over udp"], testEnv, to, long), "ok")
			expectResult(t, run(t, all["dns over tcp"], testEnv, to, long), "ok")
		})
	})
}

// A knock that the poller waits for, since the target's backlog is full until the first packet is lost, leaves
// nothing open either. The kernel asks anew after a second.
func TestSlowKnockLeavesNothingOpen(t *testing.T) {
	const synSent = "02"
	to, makeRoom := fullBacklog(t)
	leavesNone(t, func() {
		result := make(chan checks.Result, 1)
		c := configured(t, "tcp", number("port", 1))
		go func() { result <- run(t, c, &Env{}, to, long) }()
		live.Eventually(t, long, func() string {
			if len(tcpSockets(t, synSent, to.Port())) == 0 {
				return "no probe is under way"
			}
			return ""
		})
		makeRoom()
		expectResult(t, <-result, "ok")
	})
}

// Of more sockets than are kept, the others are closed.
func TestIdleSocketsLeaveNothingOpen(t *testing.T) {
	to := silent(t)
	leavesNone(t, func() {
		env := &Env{}
		for range maxIdle + 2 {
			s, err := env.connect(to, unix.SOCK_STREAM)
			if err != nil {
				t.Fatal(err)
			}
			env.idle.put(s)
		}
		env.idle.close()
	})
}

// There is no socket where there is an error.
func TestConnectError(t *testing.T) {
	s, err := (&Env{}).connect(broadcast, unix.SOCK_STREAM)
	if s != nil || err == nil {
		t.Errorf("got %v, %v", s, err)
	}
}

// broadcast is what this node itself refuses to connect to.
var broadcast = netip.MustParseAddrPort("255.255.255.255:80")
