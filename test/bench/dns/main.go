//go:build linux

// Command dns measures what a query costs: vitalns with every feature on, the rivals that are installed
// with nothing on, and the floor, which sends every datagram back. Each has one core and one thread, the
// generator the other core; the runs are interleaved, and one that somebody else disturbed is repeated. What a
// query costs, and how long it takes at half load, is compared in turns of a fifth of a second, between servers
// that all run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"vitalns/test/live"
)

func main() {
	binary := flag.String("vitalns", "./vitalns", "the binary to measure")
	rounds := flag.Int("n", 11, "runs of each")
	long := flag.Duration("t", 1500*time.Millisecond, "how long each measurement takes")
	turns := flag.Bool("turns", false, "measure only what is measured in turn")
	only := flag.String("only", "", "comma-separated servers; all")
	bound := flag.Bool("bound", false, "it is on its core (for this program's own use)")
	flag.Parse()
	if !*bound {
		exit(onLoadCore())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *binary, *only, *turns, *rounds, *long)
	stop()
	exit(err)
}

// errMissed says that a value was not reached; the table has said which.
var errMissed = errors.New("not every value was reached")

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-dns:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// onLoadCore becomes this program anew, all its threads on the generator's core.
func onLoadCore() error {
	if runtime.NumCPU() < 2 {
		return errors.New("two cores are needed: one for the server, one for the load")
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return errors.New("taskset is missing: install the Debian package util-linux")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{"taskset", "-c", fmt.Sprint(loadCore), self, "-bound"}, os.Args[1:]...)
	return syscall.Exec(taskset, args, append(os.Environ(), "GOMAXPROCS=4"))
}

func run(ctx context.Context, binary, only string, turns bool, rounds int, long time.Duration) (err error) {
	stage, err := live.Open(binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	restore := equalBuffers()
	defer restore()
	b := &bench{stage: stage}
	if b.binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	field, err := b.field(only)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	backends, err := openBackends()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backends.Close()) }()
	if b.liveTOML, err = backends.zone(stage.Dir); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var flipping sync.WaitGroup
	flipping.Go(func() { backends.flip(ctx) })
	defer flipping.Wait()
	defer stop()
	r := &report{inTurn: map[string][]float64{}}
	if !turns {
		if err := b.alone(ctx, field, rounds, long, r); err != nil {
			return err
		}
	}
	if err := b.turns(ctx, field, rounds, long, r); err != nil {
		return err
	}
	agree := true
	if !turns {
		fmt.Println(r)
		if agree, err = b.compare(ctx, field[0], long); err != nil {
			return err
		}
	}
	if !r.musts() || !agree {
		return errMissed
	}
	return nil
}

// alone measures each server and dress by itself, once a round.
func (b *bench) alone(ctx context.Context, field []server, rounds int, long time.Duration, r *report) error {
	for round := range rounds {
		for _, s := range field {
			for _, k := range s.kinds() {
				m, err := b.measure(ctx, s, k, long)
				if err != nil {
					return err
				}
				r.add(s, k, m)
				fmt.Fprintf(os.Stderr, "%2d/%d %-9s %-16s %6.0f kq/s %5.2f us  %5.2f us at 30,000/s  p50 %3.0f us%s\n", round+1, rounds, s.title, k.title,
					m.rate/1e3, m.perQuery, m.atLow, float64(m.half)/1e3, m.note())
			}
		}
	}
	return nil
}

// field are the servers to measure: those that are asked for and there.
func (b *bench) field(only string) ([]server, error) {
	var field []server
	for _, s := range servers {
		if only != "" && !strings.Contains(","+only+",", ","+s.title+",") {
			continue
		}
		if s.program != "" {
			if _, err := live.Find(s.program); err != nil {
				fmt.Printf("%s is left out: install the Debian package %s\n", s.title, s.pkg)
				continue
			}
		}
		if s.echo {
			path, err := b.compileEcho()
			if err != nil {
				fmt.Printf("the floor is left out: %v\n", err)
				continue
			}
			b.echo = path
		}
		field = append(field, s)
	}
	if len(field) == 0 {
		return nil, fmt.Errorf("no server is called %q", only)
	}
	return field, nil
}

func (b *bench) compileEcho() (string, error) {
	source, path := filepath.Join(b.stage.Dir, "echo.c"), filepath.Join(b.stage.Dir, "echo")
	if err := os.WriteFile(source, []byte(echoSource), 0o644); err != nil {
		return "", err
	}
	if out, err := exec.Command("gcc", "-O2", "-o", path, source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("gcc: %w %s", err, out)
	}
	return path, nil
}

// prepare writes the zone, as a master file and as vitalns imports it.
func (b *bench) prepare(ctx context.Context) error {
	b.zone, b.toml = filepath.Join(b.stage.Dir, "zone"), filepath.Join(b.stage.Dir, "zone.toml")
	if err := os.WriteFile(b.zone, []byte(masterFile()), 0o644); err != nil {
		return err
	}
	text, err := exec.CommandContext(ctx, b.binary, "zone", "import", b.zone, "--origin", origin).Output()
	if err != nil {
		return fmt.Errorf("zone import: %w", err)
	}
	return os.WriteFile(b.toml, text, 0o644)
}

// kinds are the dresses in which a server is asked.
func (s server) kinds() []kind {
	plain, dressed := kind{title: "plain"}, kind{title: "EDNS+DO+cookie", edns: true}
	if s.live {
		return []kind{plain, dressed, {title: "live pools", edns: true, live: true}}
	}
	return []kind{plain, dressed}
}

// equalBuffers gives every server the same receive buffer, those too that cannot be told and those that would take
// more, where it may. The function it returns puts the system's back.
func equalBuffers() (restore func()) {
	before := map[string][]byte{}
	for _, name := range []string{"/proc/sys/net/core/rmem_max", "/proc/sys/net/core/rmem_default"} {
		old, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, fmt.Appendf(nil, "%d", rcvbuf), 0)
		}
		if err != nil {
			fmt.Printf("receive buffers are not equal: %v (root may set them)\n", err)
			break
		}
		before[name] = old
	}
	return func() {
		for name, old := range before {
			if err := os.WriteFile(name, old, 0); err != nil {
				fmt.Fprintf(os.Stderr, "put back %s: %v\n", name, err)
			}
		}
	}
}
