package probe

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vitalns/checks"
)

// blackHole is a listener whose backlog is full: further SYNs are dropped.
func blackHole(t *testing.T) netip.AddrPort {
	t.Helper()
	to, _ := fullBacklog(t)
	return to
}

// fullBacklog is blackHole, until there is room.
func fullBacklog(t *testing.T) (to netip.AddrPort, makeRoom func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addrPort(sa).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return addrPort(sa), func() {
		guest, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(guest) // it has said nothing
	}
}

func TestBlackHole(t *testing.T) {
	to := blackHole(t)
	for _, c := range []Check{
		configured(t, "tcp", number("port", 1)),
		configured(t, "tls"),
		configured(t, "http", text("host", "h")),
		configured(t, "dns", text("name", "a."), text("transport", "tcp")),
	} {
		expectResult(t, run(t, c, testEnv, to, short), "failed timeout")
	}
}

// A probe ends with its context, and a context that was cancelled says nothing about the target.
func TestCancel(t *testing.T) {
	accepted := make(chan struct{}, 1)
	to := listen(t, "127.0.0.1:0", func(c net.Conn) { accepted <- struct{}{}; hang(c) })
	c := configured(t, "http", text("host", "h"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-accepted; cancel() }()
	target := Target(c, to.Addr().String(), long)
	target.Port = to.Port()
	expectResult(t, c.Prober(testEnv).Probe(ctx, target), "void stopped")
}

// Nothing that a probe has opened stays behind in TIME_WAIT, or anywhere else.
func TestNoTimeWait(t *testing.T) {
	to := listen(t, "127.0.0.1:0", say("HTTP/1.1 200 OK\r\n\r\n"))
	for _, c := range []Check{configured(t, "tcp", number("port", 1)), configured(t, "http", text("host", "h"))} {
		expectResult(t, run(t, c, testEnv, to, long), "ok")
	}
	const timeWait = "06"
	for _, line := range tcpSockets(t, timeWait, to.Port()) {
		t.Errorf("left behind: %s", line)
	}
}

// tcpSockets are the lines of sockets in a state with a port at one end. They are those of the network of this
// thread: that of the process is its first thread's, on which inNamespace may have been.
func tcpSockets(t *testing.T, state string, port uint16) (lines []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	end := ":" + strings.ToUpper(hex4(port))
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && f[3] == state && (strings.HasSuffix(f[1], end) || strings.HasSuffix(f[2], end)) {
			lines = append(lines, line)
		}
	}
	return lines
}

func hex4(n uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}

func TestSource(t *testing.T) {
	from := make(chan string, 1)
	to := listen(t, "127.0.0.1:0", func(c net.Conn) { from <- c.RemoteAddr().(*net.TCPAddr).IP.String() })
	c := configured(t, "tcp", number("port", 1), text("send", "x"))
	env := &Env{Source: []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.9")}}
	expectResult(t, run(t, c, env, to, long), "ok")
	if got := <-from; got != "127.0.0.9" {
		t.Errorf("probed from %s", got)
	}
	env = &Env{Source: []netip.Addr{netip.MustParseAddr("192.0.2.77")}}
	expectResult(t, run(t, c, env, to, long), "void source 192.0.2.77 is no address of this node")
}

// A socket that asks for a closed port may be given that very port as its own, and meet itself.
func TestSelfConnection(t *testing.T) {
	to := closedPort(t)
	fd, err := newSocket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, sockaddr(to)); err != nil {
		_ = unix.Close(fd)
		t.Fatal(err)
	}
	s := &socket{fd: fd, to: to, addr: sockaddr(to)}
	err = s.start(unix.SOCK_STREAM)
	if err == nil {
		_ = unix.Close(fd)
		t.Fatal("a socket is taken for a target because it met itself")
	}
	r := begin(t.Context()).end(t.Context(), err)
	expectResult(t, r, "failed refused")
}

func TestNoDescriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	for _, c := range []Check{configured(t, "tcp", number("port", 1)), configured(t, "dns", text("name", "a.")), configured(t, "icmp")} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil { // to lower it anybody may
			t.Fatal(err)
		}
		r := run(t, c, &Env{}, netip.MustParseAddrPort("127.0.0.1:1"), long)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		expectResult(t, r, "void no file descriptors left on this node")
	}
}

// inNamespace runs f on a thread with a network of its own, in which even loopback is down.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	var refused error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if refused = unix.Unshare(unix.CLONE_NEWNET); refused == nil {
			f()
		}
	}()
	<-done
	if refused != nil {
		t.Skipf("no network namespace here: %v", refused)
	}
}

