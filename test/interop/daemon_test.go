package interop

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

// tool returns the path of a program, or skips the test and names the Debian package that has it. With
// CI=true a missing package fails.
func tool(t *testing.T, program, pkg string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the Debian package %s (make test-deps)", program, pkg)
	}
	t.Skipf("%s is missing: install the Debian package %s", program, pkg)
	return ""
}

// address returns an address on loopback for a server to listen at.
func address(t *testing.T) (host, port string) {
	t.Helper()
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	host, port, err = net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// output collects what a child process says; it is read while the process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // mu protects it
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs a name server until the end of the test, and waits until it answers for a zone.
func start(t *testing.T, addr, zone, program string, args ...string) string {
	t.Helper()
	var out output
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-exited
	})
	query := new(dns.Msg).SetQuestion(zone, dns.TypeSOA)
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if m, _, err := client.Exchange(query, addr); err == nil && m.Rcode == dns.RcodeSuccess {
			return addr
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("%s ended: %v\n%s", program, err, out.String())
		default:
		}
	}
	t.Fatalf("%s does not answer:\n%s", program, out.String())
	return ""
}

// write puts a file into a directory.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func startNSD(t *testing.T, origin, zone string) string {
	t.Helper()
	program := tool(t, "nsd", "nsd")
	dir := t.TempDir()
	host, port := address(t)
	write(t, dir, "zone", zone)
	conf := write(t, dir, "nsd.conf", strings.NewReplacer("DIR", dir, "HOST", host, "PORT", port, "ORIGIN", origin).Replace(`
server:
  ip-address: HOST@PORT
  username: ""
  chroot: ""
  zonesdir: "DIR"
  pidfile: "DIR/nsd.pid"
  xfrdfile: "DIR/xfrd.state"
  zonelistfile: "DIR/zone.list"
  xfrdir: "DIR"
  server-count: 1
  minimal-responses: yes
  refuse-any: no
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: ORIGIN
  zonefile: zone
`))
	return start(t, net.JoinHostPort(host, port), origin, program, "-d", "-c", conf)
}

func startKnot(t *testing.T, origin, zone string) string {
	t.Helper()
	program := tool(t, "knotd", "knot")
	dir := t.TempDir()
	host, port := address(t)
	write(t, dir, "zone", zone)
	conf := write(t, dir, "knot.conf", strings.NewReplacer("DIR", dir, "HOST", host, "PORT", port, "ORIGIN", origin).Replace(`
server:
  rundir: "DIR"
  listen: HOST@PORT
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  answer-rotation: off
database:
  storage: "DIR"
log:
  - target: stderr
    any: warning
zone:
  - domain: ORIGIN
    storage: "DIR"
    file: zone
    semantic-checks: soft
    zonefile-sync: -1
    journal-content: none
`))
	return start(t, net.JoinHostPort(host, port), origin, program, "-c", conf)
}
