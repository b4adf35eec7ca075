package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A machine is how busy this one is, as far as Linux tells.
type machine struct {
	load               string
	total, idle, steal uint64 // ticks of all CPUs
}

func readMachine() machine {
	var m machine
	raw, _ := os.ReadFile("/proc/loadavg") // not on every system
	m.load, _, _ = strings.Cut(string(raw), " ")
	raw, _ = os.ReadFile("/proc/stat") // as above
	first, _, _ := strings.Cut(string(raw), "\n")
	for i, field := range strings.Fields(first) {
		if n, err := strconv.ParseUint(field, 10, 64); err == nil && i <= 8 { // what follows is counted twice
			m.total += n
			switch i {
			case 4, 5:
				m.idle += n
			case 8:
				m.steal += n
			}
		}
	}
	return m
}

// print says how busy the machine was since before: what disturbs the figures.
func (m machine) print(before machine, took time.Duration) {
	fmt.Printf("\nmachine: %d CPUs, %s; took %.0f s", runtime.NumCPU(), runtime.Version(), took.Seconds())
	if total := m.total - before.total; total > 0 {
		share := func(n uint64) float64 { return 100 * float64(n) / float64(total) }
		fmt.Printf("; load %s before, %s after; CPUs %.0f %% busy, %.1f %% stolen", before.load, m.load, 100-share(m.idle-before.idle), share(m.steal-before.steal))
	}
	fmt.Println()
}

// A pulse beats every millisecond and so sees when this process itself was held up: what was measured
// meanwhile is too long by as much.
type pulse struct {
	mu    sync.Mutex // protects what follows
	gaps  []gap      // since the last mark
	worst []time.Duration
}

type gap struct {
	end  time.Time
	long time.Duration
}

// Gaps below noticed are of no interest; those above disturbing are reported.
const (
	noticed    = 5 * time.Millisecond
	disturbing = 20 * time.Millisecond
)

func newPulse() *pulse { return new(pulse) }

func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if long := now.Sub(last); long > noticed {
			p.mu.Lock()
			p.gaps = append(p.gaps, gap{now, long})
			p.mu.Unlock()
		}
		last = now
	}
}

// mark notes the longest gap of a run.
func (p *pulse) mark(from, to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var worst time.Duration
	for _, g := range p.gaps {
		if g.end.After(from) && g.end.Before(to) {
			worst = max(worst, g.long)
		}
	}
	p.gaps, p.worst = nil, append(p.worst, worst)
}

// print says how often this process was held up.
func (p *pulse) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, w := range p.worst {
		if w > disturbing {
			n++
		}
	}
	fmt.Printf("disturbance: in %d of %d runs this program was itself held up for more than %s, at worst for %s\n",
		n, len(p.worst), disturbing, slices.Max(append(p.worst, 0)).Round(time.Millisecond))
}
