package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

const (
	serverCore = 0
	loadCore   = 1
	rcvbuf     = 1 << 20 // receive buffer of every server: the most that gdnsd takes
)

// A server is something to measure.
type server struct {
	title   string
	program string
	pkg     string // Debian's
	config  string // with DIR, HOST, PORT, ZONE, RCVBUF for what they are
	args    []string
	live    bool // it has the live zone, too
	echo    bool
	host    string // where it listens; "": on an address of loopback that nobody else has
}

// servers are vitalns with everything on, the rivals with nothing on but one thread, and the floor.
var servers = []server{
	{title: "vitalns", live: true},
	{title: "gdnsd", program: "gdnsd", pkg: "gdnsd", args: []string{"-c", "DIR", "start"}},
	{title: "Knot", program: "knotd", pkg: "knot", args: []string{"-c", "DIR/config"}, config: `
server:
  rundir: "DIR"
  listen: HOST@PORT
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  udp-max-payload: 1232
database:
  storage: "DIR"
log:
  - target: stderr
    any: warning
zone:
  - domain: "ZONE"
    storage: "DIR"
    file: zone
    zonefile-sync: -1
    journal-content: none
`},
	{title: "NSD", program: "nsd", pkg: "nsd", args: []string{"-d", "-c", "DIR/config"}, config: `
server:
  ip-address: HOST@PORT
  server-count: 1
  reuseport: yes
  username: ""
  chroot: ""
  zonesdir: "DIR"
  database: ""
  pidfile: "DIR/nsd.pid"
  xfrdfile: "DIR/xfrd.state"
  xfrdir: "DIR"
  zonelistfile: "DIR/zone.list"
  minimal-responses: yes
  rrl-ratelimit: 0
  receive-buffer-size: RCVBUF
  send-buffer-size: RCVBUF
remote-control:
  control-enable: no
zone:
  name: ZONE
  zonefile: zone
`},
	{title: "PowerDNS", program: "pdns_server", pkg: "pdns-server, pdns-backend-bind", args: []string{"--config-dir=DIR"}, config: `
launch=bind
bind-config=DIR/named.conf
local-address=HOST
local-port=PORT
receiver-threads=1
distributor-threads=1
cache-ttl=60
query-cache-ttl=60
negquery-cache-ttl=60
max-cache-entries=1000000
max-packet-cache-entries=1000000
socket-dir=DIR
daemon=no
guardian=no
setuid=
setgid=
disable-syslog=yes
security-poll-suffix=
`},
	// It listens on addresses that an interface has by name.
	{title: "BIND", host: "127.0.0.1", program: "named", pkg: "bind9", args: []string{"-g", "-n", "1", "-c", "DIR/config"}, config: `
options {
  directory "DIR"; pid-file none; session-keyfile none; lock-file none;
  listen-on port PORT { HOST; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; minimal-responses yes; allow-query { any; };
};
controls { };
zone "ZONE" { type primary; file "DIR/zone"; };
`},
	{title: "echo", echo: true},
}

//go:embed testdata/echo.c
var echoSource string

// A running server.
type running struct {
	*live.Process
	addr netip.AddrPort
	load time.Duration // from its start to its first right answer
}

// A bench is the stage and what was prepared on it.
type bench struct {
	stage    *live.Stage
	binary   string
	echo     string // the compiled floor; "": no compiler
	zone     string // path of the master file
	toml     string // the same for vitalns
	liveTOML string
}

// start starts one server on the server's core and waits for a right answer.
func (b *bench) start(ctx context.Context, s server, k kind) (*running, error) {
	addr, err := live.Address(s.host)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.stage.Dir, strings.ToLower(s.title)+"-")
	if err != nil {
		return nil, err
	}
	program, args, err := b.command(s, dir, addr, k)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	p, err := b.stage.Start("taskset", slices.Concat([]string{"-c", fmt.Sprint(serverCore)}, unprivileged(), []string{program}, args)...)
	if err != nil {
		return nil, err
	}
	r := &running{Process: p, addr: netip.MustParseAddrPort(addr)}
	if s.echo {
		return r, r.ready(ctx, "anything.", began)
	}
	name := "h0." + origin
	if k.live {
		name = fmt.Sprintf("p%d.%s", pools-1, origin)
	}
	if err := r.ready(ctx, name, began); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w:\n%s", s.title, err, p.Output()), p.Kill())
	}
	return r, nil
}

// unprivileged is what a command begins with that is not to take a larger receive buffer than the others have, as
// root may.
func unprivileged() []string {
	if os.Geteuid() != 0 {
		return nil
	}
	return []string{"setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"}
}

// command writes a server's configuration and returns how it is started.
func (b *bench) command(s server, dir, addr string, k kind) (program string, args []string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	switch {
	case s.echo:
		return b.echo, []string{host, port}, nil
	case s.program == "":
		path, err := b.vitalns(dir, addr, k)
		return b.binary, []string{"run", "-c", path}, err
	}
	if program, err = live.Find(s.program); err != nil {
		return "", nil, err
	}
	fill := strings.NewReplacer("DIR", dir, "HOST", host, "PORT", port, "ZONE", strings.TrimSuffix(origin, "."), "RCVBUF", fmt.Sprint(rcvbuf))
	zone, err := os.ReadFile(b.zone)
	if err != nil {
		return "", nil, err
	}
	files := map[string]string{"config": fill.Replace(s.config), "zone": string(zone)}
	switch s.title {
	case "gdnsd":
		files["config"] = fill.Replace("options => { listen => { HOST:PORT => { udp_threads => 1, tcp_threads => 1, udp_rcvbuf => RCVBUF } }, run_dir => DIR/run, state_dir => DIR/state }\n")
		files["zones/"+strings.TrimSuffix(origin, ".")] = string(zone)
	case "PowerDNS":
		files["pdns.conf"] = files["config"]
		files["named.conf"] = fill.Replace("zone \"ZONE\" { type master; file \"DIR/zone\"; };\n")
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", nil, err
		}
	}
	for _, a := range s.args {
		args = append(args, fill.Replace(a))
	}
	return program, args, nil
}

// vitalns writes a node file with every feature on: rate limiting with limits above what is sent, and
// loopback not exempt from it.
func (b *bench) vitalns(dir, addr string, k kind) (path string, err error) {
	zone := b.toml
	if k.live {
		zone = b.liveTOML
	}
	path = filepath.Join(dir, "node.toml")
	return path, os.WriteFile(path, fmt.Appendf(nil, `node = "bench"
zones = [%q]
state_dir = "state"
[dns]
listen = [%q]
[dns.rrl]
positive = 100000
nodata   = 100000
nxdomain = 100000
error    = 100000
exempt   = []
[http]
listen = "127.0.0.1:0"
[control]
socket = "sock"
`, zone, addr), 0o644)
}

// ready waits until a server answers with NOERROR and records.
func (r *running) ready(ctx context.Context, name string, began time.Time) error {
	ask := new(dns.Msg).SetQuestion(name, dns.TypeA)
	ask.RecursionDesired = false
	client := &dns.Client{Timeout: 50 * time.Millisecond}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < 30*time.Second {
		m, _, err := client.ExchangeContext(ctx, ask, r.addr.String())
		if err == nil && (len(m.Answer) > 0 || name == "anything.") {
			r.load = time.Since(began)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.Done():
			return errors.New("it ended")
		case <-tick.C:
		}
	}
	return errors.New("it does not answer")
}
