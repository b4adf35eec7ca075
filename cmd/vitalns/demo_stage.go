package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	demoZone = "gslb.demo.test"
	demoName = "www." + demoZone
)

// A backend is a child process that answers HTTP as it is told to.
type backend struct {
	name    string
	address string // that is answered for it
	port    int
	proc    *exec.Cmd
}

// A demoNode is a child process that is a nameserver.
type demoNode struct {
	name    string
	dnsPort int
	http    string
	gossip  string
	socket  string
	proc    *exec.Cmd
	watcher *watcher
}

// A stage has the processes of the demo and the directory that they live in.
type stage struct {
	dir      string
	self     string // this program
	nodes    []*demoNode
	backends []*backend
	spawn    spawner
	stop     context.CancelFunc
}

// newStage prepares everything and starts nothing.
func newStage(dir string) (*stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, self: self, spawn: newSpawner()}
	for i, b := range []backend{{name: "lon", address: "203.0.113.10"}, {name: "fra", address: "198.51.100.20"}, {name: "nyc", address: "192.0.2.30"}} {
		if b.port, err = freePort(18080 + i); err != nil {
			return nil, err
		}
		s.backends = append(s.backends, &b)
	}
	for i := 1; i <= 3; i++ {
		n := &demoNode{name: fmt.Sprintf("ns%d", i)}
		ports := [3]int{5300 + i, 8052 + i, 17945 + i} // not 5353: avahi is there
		for k := range ports {
			if ports[k], err = freePort(ports[k]); err != nil {
				return nil, err
			}
		}
		n.dnsPort, n.http, n.gossip = ports[0], fmt.Sprintf("127.0.0.1:%d", ports[1]), fmt.Sprintf("127.0.0.1:%d", ports[2])
		n.socket = filepath.Join(dir, n.name, "sock")
		s.nodes = append(s.nodes, n)
	}
	return s, s.write()
}

// freePort returns a port that is free for UDP and TCP, the preferred one if it can be had.
func freePort(preferred int) (int, error) {
	for _, port := range []int{preferred, 0, 0, 0, 0, 0} {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		port = l.Addr().(*net.TCPAddr).Port
		u, uerr := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if uerr == nil {
			uerr = u.Close()
		}
		if err := errors.Join(uerr, l.Close()); err == nil {
			return port, nil
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// write makes the files of the nodes.
func (s *stage) write() error {
	var targets, all strings.Builder
	for _, b := range s.backends {
		t := fmt.Sprintf("  { name = %q, address = %q, check = { use = \"web\", address = \"127.0.0.1\", port = %d } },\n", b.name, b.address, b.port)
		targets.WriteString(t)
		all.WriteString(t)
	}
	zone := fmt.Sprintf(`zone = %q
ns   = { ns1 = "192.0.2.53", ns2 = "198.51.100.53", ns3 = "203.0.113.53" }

[checks.web]
type          = "http"
host          = %q
path          = "/healthz"
interval      = "1s"
timeout       = "500ms"
fast_interval = "200ms"
fall          = 2
rise          = 1

[pools.web]
check    = "web"
ttl      = "5s"
failback = "1s"
targets  = [
%s]

[pools.every]
policy  = "all"
check   = "web"
ttl     = "5s"
targets = [
%s]

[records.www]
pool = "web"
[records.every]
pool = "every"
`, demoZone, demoName, targets.String(), all.String())
	if err := os.WriteFile(filepath.Join(s.dir, "zone.toml"), []byte(zone), 0o600); err != nil {
		return err
	}
	var join []string
	for _, n := range s.nodes {
		join = append(join, fmt.Sprintf("%q", n.gossip))
	}
	for _, n := range s.nodes {
		file := fmt.Sprintf(`node      = %q
zones     = ["../zone.toml"]
state_dir = "state"
[dns]
listen = ["127.0.0.1:%d"]
[http]
listen = %q
[control]
socket = %q
[cluster]
bind  = %q
join  = [%s]
nodes = 3
name  = "demo"
`, n.name, n.dnsPort, n.http, n.socket, n.gossip, strings.Join(join, ", "))
		if err := os.MkdirAll(filepath.Join(s.dir, n.name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.dir, n.name, "vitalns.toml"), []byte(file), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// startNode starts a node; what it says goes to its log.
func (s *stage) startNode(n *demoNode) error {
	log, err := os.OpenFile(filepath.Join(s.dir, n.name, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	n.proc = exec.Command(s.self, "run", "-c", filepath.Join(s.dir, n.name, "vitalns.toml"))
	n.proc.Stdout, n.proc.Stderr = log, log
	return s.spawn.start(n.proc)
}

func (s *stage) startBackend(b *backend) error {
	b.proc = exec.Command(s.self, "demo-backend", fmt.Sprintf("127.0.0.1:%d", b.port), b.name)
	if err := s.spawn.start(b.proc); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 200 { // a started backend is one that accepts
		if c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", b.port), time.Second); err == nil {
			return c.Close()
		}
		<-tick.C
	}
	return fmt.Errorf("backend %s does not accept connections on port %d", b.name, b.port)
}

func (b *backend) pid() int { return b.proc.Process.Pid }

// signal sends a signal to a backend; kill waits until it is gone.
func (b *backend) signal(sig syscall.Signal) error { return b.proc.Process.Signal(sig) }

func kill(p *exec.Cmd) error {
	if p == nil || p.Process == nil || p.ProcessState != nil {
		return nil
	}
	if err := p.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// close ends every process and waits for it.
func (s *stage) close() error {
	if s.stop != nil {
		s.stop()
	}
	var errs []error
	for _, n := range s.nodes {
		errs = append(errs, kill(n.proc))
		if n.watcher != nil {
			n.watcher.wait()
		}
	}
	for _, b := range s.backends {
		errs = append(errs, kill(b.proc))
	}
	s.spawn.close()
	return errors.Join(errs...)
}
