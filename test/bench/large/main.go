//go:build linux

// Command large measures a zone of a million names with one address each: how long until it is answered
// from, what memory a name takes at rest and what the load takes at its peak, beside the rivals that are
// installed; and what a reload of it does to 100,000 queries a second.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"vitalns/test/bench/stat"
	"vitalns/test/bench/wide"
	"vitalns/test/live"
)

// What the issue of large zones asks for.
const (
	mustBytes = 120 // at rest, a name
	mustLoad  = 2500 * time.Millisecond
	mustPeak  = 2.0 // times what is at rest
)

const origin = "large.test."

func main() {
	binary := flag.String("vitalns", "./vitalns", "the binary to measure")
	names := flag.Int("names", 1_000_000, "names in the zone")
	rounds := flag.Int("n", 5, "runs of each server")
	rate := flag.Int("rate", 100_000, "queries a second during reloads")
	only := flag.String("only", "", "compare or reload; both")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *binary, *names, *rounds, *rate, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-large:", err)
		os.Exit(1)
	}
}

// A bench is the stage, and the files on it.
type bench struct {
	stage  *live.Stage
	binary string
	names  int
	zone   string // master file of all names
	none   string // the same without them
	missed []string
}

func run(ctx context.Context, binary string, names, rounds, rate int, only string) (err error) {
	stage, err := live.Open(binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	b := &bench{stage: stage, names: names}
	if b.binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	if b.zone, err = b.write("large.zone", names); err != nil {
		return err
	}
	if b.none, err = b.write("none.zone", 0); err != nil {
		return err
	}
	load, _ := os.ReadFile("/proc/loadavg") // for people who wonder
	fmt.Printf("a zone of %d names with one A each; %d CPUs, %s, load %s\n", names, runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(load)))
	for _, part := range []struct {
		name    string
		measure func() error
	}{
		{"compare", func() error { return b.compare(ctx, rounds) }},
		{"reload", func() error { return b.reload(ctx, rate) }},
	} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.measure(); err != nil {
			return err
		}
	}
	if len(b.missed) > 0 {
		return fmt.Errorf("MISSED: %s", strings.Join(b.missed, "; "))
	}
	return nil
}

// must notes a value that has to be reached, and returns what to say of it.
func (b *bench) must(ok bool, format string, args ...any) string {
	if ok {
		return "ok"
	}
	b.missed = append(b.missed, fmt.Sprintf(format, args...))
	return "MISSED"
}

// write writes a master file of so many names. Its first address changes with each that is written.
func (b *bench) write(name string, names int) (path string, err error) {
	path = filepath.Join(b.stage.Dir, name)
	return path, wide.Write(path, names, 1)
}

// A row is what was measured of one server.
type row struct {
	load       []time.Duration
	rest, peak []float64 // bytes
	empty      float64   // bytes, without the names
}

// compare measures every server that is installed.
func (b *bench) compare(ctx context.Context, rounds int) error {
	rows := map[string]*row{}
	for round := range rounds {
		for _, s := range servers {
			if !s.installed() {
				if round == 0 {
					fmt.Printf("  %-8s is not installed (Debian package %s)\n", s.title, s.pkg)
				}
				continue
			}
			if rows[s.title] == nil {
				empty, err := b.measure(ctx, s, b.none, "ns1."+origin)
				if err != nil {
					return err
				}
				rows[s.title] = &row{empty: empty.rest}
			}
			m, err := b.measure(ctx, s, b.zone, fmt.Sprintf("h%07d.%s", b.names-1, origin))
			if err != nil {
				return err
			}
			r := rows[s.title]
			r.load, r.rest, r.peak = append(r.load, m.load), append(r.rest, m.rest), append(r.peak, m.peak)
		}
	}
	fmt.Printf("  %-8s %-28s %-14s %-12s %s\n", "", "answering after (min-max)", "a name at rest", "at rest", "peak")
	for _, s := range servers {
		r := rows[s.title]
		if r == nil {
			continue
		}
		bytes, peak := (stat.Median(r.rest)-r.empty)/float64(b.names), stat.Median(r.peak)/stat.Median(r.rest)
		fmt.Printf("  %-8s %5.2f s (%.2f-%.2f)%13s %5.0f bytes    %6.1f MB    %6.1f MB = %.2f x\n", s.title, stat.Median(r.load).Seconds(), slices.Min(r.load).Seconds(),
			slices.Max(r.load).Seconds(), "", bytes, stat.Median(r.rest)/1e6, stat.Median(r.peak)/1e6, peak)
		if s.title == "vitalns" {
			fmt.Printf("    answering within %v: %s; <= %d bytes a name: %s; peak <= %.0f x: %s\n",
				mustLoad, b.must(stat.Median(r.load) <= mustLoad, "answering after %v", stat.Median(r.load)),
				mustBytes, b.must(bytes <= mustBytes, "%.0f bytes a name", bytes), mustPeak, b.must(peak <= mustPeak, "a peak of %.2f x", peak))
		}
	}
	return nil
}
