package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

// A master is a zone as every server reads it: a master file.
type master struct{ origin, text string }

// A server is one that vitalns is held against: it loads zones and answers at an address until the end of the test.
type server struct {
	name  string
	start func(t *testing.T, zones ...master) (addr string)
}

// references are those that vitalns is held against. Their configurations ask for what all can do: no
// rate limit, no rotation, 1232 octets over UDP, server cookies, no authority section where none is needed.
var references = []server{{"nsd", startNSD}, {"knot", startKnot}, {"bind", startBIND}}

// tool returns the path of a program, or skips the test and names the Debian package that has it. With
// CI=true a missing package fails.
func tool(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := live.Find(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the Debian package %s (make test-deps)", program, pkg)
	}
	t.Skipf("%s is missing: install the Debian package %s", program, pkg)
	return ""
}

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

// write puts a file into a directory.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A node is one of vitalns that serves zone files.
type node struct {
	stage *live.Stage
	name  string
	addr  string
	files []string
}

// startNode imports zones, as whoever moves here, and starts a node that serves them.
func startNode(t *testing.T, zones ...master) node {
	t.Helper()
	s := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var files []string
	for i, z := range zones {
		said, err := s.Command(ctx, "zone", "import", write(t, s.Dir, fmt.Sprintf("%d.zone", i), z.text), "--origin", z.origin)
		if err != nil || said.Code != 0 {
			t.Fatalf("zone import: %v, exit code %d\n%s", err, said.Code, said.Err)
		}
		files = append(files, write(t, s.Dir, fmt.Sprintf("%d.toml", i), said.Out))
	}
	return startFiles(t, s, files...)
}

// startFiles starts a node that serves zone files. Its cookies are made by sharedSecret.
func startFiles(t *testing.T, s *live.Stage, files ...string) node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nodes, err := s.Nodes("ns", live.Setup{Zones: files, Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	n := nodes[0]
	write(t, s.Dir, "cookie.secret", sharedSecret+"\n")
	sayDNS(t, n, "cookie_secret_file = \"../cookie.secret\"\n")
	if err = n.Start(); err == nil {
		err = n.Ready(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return node{s, n.Name, n.DNS, files}
}

// sayDNS has the [dns] of a node say more.
func sayDNS(t *testing.T, n *live.Node, more string) {
	t.Helper()
	text, err := os.ReadFile(n.File)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("[dns]\n"), []byte("[dns]\n"+more), 1)
	if err := os.WriteFile(n.File, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A daemon is a foreign name server with a directory of its own. Its files may say DIR, HOST and PORT.
type daemon struct {
	stage *live.Stage
	dir   string
	addr  string
}

func newDaemon(t *testing.T, host string) daemon {
	t.Helper()
	s := open(t)
	addr, err := live.Address(host)
	if err != nil {
		t.Fatal(err)
	}
	return daemon{stage: s, dir: s.Dir, addr: addr}
}

// file writes a file of the daemon.
func (d daemon) file(t *testing.T, name, text string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(d.addr)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, d.dir, name, strings.NewReplacer("DIR", d.dir, "HOST", host, "PORT", port).Replace(text))
}

// masters writes the zones and returns what the configuration says of them: its form, with ORIGIN and FILE.
func (d daemon) masters(t *testing.T, zones []master, form string) string {
	t.Helper()
	var b strings.Builder
	for i, z := range zones {
		name := fmt.Sprintf("%d.zone", i)
		write(t, d.dir, name, z.text)
		b.WriteString(strings.NewReplacer("ORIGIN", z.origin, "FILE", name).Replace(form))
	}
	return b.String()
}

// start runs the daemon and waits until it answers for its zones.
func (d daemon) start(t *testing.T, zones []master, program string, args ...string) string {
	t.Helper()
	proc, err := d.stage.Start(program, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range zones {
		if err := loaded(t.Context(), proc, d.addr, z.origin); err != nil {
			t.Fatalf("%s, zone %s: %v\n%s", program, z.origin, err, proc.Output())
		}
	}
	return d.addr
}

// loaded waits until a process answers for a zone.
func loaded(ctx context.Context, proc *live.Process, addr, origin string) error {
	query := new(dns.Msg).SetQuestion(origin, dns.TypeSOA)
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		m, _, err := client.ExchangeContext(ctx, query, addr)
		if err == nil && m.Rcode == dns.RcodeSuccess && m.Authoritative {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", errors.Join(err, ctx.Err()))
		case <-proc.Done():
			return fmt.Errorf("it ended with exit code %d", proc.Code())
		case <-tick.C:
		}
	}
}

func startNSD(t *testing.T, zones ...master) string {
	t.Helper()
	program := tool(t, "nsd", "nsd")
	d := newDaemon(t, "")
	conf := d.file(t, "nsd.conf", `
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
  tcp-query-count: 0
  minimal-responses: yes
  refuse-any: no
  rrl-ratelimit: 0
  ipv4-edns-size: 1232
  identity: "reference"
  answer-cookie: yes
remote-control:
  control-enable: no
`+d.masters(t, zones, `
zone:
  name: ORIGIN
  zonefile: FILE
`))
	return d.start(t, zones, program, "-d", "-c", conf)
}

func startKnot(t *testing.T, zones ...master) string {
	t.Helper()
	program := tool(t, "knotd", "knot")
	d := newDaemon(t, "")
	conf := d.file(t, "knot.conf", `
server:
  rundir: "DIR"
  listen: HOST@PORT
  identity: "reference"
  nsid: "reference"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  tcp-io-timeout: 10000
  udp-max-payload: 1232
  answer-rotation: off
database:
  storage: "DIR"
template:
  - id: default
    global-module: mod-cookies
log:
  - target: stderr
    any: warning
zone:
`+d.masters(t, zones, `
  - domain: ORIGIN
    storage: "DIR"
    file: FILE
    semantic-checks: soft
    zonefile-sync: -1
    journal-content: none
`))
	return d.start(t, zones, program, "-c", conf)
}

// BIND keeps the authority section empty where it can, and adds the addresses that an answer leads to. It
// listens only at addresses that an interface has, which of 127/8 is one.
func startBIND(t *testing.T, zones ...master) string {
	t.Helper()
	program := tool(t, "named", "bind9")
	d := newDaemon(t, "127.0.0.1")
	conf := d.file(t, "named.conf", `
options {
  directory "DIR";
  pid-file "DIR/named.pid";
  session-keyfile "DIR/session.key";
  managed-keys-directory "DIR";
  listen-on port PORT { HOST; };
  listen-on-v6 { none; };
  recursion no;
  empty-zones-enable no;
  dnssec-validation no;
  notify no;
  minimal-responses no-auth;
  minimal-any no;
  max-records-per-type 0;
  max-types-per-name 0;
  zero-no-soa-ttl no;
  allow-transfer { none; };
  rrset-order { order none; };
  edns-udp-size 1232;
  max-udp-size 1232;
  nocookie-udp-size 1232;
  tcp-clients 1000;
  server-id "reference";
};
controls { };
logging { category default { default_stderr; }; category queries { null; }; category query-errors { null; }; category lame-servers { null; }; category security { null; }; };
`+d.masters(t, zones, `
zone "ORIGIN" {
  type primary;
  file "FILE";
  check-names ignore;
  check-integrity no;
  check-mx ignore;
  check-mx-cname ignore;
  check-srv-cname ignore;
  check-sibling no;
  check-wildcard no;
  check-spf ignore;
  check-dup-records ignore;
};
`))
	return d.start(t, zones, program, "-f", "-n", "1", "-c", conf)
}
