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

// A report is all rows, in the order they were first measured, and the ratios of what was measured in turn.
type report struct {
	rows   []*row
	inTurn map[string][]float64 // by the title of their must, one of each round
}

func (r *report) add(s server, k kind, m measured) {
	x := r.row(s.title, k.title)
	if x == nil {
		x = &row{server: s.title, kind: k.title}
		r.rows = append(r.rows, x)
	}
	x.runs = append(x.runs, m)
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
	fmt.Fprintf(&b, "%-9s %-15s %-18s %-19s %-19s %-15s %-14s %s\n", "server", "queries", "kq/s", "us of CPU a query", "at 30,000/s", "p50 at half, us", "memory, MB", "load, ms")
	for _, x := range r.rows {
		fmt.Fprintf(&b, "%-9s %-15s %-18s %-19s %-19s %-15s %-14s %s\n", x.server, x.kind,
			spread(x.values(func(m measured) float64 { return m.rate / 1e3 }), "%.0f"), spread(x.values(perQuery), "%.2f"), spread(x.values(atLow), "%.2f"),
			spread(x.values(halfUs), "%.0f"), spread(x.values(func(m measured) float64 { return float64(m.memory) / (1 << 20) }), "%.0f"),
			spread(x.values(func(m measured) float64 { return float64(m.load.Milliseconds()) }), "%.0f"))
	}
	return b.String()
}

// A must is a ratio of two rows that is not to be exceeded.
type must struct {
	title          string
	server, kind   string
	than, thanKind string
	most, goal     float64 // most 0: it is only shown
	of             func(measured) float64
}

// A party are those that some ratios are about. If it is paced, they are asked at half of their saturation as well.
type party struct {
	paced bool
	musts []must
}

// What is not to be exceeded by those that are measured alone, and by each party that takes turns.
var (
	alone = []must{
		{"CPU a query at 30,000/s : gdnsd", "vitalns", "plain", "gdnsd", "plain", 1.15, 1.00, atLow},
	}
	parties = []party{{musts: []must{
		{"CPU a query, everything on : gdnsd plain", "vitalns", "EDNS+DO+cookie", "gdnsd", "plain", 1.05, 0.97, perQuery},
		{"CPU a query, plain queries : gdnsd plain", "vitalns", "plain", "gdnsd", "plain", 1.05, 0.97, perQuery},
		{"CPU a query, everything on : the floor", "vitalns", "EDNS+DO+cookie", "echo", "plain", 1.15, 1.06, perQuery},
		{"the same, the floor asked with EDNS too", "vitalns", "EDNS+DO+cookie", "echo", "EDNS+DO+cookie", 0, 0, perQuery},
		{"CPU a query, plain queries : the floor", "vitalns", "plain", "echo", "plain", 1.15, 1.06, perQuery},
	}}, {musts: []must{
		{"live pools, dressed : own static plain", "vitalns", "live pools", "vitalns", "plain", 1.05, 0, perQuery},
	}}, {paced: true, musts: []must{
		// To be no later than gdnsd: less than 5 % is noise.
		{"p50 at half of own saturation : gdnsd", "vitalns", "plain", "gdnsd", "plain", 1.05, 1.00, halfUs},
	}}}
)

// about reports whether a server in a dress is part of the ratio.
func (m must) about(s server, k kind) bool {
	return m.server == s.title && m.kind == k.title || m.than == s.title && m.thanKind == k.title
}

// both reports whether both sides of the ratio are in a field.
func (m must) both(field []server) bool {
	has := func(title, dress string) bool {
		return slices.ContainsFunc(field, func(s server) bool {
			return s.title == title && slices.ContainsFunc(s.kinds(), func(k kind) bool { return k.title == dress })
		})
	}
	return has(m.server, m.kind) && has(m.than, m.thanKind)
}

// addTurns takes what each guest of a party has shown in one round.
func (r *report) addTurns(musts []must, guests []*guest, ms []measured) {
	at := func(server, kind string) int {
		return slices.IndexFunc(guests, func(g *guest) bool { return g.server.title == server && g.kind.title == kind })
	}
	for _, m := range musts {
		if x, y := at(m.server, m.kind), at(m.than, m.thanKind); x >= 0 && y >= 0 {
			r.inTurn[m.title] = append(r.inTurn[m.title], m.of(ms[x])/m.of(ms[y]))
		}
	}
}

// ratios are those of a must in each round of what is measured alone; none where something of it was not.
func (r *report) ratios(m must) (ratios []float64) {
	x, y := r.row(m.server, m.kind), r.row(m.than, m.thanKind)
	if x == nil || y == nil {
		return nil
	}
	for i := range min(len(x.runs), len(y.runs)) {
		ratios = append(ratios, m.of(x.runs[i])/m.of(y.runs[i]))
	}
	return ratios
}

// musts prints each ratio that was measured, the median of those of the rounds, and reports whether all were kept.
func (r *report) musts() bool {
	kept := true
	for _, p := range parties {
		for _, m := range p.musts {
			kept = m.keptBy(r.inTurn[m.title]) && kept
		}
	}
	for _, m := range alone {
		kept = m.keptBy(r.ratios(m)) && kept
	}
	return kept
}

func (m must) keptBy(ratios []float64) bool {
	if len(ratios) == 0 {
		return true
	}
	line := fmt.Sprintf("%-42s %s x", m.title, spread(ratios, "%.2f"))
	if m.most == 0 {
		fmt.Println(line)
		return true
	}
	kept, verdict := stat.Median(ratios) <= m.most, "ok"
	if !kept {
		verdict = "MISSED"
	}
	goal := ""
	if m.goal > 0 {
		goal = fmt.Sprintf(", goal %.2f", m.goal)
	}
	fmt.Printf("%s, must be <= %.2f%s: %s\n", line, m.most, goal, verdict)
	return kept
}
