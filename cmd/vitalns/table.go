package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// A table prints aligned columns, two spaces apart, without spaces at the ends of lines.
type table struct {
	out     io.Writer
	colours bool
	rows    [][]cell
}

// A cell is a text and the colour it has where there are colours.
type cell struct {
	text   string
	colour sgr
}

func newTable(out io.Writer, header ...string) *table {
	t := &table{out: out, colours: colour(out)}
	t.row(header...)
	for i := range header {
		t.colour(i, bold)
	}
	return t
}

func (t *table) row(texts ...string) {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i].text = text
	}
	t.rows = append(t.rows, cells)
}

// colour gives a cell of the last row a colour.
func (t *table) colour(column int, c sgr) { t.rows[len(t.rows)-1][column].colour = c }

func (t *table) flush() error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		pad := 0
		for i, c := range row {
			if c.text != "" {
				b.WriteString(strings.Repeat(" ", pad))
				pad = 0
			}
			b.WriteString(paint(t.colours, c.colour, c.text))
			pad += widths[i] - utf8.RuneCountInString(c.text) + 2
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// ago prints a duration in the two largest units that say something: "3d4h", "1m5s", "12s", "250ms".
func ago(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return units(d, time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour:
		return units(d, time.Hour, "h", time.Minute, "m")
	}
	return units(d, 24*time.Hour, "d", time.Hour, "h")
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	s := fmt.Sprintf("%d%s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		s += fmt.Sprintf("%d%s", rest, smallName)
	}
	return s
}

// dash stands for nothing in a column.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// few joins names, the first of many only.
func few(names []string, most int) string {
	if len(names) <= most+1 { // "and 1 more" is no shorter than the one
		return strings.Join(names, ",")
	}
	return fmt.Sprintf("%s,... %d more", strings.Join(names[:most], ","), len(names)-most)
}
