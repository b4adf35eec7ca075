package zonefile

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Severity tells what forbids a file from what is only unwise.
type Severity uint8

const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// A Problem is one thing that is wrong with a file, and where. Line and Col count from 1, Col and Width
// in characters; a Problem of a whole file has Line 0 and no Source.
type Problem struct {
	File             string
	Line, Col, Width int
	Severity         Severity
	Text             string
	Hint             string // what to do about it; "" where Text says it all
	Source           string // the line; of a long one the part around the place
	before           int    // characters of the line before Source
	rest             int    // it stands for so many beyond the limit; 0: for itself
}

// Problems is what is wrong with a set of files.
type Problems []Problem

// Limits of what is kept of the problems of one file, or of the master files of one zone.
const (
	maxProblems = 1000    // errors, and as many warnings; the rest of either is one line that says so
	maxSource   = 4 << 10 // of a line, in bytes
)

// Found is what has been found wrong so far.
type found struct {
	problems Problems
	counts   [2]int // by severity, those beyond the limit too
}

// take keeps a problem that full has made room for.
func (f *found) take(p Problem) {
	p.Text, p.Hint = clip(p.Text, maxSaid), clip(p.Hint, maxSaid)
	f.problems = append(f.problems, p)
}

// full counts a problem, and reports whether there are enough of its severity already.
func (f *found) full(severity Severity) bool {
	f.counts[severity]++
	return f.counts[severity] > maxProblems
}

// rest tells how many problems are beyond the limit, behind the last of a file.
func (f *found) rest(file string) (ps Problems) {
	for severity, n := range f.counts {
		if n -= maxProblems; n > 0 {
			ps = append(ps, Problem{File: file, Severity: Severity(severity), rest: n, Text: count(n, "more "+Severity(severity).String())})
		}
	}
	return ps
}

// count is a number of things in words: "1 error", "2 errors".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// What is left of a file by a crash, or by a disk that was full, is often a run of NUL bytes.
const (
	nulText = "a NUL byte"
	nulHint = "the file is no text, or was not written to its end: put it there again"
)

// Errors counts the problems that are errors.
func (ps Problems) Errors() int { return ps.count(Error) }

// Warnings counts the problems that are warnings.
func (ps Problems) Warnings() int { return ps.count(Warning) }

func (ps Problems) count(severity Severity) (n int) {
	for _, p := range ps {
		if p.Severity == severity {
			n += max(1, p.rest)
		}
	}
	return n
}

// Sort puts the problems in order of file (as the files were given), line and column, and drops
// repetitions. Of what is beyond the limit of a file the last count holds: it has those before in it.
func (ps Problems) Sort(files []string) Problems {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), strings.Compare(a.File, b.File),
			after(a)-after(b), a.Line-b.Line, a.Col-b.Col, cmp.Compare(a.Severity, b.Severity))
	})
	type limit struct {
		file     string
		severity Severity
	}
	beyond := map[limit]int{}
	for _, p := range ps {
		beyond[limit{p.File, p.Severity}] = max(beyond[limit{p.File, p.Severity}], p.rest)
	}
	seen := make(map[Problem]bool, len(ps))
	return slices.DeleteFunc(ps, func(p Problem) bool {
		p.Hint = ""
		again := seen[p] || p.rest > 0 && p.rest < beyond[limit{p.File, p.Severity}]
		seen[p] = true
		return again
	})
}

// after is 1 for what comes behind all else of a file.
func after(p Problem) int {
	if p.rest > 0 {
		return 1
	}
	return 0
}

// Format writes the report for people: each problem with its place, its line and a way out, then the
// count. Nothing of a file reaches a terminal unfiltered.
func (ps Problems) Format(w io.Writer) error {
	var b strings.Builder
	for _, p := range ps {
		p.write(&b)
	}
	fmt.Fprintf(&b, "%s, %s\n", count(ps.Errors(), "error"), count(ps.Warnings(), "warning"))
	_, err := io.WriteString(w, b.String())
	return err
}

// Error returns the first line of the report on one problem.
func (p Problem) Error() string {
	file, text := printable(clip(p.File, maxSaid)), printable(clip(p.Text, maxSaid))
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", file, p.Severity, text)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", file, p.Line, p.Col, p.Severity, text)
}

func (p Problem) write(b *strings.Builder) {
	b.WriteString(p.Error())
	b.WriteByte('\n')
	if p.Line > 0 && p.Source != "" {
		line, col, width := window(p.Source, p.Col-p.before, max(p.Width, 1))
		fmt.Fprintf(b, "%5d | %s\n", p.Line, line)
		fmt.Fprintf(b, "      | %s%s\n", indent(line, col), strings.Repeat("^", width))
	}
	if p.Hint != "" {
		fmt.Fprintf(b, "   hint: %s\n", printable(clip(p.Hint, maxSaid)))
	}
}

// window cuts a long line to the part around the place, in characters.
func window(source string, col, width int) (line string, c, w int) {
	const most, before = 160, 60
	chars := []rune(printable(strings.TrimRight(source, " \t\r")))
	if len(chars) <= most {
		return string(chars), col, clampWidth(len(chars), col, width)
	}
	from := min(max(0, col-1-before), len(chars)-1)
	to := min(len(chars), from+most)
	line, shift := string(chars[from:to]), from
	if from > 0 {
		line, shift = "..."+line, from-3
	}
	c, w = col-shift, clampWidth(to-shift, col-shift, width)
	if to < len(chars) {
		line += "..."
	}
	return line, c, w
}

// clampWidth keeps a mark inside its line, or just behind its end.
func clampWidth(length, col, width int) int { return max(1, min(width, length-col+1)) }

// indent is the space before a mark: tabs stay tabs, so that the mark stands under its place.
func indent(line string, col int) string {
	var b strings.Builder
	n := 1
	for _, r := range line {
		if n == col {
			break
		}
		n++
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	for ; n < col; n++ {
		b.WriteByte(' ')
	}
	return b.String()
}

// printable replaces each character that a terminal might act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return utf8.RuneError
	}, s)
}
