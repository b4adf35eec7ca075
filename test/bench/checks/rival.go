//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitalns/checks"
	"vitalns/test/live"
)

// gdnsd checks the fastest of those that this field has. It knows no interval below 2 s, so it gets twice the
// targets.
const (
	rivalInterval = 2 * time.Second
	rivalTargets  = 2 * fewTargets
	rivalHosts    = rivalTargets / perHost
)

// beside lets gdnsd and the runner check as many targets a second in turn, for so many rounds, and prints what
// each costs. Where gdnsd is not installed it says so.
func beside(ctx context.Context, l *listeners, binary string, long time.Duration) (ok bool, err error) {
	program, err := live.Find("gdnsd")
	if err != nil {
		fmt.Printf("%v: no ratio\n", err)
		return true, nil
	}
	stage, err := live.Open(binary)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	const rounds = 5
	var own, other []float64
	for range rounds {
		s, err := measure(ctx, l.targets[:fewTargets], long)
		if err != nil {
			return false, err
		}
		own = append(own, s.perProbe())
		each, err := rivalCost(ctx, stage, program, l.targets[:rivalTargets], long)
		if err != nil {
			return false, err
		}
		other = append(other, each)
	}
	slices.Sort(own)
	slices.Sort(other)
	ratio := own[rounds/2] / other[rounds/2]
	fmt.Printf("us of CPU for a check at %d a second, median (min to max) of %d in turn: vitalns %.0f (%.0f to %.0f), gdnsd %.0f (%.0f to %.0f)\n",
		fewTargets, rounds, own[rounds/2], own[0], own[rounds-1], other[rounds/2], other[0], other[rounds-1])
	share := own[rounds/2] * fewTargets / 1e6
	fmt.Printf("%d checks a second: %.1f %% of a core, must be <= %.0f %%: %s; %.2f x gdnsd\n", fewTargets, 100*share, 100*mustShare, verdict(share <= mustShare), ratio)
	return share <= mustShare, nil
}

// rivalCost returns how many microseconds of CPU a check of gdnsd takes.
func rivalCost(ctx context.Context, stage *live.Stage, program string, targets []checks.Target, long time.Duration) (each float64, err error) {
	dir, err := os.MkdirTemp(stage.Dir, "gdnsd-")
	if err != nil {
		return 0, err
	}
	addr, err := live.Address("")
	if err != nil {
		return 0, err
	}
	if err := writeRival(dir, addr, targets); err != nil {
		return 0, err
	}
	p, err := stage.Start(program, "-c", dir, "start")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	if err := wait(ctx, warmUp+rivalInterval); err != nil {
		return 0, err
	}
	cpu, count := live.CPUTime(p.Pid()), accepted()
	if err := wait(ctx, long); err != nil {
		return 0, err
	}
	cpu, count = live.CPUTime(p.Pid())-cpu, accepted()-count
	want := float64(len(targets)) * float64(long) / float64(rivalInterval)
	if rate := float64(count) / want; rate < 0.9 || rate > 1.2 {
		return 0, fmt.Errorf("gdnsd made %d checks where %.0f were due:\n%s", count, want, p.Output())
	}
	return float64(cpu.Microseconds()) / float64(count), nil
}

// writeRival writes a configuration of gdnsd in which each port is a service, and its hosts are the addresses of
// one name.
func writeRival(dir, addr string, targets []checks.Target) error {
	var services, resources strings.Builder
	zone := new(strings.Builder)
	zone.WriteString("@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 127.0.0.1\n")
	for p := range perHost {
		port := targets[p].Port
		fmt.Fprintf(&services, "  p%d => { plugin => tcp_connect, port => %d, interval => %d, timeout => 1 }\n", p, port, int(rivalInterval.Seconds()))
		fmt.Fprintf(&resources, "  r%d => { service_types => p%d", p, p)
		for h := range rivalHosts {
			fmt.Fprintf(&resources, ", a%d => %s", h, targets[h*perHost+p].Host)
		}
		resources.WriteString(" }\n")
		fmt.Fprintf(zone, "r%d 10 DYNA multifo!r%d\n", p, p)
	}
	config := fmt.Sprintf("options => { listen => { %s => { udp_threads => 1, tcp_threads => 1 } } run_dir => %s/run state_dir => %s/state }\nservice_types => {\n%s}\nplugins => { multifo => {\n%s} }\n",
		addr, dir, dir, services.String(), resources.String())
	if err := os.Mkdir(filepath.Join(dir, "zones"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "zones", "gslb.example"), []byte(zone.String()), 0o644)
}

// accepted is how many TCP connections were accepted on this machine.
func accepted() int64 {
	raw, _ := os.ReadFile("/proc/net/snmp") // none is told: none is counted
	var names []string
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		if i := slices.Index(names, "PassiveOpens"); i > 0 && i < len(f) {
			n, _ := strconv.ParseInt(f[i], 10, 64) // the kernel's own number
			return n
		}
	}
	return 0
}
