package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"vitalns/test/bench/stat"
)

// A result is what one fault took, for each system and run.
type result struct {
	changed [][]time.Duration // until the last node's answer had changed
	spread  [][]time.Duration // from the first node's changed answer to the last's
}

func newResult(systems int) result {
	return result{changed: make([][]time.Duration, systems), spread: make([][]time.Duration, systems)}
}

const (
	head = "%-26s %4s %8s %8s %8s %8s\n"
	line = "%-26s %4d %8s %8s %8s %8s%s\n"
)

// print writes the table of a fault and reports whether a value that must be reached was not.
func (r result) print(ft fault, f *field) (missed bool) {
	fmt.Printf("\n%s: %s\n", ft.name, ft.what)
	fmt.Printf(head, "until changed everywhere", "n", "min", "median", "p99", "max")
	for i, s := range f.systems {
		must := ""
		if i == 0 {
			var bad bool
			must, bad = ft.must.judge(r.changed[0], seconds)
			must, missed = must+fmt.Sprintf("  (bound %s)", seconds(s.bound[ft.name])), missed || bad
		} else if b, ok := s.bound[ft.name]; ok {
			must = fmt.Sprintf("  (bound %s)", seconds(b))
		}
		row(s.title, r.changed[i], seconds, must)
		fmt.Printf("    %s\n", s.settings[ft.name])
	}
	fmt.Printf(head, "first node to last", "n", "min", "median", "p99", "max")
	for i, s := range f.systems {
		if s.rival {
			continue
		}
		must := ""
		if i == 0 {
			var bad bool
			must, bad = mustAgree.judge(r.spread[0], millis)
			missed = missed || bad
		}
		row(s.title, r.spread[i], millis, must)
	}
	return missed
}

func row(title string, v []time.Duration, unit func(time.Duration) string, must string) {
	fmt.Printf(line, title, len(v), unit(slices.Min(v)), unit(stat.Median(v)), unit(stat.At(v, 0.99)), unit(slices.Max(v)), must)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
func millis(d time.Duration) string  { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

// judge holds values against what must be reached.
func (m must) judge(v []time.Duration, unit func(time.Duration) string) (text string, missed bool) {
	mid, most := stat.Median(v) <= m.median, slices.Max(v) <= m.max
	return fmt.Sprintf("  must: median <= %s %s, max <= %s %s", unit(m.median), verdict(mid), unit(m.max), verdict(most)), !mid || !most
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "MISSED"
}

// leastRatio is how many times as fast as the better rival vitalns is to be at its least interval.
const leastRatio = 3

// compare holds vitalns against its rivals, by the medians of a refusing backend.
func compare(f *field, refuse result) (missed bool) {
	best, name := time.Duration(math.MaxInt64), ""
	for i, s := range f.systems {
		if m := stat.Median(refuse.changed[i]); s.rival && m < best {
			best, name = m, s.title
		}
	}
	fmt.Printf("\nagainst the rivals, a backend that refuses, medians\n")
	if name == "" {
		fmt.Println("  none of them is installed")
		return false
	}
	ordinary, fast := stat.Median(refuse.changed[0]), stat.Median(refuse.changed[len(f.systems)-1])
	fmt.Printf("  the better of them: %s, %s\n", name, seconds(best))
	fmt.Printf("  vitalns at 1 s:     %s, %.1f times as fast  must: faster %s (though damped by fall = 2)\n", seconds(ordinary), ratio(best, ordinary), verdict(ordinary < best))
	enough := ratio(best, fast) >= leastRatio
	fmt.Printf("  vitalns at 100 ms:  %s, %.1f times as fast  must: >= %d %s\n", seconds(fast), ratio(best, fast), leastRatio, verdict(enough))
	return ordinary >= best || !enough
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// progress shows on a terminal what goes on; "" ends it.
func progress(format string, args ...any) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
	}
}
