//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"vitalns/test/bench/stat"
)

// A row is one server asked in one dress, with a measured of each round.
type row struct {
	server, kind string
	runs         []measured
}

// A report is all rows, in the order they were first measured.
type report struct{ rows []*row }

func (r *report) add(s server, k kind, m measured) {
	found := r.row(s.title, k.title)
	if found == nil {
		found = &row{server: s.title, kind: k.title}
		r.rows = append(r.rows, found)
	}
	found.runs = append(found.runs, m)
}

func (r *report) row(server, kind string) *row {
	for _, x := range r.rows {
		if x.server == server && x.kind == kind {
			return x
		}
	}
	return nil
}

func (x *row) values(of func(measured) float64) []float64 {
	var vs []float64
	for _, m := range x.runs {
		vs = append(vs, of(m))
	}
	return vs
}

func spread(vs []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+"-"+format+")", stat.Median(vs), slices.Min(vs), slices.Max(vs))
}

var (
	perQuery = func(m measured) float64 { return m.perQuery }
	atLow    = func(m measured) float64 { return m.atLow }
	halfUs   = func(m measured) float64 { return float64(m.half) / 1e3 }
)

// String draws the table: medians, least and most.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-9s %-15s %-18s %-19s %-19s %-14s %9s %8s\n", "server", "queries", "kq/s", "us of CPU a query", "at 30,000/s", "p50 at half", "memory", "load")
	for _, x := range r.rows {
		fmt.Fprintf(&b, "%-9s %-15s %-18s %-19s %-19s %-14s %7.1f M %5.0f ms\n", x.server, x.kind,
			spread(x.values(func(m measured) float64 { return m.rate / 1e3 }), "%.0f"), spread(x.values(perQuery), "%.2f"), spread(x.values(atLow), "%.2f"),
			spread(x.values(halfUs), "%.0f")+" us", stat.Median(x.values(func(m measured) float64 { return float64(m.memory) / (1 << 20) })),
			stat.Median(x.values(func(m measured) float64 { return float64(m.load.Milliseconds()) })))
	}
	return b.String()
}

// A must is a ratio of two rows that is not to be exceeded.
type must struct {
	title          string
	server, kind   string
	than, thanKind string
	of             func(measured) float64
	most, goal     float64
}

// musts prints each ratio, the median of those of the rounds, and reports whether all were kept.
func (r *report) musts() bool {
	kept := true
	for _, m := range []must{
		{"CPU a query, everything on : gdnsd plain", "vitalns", "EDNS+DO+cookie", "gdnsd", "plain", perQuery, 1.05, 0.97},
		{"CPU a query, plain queries : gdnsd plain", "vitalns", "plain", "gdnsd", "plain", perQuery, 1.05, 0.97},
		{"CPU a query, everything on : the floor", "vitalns", "EDNS+DO+cookie", "echo", "plain", perQuery, 1.15, 1.06},
		{"CPU a query, plain queries : the floor", "vitalns", "plain", "echo", "plain", perQuery, 1.15, 1.06},
		{"CPU a query at 30,000/s : gdnsd", "vitalns", "plain", "gdnsd", "plain", atLow, 1.15, 1.00},
		{"live pools, dressed : own static plain", "vitalns", "live pools", "vitalns", "plain", perQuery, 1.05, 0},
		{"p50 at half of own saturation : gdnsd", "vitalns", "plain", "gdnsd", "plain", halfUs, 1.00, 0},
	} {
		x, y := r.row(m.server, m.kind), r.row(m.than, m.thanKind)
		if x == nil || y == nil {
			continue
		}
		var ratios []float64
		for i := range min(len(x.runs), len(y.runs)) {
			ratios = append(ratios, m.of(x.runs[i])/m.of(y.runs[i]))
		}
		verdict := "ok"
		if stat.Median(ratios) > m.most {
			verdict, kept = "MISSED", false
		}
		goal := ""
		if m.goal > 0 {
			goal = fmt.Sprintf(", goal %.2f", m.goal)
		}
		fmt.Printf("%-42s %s x, must be <= %.2f%s: %s\n", m.title, spread(ratios, "%.2f"), m.most, goal, verdict)
	}
	return kept
}
