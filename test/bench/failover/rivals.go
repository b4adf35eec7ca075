package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"vitalns/test/live"
)

// A rival is another name server, configured as fast as its manual allows: one name for each fault, for its
// plain check of a port sees no hanging backend.
type rival struct {
	title   string
	program string
	pkg     string            // Debian's
	names   map[string]string // fault -> name
	checks  map[string]string // fault -> check, in words
	start   func(f *field, program, addr string) error
}

const rivalZone = "fo.example"

var rivals = []rival{
	{
		title: "gdnsd", program: "gdnsd", pkg: "gdnsd",
		names:  map[string]string{"refuse": "tcp." + rivalZone, "hang": "http." + rivalZone},
		checks: map[string]string{"refuse": "tcp_connect, interval 2 s (its least), thresholds 1", "hang": "http_status, interval 2 s (its least), timeout 1 s, thresholds 1"},
		start:  startGdnsd,
	},
	{
		title: "PowerDNS Lua", program: "pdns_server", pkg: "pdns-server pdns-backend-bind",
		names:  map[string]string{"refuse": "tcp." + rivalZone, "hang": "http." + rivalZone},
		checks: map[string]string{"refuse": "ifportup, interval 1 s", "hang": "ifurlup, interval 1 s, timeout 1 s"},
		start:  startPowerDNS,
	},
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+`)

// versionOf asks a program for its version; "" where it does not say.
func versionOf(ctx context.Context, program string) string {
	out, _ := exec.CommandContext(ctx, program, "--version").CombinedOutput() // what it says is used, if anything
	return versionNumber.FindString(string(out))
}

func (f *field) addresses(format, sep string) string {
	var out []string
	for i, b := range f.backends {
		out = append(out, strings.NewReplacer("#", fmt.Sprint(i), "@", b.addr.Addr().String()).Replace(format))
	}
	return strings.Join(out, sep)
}

func startGdnsd(f *field, program, addr string) error {
	dir := filepath.Join(f.stage.Dir, "gdnsd")
	if err := os.MkdirAll(filepath.Join(dir, "zones"), 0o755); err != nil {
		return err
	}
	config := fmt.Sprintf(`options => { listen => { %s => { udp_threads => 1, tcp_threads => 1 } } run_dir => %s/run state_dir => %s/state }
service_types => {
  tcp => { plugin => tcp_connect, port => %d, interval => 2, timeout => 1, down_thresh => 1, ok_thresh => 1, up_thresh => 1 }
  http => { plugin => http_status, port => %d, interval => 2, timeout => 1, down_thresh => 1, ok_thresh => 1, up_thresh => 1 }
}
plugins => { multifo => {
  tcp => { service_types => tcp, up_thresh => 0.1, %s }
  http => { service_types => http, up_thresh => 0.1, %s }
} }
`, addr, dir, dir, f.port, f.port, f.addresses("a# => @", ", "), f.addresses("a# => @", ", "))
	zone := "@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 127.0.0.1\ntcp 10 DYNA multifo!tcp\nhttp 10 DYNA multifo!http\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "zones", rivalZone), []byte(zone), 0o644); err != nil {
		return err
	}
	return f.child(program, "-c", dir, "start")
}

func startPowerDNS(f *field, program, addr string) error {
	dir := filepath.Join(f.stage.Dir, "pdns")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	host, port, _ := strings.Cut(addr, ":")
	list := f.addresses("'@'", ",")
	files := map[string]string{
		"pdns.conf": fmt.Sprintf(`launch=bind
bind-config=%s/named.conf
local-address=%s
local-port=%s
socket-dir=%s
daemon=no
guardian=no
setuid=
setgid=
disable-syslog=yes
security-poll-suffix=
enable-lua-records=shared
lua-health-checks-interval=1
`, dir, host, port, dir),
		"named.conf": fmt.Sprintf("zone %q { type master; file \"%s/zone\"; };\n", rivalZone, dir),
		"zone": fmt.Sprintf(`$ORIGIN %s.
$TTL 60
@ SOA ns1 host 1 3600 600 604800 60
@ NS ns1
ns1 A 127.0.0.1
tcp 10 LUA A "ifportup(%d, {%s}, {selector='all'})"
http 10 LUA A "ifurlup('http://backend:%d/', {{%s}}, {selector='all', timeout=1})"
`, rivalZone, f.port, list, f.port, list),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return f.child(program, "--config-dir="+dir)
}

// child starts a rival; that it answers is seen by the polls.
func (f *field) child(program string, args ...string) error {
	p, err := f.stage.Start(program, args...)
	if err == nil {
		f.others = append(f.others, p)
	}
	return err
}

// addRivals starts those that are installed.
func (f *field) addRivals(ctx context.Context) error {
	for _, r := range rivals {
		program, err := live.Find(r.program)
		if err != nil {
			continue // said at the beginning
		}
		addr, err := live.Address("")
		if err == nil {
			err = r.start(f, program, addr)
		}
		if err != nil {
			return err
		}
		s := &system{title: strings.TrimSpace(r.title + " " + versionOf(ctx, program)), settings: r.checks, polls: map[string][]*live.Poll{}, rival: true}
		for fault, name := range r.names {
			p, err := live.NewPoll(addr, name, rivalEvery)
			if err != nil {
				return err
			}
			s.polls[fault] = []*live.Poll{p}
		}
		f.systems = append(f.systems, s)
	}
	return nil
}
