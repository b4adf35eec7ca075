// Command failover measures how long dead addresses stay in answers: three real nodes on loopback, real
// backends that are killed or stopped at random moments, and beside them, on the same backends in the same
// run, gdnsd, PowerDNS with Lua records, and vitalns at its least interval.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"vitalns/test/live"
)

func main() {
	binary := flag.String("vitalns", "./vitalns", "the binary to measure")
	runs := flag.Int("n", 50, "runs of each fault")
	only := flag.String("fault", "", "only this one: refuse or hang")
	quick := flag.Bool("quick", false, "5 runs of each fault")
	backend := flag.String("backend", "", "be a backend on this address (for this program's own use)")
	flag.Parse()
	if *backend != "" {
		exit(serveBackend(*backend))
	}
	if *quick {
		*runs = 5
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, *binary, *only, *runs)
	stop()
	exit(err)
}

// errMissed says that a value was not reached; the table has said which.
var errMissed = errors.New("not every value was reached")

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-failover:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bench(ctx context.Context, binary, only string, runs int) (err error) {
	chosen := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return only != "" && f.name != only })
	if len(chosen) == 0 {
		return fmt.Errorf("there is no fault %q", only)
	}
	stage, err := live.Open(binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	f, err := newField(stage)
	if err != nil {
		return err
	}
	fmt.Printf("vitalns failover: %d times a backend is killed, %d times one hangs, at random moments\n", runs, runs)
	fmt.Printf("all on this machine, on loopback; %d backends in turn; times from the moment before the fault\n", len(f.backends))
	began, before := time.Now(), readMachine()
	for _, name := range f.missing {
		fmt.Println("left out:", name)
	}
	ctx, cancel := context.WithCancel(ctx)
	if err := f.open(ctx); err != nil {
		cancel()
		return err
	}
	wait := f.watch(ctx)
	defer wait()
	defer cancel()
	missed := false
	for _, fault := range chosen {
		r, err := f.measure(ctx, fault, runs)
		if err != nil {
			return err
		}
		missed = r.print(fault, f) || missed
		if fault.name == "refuse" {
			missed = compare(f, r) || missed
		}
	}
	readMachine().print(before, time.Since(began))
	f.pulse.print()
	if missed {
		return errMissed
	}
	return nil
}
