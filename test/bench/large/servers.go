//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

// A server is something to measure. In files and args, DIR, HOST and PORT stand for what they are, ZONE for
// the path of the master file.
type server struct {
	title, program, pkg string
	files               map[string]string
	args                []string
	zoneAt              string // where the master file is to lie; "": where it is
	core                string // the only one that it may use; "": all
}

var servers = []server{
	{title: "vitalns", args: []string{"run", "-c", "DIR/node.toml"}, files: map[string]string{
		"zone.toml": "zone = \"" + strings.TrimSuffix(origin, ".") + "\"\ninclude = [\"ZONE\"]\n",
		"node.toml": "node = \"bench\"\nzones = [\"zone.toml\"]\nstate_dir = \"state\"\n[dns]\nlisten = [\"HOST:PORT\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = \"sock\"\n",
	}},
	{title: "gdnsd", program: "gdnsd", pkg: "gdnsd", args: []string{"-c", "DIR", "start"}, zoneAt: "zones/" + strings.TrimSuffix(origin, "."), files: map[string]string{
		"config": "options => { listen => { HOST:PORT => { udp_threads => 1, tcp_threads => 1 } }, run_dir => DIR/run, state_dir => DIR/state }\n",
	}},
	{title: "NSD", program: "nsd", pkg: "nsd", args: []string{"-d", "-c", "DIR/config"}, files: map[string]string{"config": `
server:
  ip-address: HOST@PORT
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "DIR"
  database: ""
  pidfile: "DIR/nsd.pid"
  xfrdfile: "DIR/xfrd.state"
  xfrdir: "DIR"
  zonelistfile: "DIR/zone.list"
remote-control:
  control-enable: no
zone:
  name: ` + origin + `
  zonefile: ZONE
`}},
	{title: "Knot", program: "knotd", pkg: "knot", args: []string{"-c", "DIR/config"}, files: map[string]string{"config": `
server:
    rundir: "DIR"
    listen: "HOST@PORT"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "DIR"
log:
  - target: stderr
    any: warning
zone:
  - domain: "` + origin + `"
    file: "ZONE"
    zonefile-sync: -1
    journal-content: none
`}},
}

func (s server) installed() bool {
	_, err := s.path("")
	return err == nil
}

// path is that of the program.
func (s server) path(vitalns string) (string, error) {
	if s.program == "" {
		return vitalns, nil
	}
	return live.Find(s.program)
}

// A measured server.
type measured struct {
	load       time.Duration // from its start to its first right answer
	rest, peak float64       // bytes
}

// A running server.
type running struct {
	*live.Process
	dir, addr string
	load      time.Duration
}

// start starts a server with a zone and waits until it has an address for name.
func (b *bench) start(ctx context.Context, s server, zone, name string) (*running, error) {
	addr, err := live.Address("")
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.stage.Dir, strings.ToLower(s.title)+"-")
	if err != nil {
		return nil, err
	}
	if s.zoneAt != "" {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, s.zoneAt)), 0o755); err != nil {
			return nil, err
		}
		if err := os.Link(zone, filepath.Join(dir, s.zoneAt)); err != nil {
			return nil, err
		}
	}
	fill := strings.NewReplacer("DIR", dir, "HOST", host, "PORT", port, "ZONE", zone)
	for file, text := range s.files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(fill.Replace(text)), 0o644); err != nil {
			return nil, err
		}
	}
	path, err := s.path(b.binary)
	if err != nil {
		return nil, err
	}
	var args []string
	for _, a := range s.args {
		args = append(args, fill.Replace(a))
	}
	if s.core != "" {
		path, args = "taskset", append([]string{"-c", s.core, path}, args...)
	}
	began := time.Now()
	p, err := b.stage.Start(path, args...)
	if err != nil {
		return nil, err
	}
	r := &running{Process: p, dir: dir, addr: addr}
	if err := r.await(ctx, name, func(string) bool { return true }); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w:\n%s", s.title, err, p.Output()), p.Kill())
	}
	r.load = time.Since(began)
	return r, nil
}

// patience is how long anything may take.
const patience = time.Minute

// await waits until a name has an address that is wanted.
func (r *running) await(ctx context.Context, name string, wanted func(addr string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ask := new(dns.Msg).SetQuestion(name, dns.TypeA)
	client := &dns.Client{Timeout: 100 * time.Millisecond}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if m, _, err := client.ExchangeContext(ctx, ask, r.addr); err == nil && len(m.Answer) > 0 {
			if a, ok := m.Answer[0].(*dns.A); ok && wanted(a.A.String()) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer for %s in %v", name, patience)
		case <-r.Done():
			return errors.New("it ended")
		case <-tick.C:
		}
	}
}

// measure starts a server, waits until it rests, and ends it.
func (b *bench) measure(ctx context.Context, s server, zone, name string) (measured, error) {
	r, err := b.start(ctx, s, zone, name)
	if err != nil {
		return measured{}, err
	}
	m := measured{load: r.load}
	if m.rest, m.peak, err = r.rest(ctx); err != nil {
		return m, fmt.Errorf("%s: %w", s.title, err)
	}
	return m, r.Kill()
}

// rest waits until the memory of a process and its children has not changed for a while, and returns it with
// its peak. What they share counts once.
func (r *running) rest(ctx context.Context) (rest, peak float64, err error) {
	const look, quiet = 250 * time.Millisecond, 8
	tick := time.NewTicker(look)
	defer tick.Stop()
	same := 0
	for range int(patience / look) {
		now, most, err := memory(r.Pid())
		if err != nil {
			return 0, 0, err
		}
		if same++; now > rest*1.01 || now < rest*0.99 {
			same = 0
		}
		if rest, peak = now, max(peak, most); same == quiet {
			return rest, peak, nil
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-tick.C:
		}
	}
	return 0, 0, errors.New("its memory does not come to rest")
}

// memory returns what a process and its children have resident, and the most that one of them had.
func memory(pid int) (now, most float64, err error) {
	if now, err = field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"); err != nil {
		return 0, 0, err
	}
	if most, err = field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:"); err != nil {
		return 0, 0, err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return now, most, nil // a kernel without it: the process alone
	}
	for _, child := range bytes.Fields(children) {
		id, err := strconv.Atoi(string(child))
		if err != nil {
			return 0, 0, err
		}
		its, peak, err := memory(id)
		if err != nil {
			continue // it has ended
		}
		now, most = now+its, max(most, peak)
	}
	return now, max(most, now), nil
}

// field reads a number of kilobytes, in bytes.
func field(path, name string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}