func TestNoRoute(t *testing.T) {
	inNamespace(t, func() {
		for _, c := range []Check{
			configured(t, "tcp", number("port", 1)),
			configured(t, "http", text("host", "h")),
			configured(t, "tls"),
			configured(t, "dns", text("name", "a.")),
			configured(t, "icmp"),
		} {
			expectResult(t, run(t, c, &Env{}, netip.MustParseAddrPort("192.0.2.1:80"), long), "void no route")
			r := run(t, c, &Env{}, netip.MustParseAddrPort("[2001:db8::1]:80"), long)
			if r.Kind != checks.Void {
				t.Errorf("%s over IPv6: got %v %q", c.Type(), r.Kind, r.Reason)
			}
		}
	})
}

// iproute2 is the path of its command; where it may not be missing, its absence fails the test.
func iproute2(t *testing.T) string {
	t.Helper()
	ip, err := exec.LookPath("ip")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("needs the Debian package iproute2")
	case err != nil:
		t.Skip("needs the Debian package iproute2")
	}
	return ip
}

// A neighbour that does not answer ARP is the target's failure: the kernel finds out on the way.
func TestHostUnreachable(t *testing.T) {
	ip := iproute2(t)
	for _, pingRange := range []string{"1 0", "0 2147483647"} { // a raw socket; an unprivileged one
		inNamespace(t, func() {
			for _, args := range []string{"link set lo up", "link add va type veth peer name vb", "link set va up", "link set vb up", "address add 192.0.2.1/24 dev va"} {
				if out, err := exec.Command(ip, strings.Fields(args)...).CombinedOutput(); err != nil {
					t.Skipf("needs a kernel with veth and the right to make links: ip %s: %v: %s", args, err, out)
				}
			}
			for file, s := range map[string]string{"neigh/va/retrans_time_ms": "10", "ping_group_range": pingRange} {
				if err := os.WriteFile("/proc/sys/net/ipv4/"+file, []byte(s), 0); err != nil {
					t.Skipf("needs the right to set up the network of a namespace: %v", err)
				}
			}
			for _, c := range []Check{configured(t, "tcp", number("port", 1)), configured(t, "icmp")} {
				expectResult(t, run(t, c, &Env{}, netip.MustParseAddrPort("192.0.2.7:80"), long), "failed host unreachable")
			}
		})
	}
}

func TestLocalErrno(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENETUNREACH:   "void no route",
		syscall.EHOSTUNREACH:  "void no route",
		syscall.EADDRNOTAVAIL: "void no local port or no source address",
		syscall.EAFNOSUPPORT:  "void this node lacks the address family",
		syscall.EPERM:         "void not permitted on this node: operation not permitted",
		syscall.EMFILE:        "void no file descriptors left on this node",
		syscall.ENOBUFS:       "void no buffers left on this node",
		syscall.EBADF:         "void this node: bad file descriptor",
		syscall.ECONNREFUSED:  "failed refused",
	} {
		s := begin(t.Context())
		expectResult(t, s.end(t.Context(), localErrno(errno)), want)
	}
}

func TestRemoteErrno(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENETUNREACH:  "failed network unreachable",
		syscall.EHOSTUNREACH: "failed host unreachable",
		syscall.EACCES:       "failed prohibited on the way",
		syscall.ECONNRESET:   "failed connection reset in the TLS handshake",
		syscall.ETIMEDOUT:    "failed timeout in the TLS handshake",
		syscall.ENOBUFS:      "void no buffers left on this node",
		syscall.EPROTO:       "failed protocol error in the TLS handshake",
	} {
		s := begin(t.Context())
		expectResult(t, s.end(t.Context(), during(inHandshake, errno)), want)
	}
}

// A timeout whose own timer fired more than 20 % late says nothing about the target.
func TestLateTimer(t *testing.T) {
	for _, tt := range []struct {
		slept time.Duration
		want  string
	}{
		{1000 * time.Millisecond, "failed timeout"},
		{1200 * time.Millisecond, "failed timeout"},
		{1201 * time.Millisecond, "void this node is slow: its timer fired 201ms late"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s := begin(ctx)
			time.Sleep(tt.slept) // in virtual time
			expectResult(t, s.end(ctx, os.ErrDeadlineExceeded), tt.want)
		})
	}
}

func TestClean(t *testing.T) {
	if got := clean("a\x1b[31m\nb\u202ec"); got != "a?[31m?b?c" {
		t.Errorf("got %q", got)
	}
	if got := clean(strings.Repeat("é", 100)); len(got) > checks.MaxReason || !strings.HasSuffix(string(got), "é...") {
		t.Errorf("got %q", got)
	}
}
