package zonefile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// A File is a file as the user names it, with what is in it, which is not to change any more.
type File struct {
	Path string
	Text []byte
}

// A Doc is one TOML file, read: its tree, and what has been found wrong with it so far.
type Doc struct {
	Path  string
	text  string // without a byte order mark
	lines []int  // where each line starts
	root  *Value
	found
	counted struct{ off, chars int } // the column that was counted last: an offset, and the characters before it in its line
}

// A Value is a key with its value, or an item of a list. The getters store what it holds, or report
// what is wrong with it, in its place, and leave alone what they were to store into. A nil Value is a
// key that is not there: its getters do nothing.
type Value struct {
	Name string // the key; for an item that of its list

	doc     *Doc
	where   string // what it belongs to, for messages: `pool "www"`
	kind    kind
	written bool // the key stands in the text; else it is implied by a longer one
	key     span // of an item: none
	val     span // of a table with a header: none
	data    any  // of a scalar: string, int64, float64, bool or time.Time
	fields  []*Value
	byName  map[string]*Value
	items   []*Value
}

type kind uint8

const (
	noKind kind = iota
	scalarKind
	listKind
	tableKind
)

// Parse reads a TOML file. A file that is no TOML has a nil root, and a problem that says why.
func Parse(f File) *Doc {
	d := &Doc{Path: f.Path, text: strings.TrimPrefix(asText(f.Text), "\ufeff")}
	d.lines = lineStarts(d.text)
	if at := strings.IndexByte(d.text, 0); at >= 0 {
		d.report(span{at, at + 1}, Error, nulText, nulHint)
		return d
	}
	if at := invalidUTF8(d.text); at >= 0 {
		d.report(span{at, at + 1}, Error, "the file is not UTF-8", "")
		return d
	}
	var tree map[string]any
	if _, err := toml.Decode(d.text, &tree); err != nil {
		d.syntax(err)
		return d
	}
	root, bad := index(d.text)
	if bad == nil && !root.join(d, tree) {
		bad = &badKey{text: "the decoder reads another tree than the index of positions"}
	}
	if bad != nil {
		d.report(bad.at, Error, "syntax: "+bad.text, "")
		return d
	}
	d.root = root
	return d
}

// lineStarts is where each line of a text begins.
func lineStarts(text string) []int {
	lines := []int{0}
	for at := 0; ; {
		n := strings.IndexByte(text[at:], '\n')
		if n < 0 {
			return lines
		}
		at += n + 1
		lines = append(lines, at)
	}
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// join gives the values of the decoded tree to the tree of places. It reports whether they agree.
func (v *Value) join(d *Doc, data any) bool {
	v.doc = d
	switch data := data.(type) {
	case map[string]any:
		if v.kind != tableKind || len(data) != len(v.fields) {
			return false
		}
		for _, f := range v.fields {
			x, ok := data[f.Name]
			if !ok || !f.join(d, x) {
				return false
			}
		}
		return true
	case []map[string]any:
		return joinItems(d, v, data)
	case []any:
		return joinItems(d, v, data)
	}
	v.data = data
	return v.kind == scalarKind && data != nil
}

func joinItems[T any](d *Doc, v *Value, data []T) bool {
	if v.kind != listKind || len(data) != len(v.items) {
		return false
	}
	for i, item := range v.items {
		item.Name = v.Name
		if !item.join(d, data[i]) {
			return false
		}
	}
	return true
}

// Problems is what has been found wrong so far, in the order it was found.
func (d *Doc) Problems() Problems { return append(slices.Clip(d.problems), d.rest(d.Path)...) }

// Root returns the file's own table, whose keys are those of the table of keys; nil if the file is no
// TOML.
func (d *Doc) Root(keys Keys) *Table { return d.root.Table("", keys) }

// Mistaken reports a file that is of another sort: it has none of the keys that tell its own, and some that
// tell the other, which what names.
func (d *Doc) Mistaken(own, other []string, what, hint string) bool {
	if d.root == nil {
		return false
	}
	var sign *Value
	for _, f := range d.root.fields {
		if slices.Contains(own, f.Name) {
			return false
		}
		if sign == nil && slices.Contains(other, f.Name) {
			sign = f
		}
	}
	if sign == nil {
		return false
	}
	sign.KeyError(hint, "%s", what)
	return true
}

func (d *Doc) report(at span, severity Severity, text, hint string) {
	if d.full(severity) {
		return
	}
	at.from = min(max(at.from, 0), len(d.text))
	at.to = min(max(at.to, at.from), len(d.text))
	for at.from > 0 && at.from < len(d.text) && !utf8.RuneStart(d.text[at.from]) {
		at.from-- // the decoder may point into a character
	}
	line := sort.SearchInts(d.lines, at.from+1)
	start, end := d.lines[line-1], len(d.text)
	if line < len(d.lines) {
		end = d.lines[line] - 1
	}
	end = max(start, end)
	source := strings.TrimSuffix(d.text[start:end], "\r")
	from := min(at.from, start+len(source))
	to := min(max(at.to, from), start+len(source), from+maxSource)
	col := d.column(start, from)
	source, before := excerpt(source, from-start, col)
	d.take(Problem{
		File: d.Path, Line: line, Col: col, before: before,
		Width:    max(1, utf8.RuneCountInString(d.text[from:to])),
		Severity: severity, Text: text, Hint: hint, Source: strings.Clone(strings.ToValidUTF8(source, "\ufffd")), // or a problem would keep the text of the whole file
	})
}

// column is the column, from 1, of an offset in the line that begins at start. It counts on from where it
// was asked last: one line may have many problems.
func (d *Doc) column(start, off int) int {
	c := &d.counted
	if c.off < start || c.off > off {
		c.off, c.chars = start, 0
	}
	c.chars += utf8.RuneCountInString(d.text[c.off:off])
	c.off = off
	return c.chars + 1
}

// place is where a problem of a value is shown: the value, or the header of a table.
func (v *Value) place() span {
	if v.val != (span{}) {
		return v.val
	}
	return v.key
}

// line is the line the value stands on.
func (v *Value) line() int { return sort.SearchInts(v.doc.lines, v.place().from+1) }

// there is the place of the value, for people who look at another file.
func (v *Value) there() string {
	at := v.place().from
	line := sort.SearchInts(v.doc.lines, at+1)
	return fmt.Sprintf("%s:%d:%d", v.doc.Path, line, v.doc.column(v.doc.lines[line-1], at))
}

// Error reports that the value is wrong. The hint says what to do; it may be empty.
func (v *Value) Error(hint, format string, args ...any) {
	v.doc.report(v.place(), Error, v.text(format, args), hint)
}

// Warn reports that the value is unwise.
func (v *Value) Warn(hint, format string, args ...any) {
	v.doc.report(v.place(), Warning, v.text(format, args), hint)
}

// KeyError reports that the key is wrong where it stands, or that something is amiss with the table
// under it.
func (v *Value) KeyError(hint, format string, args ...any) {
	v.doc.report(v.keyPlace(), Error, v.text(format, args), hint)
}

// KeyWarn is KeyError for what is only unwise.
func (v *Value) KeyWarn(hint, format string, args ...any) {
	v.doc.report(v.keyPlace(), Warning, v.text(format, args), hint)
}

func (v *Value) keyPlace() span {
	if v.key != (span{}) {
		return v.key
	}
	return v.val
}

func (v *Value) text(format string, args []any) string {
	text := format
	if len(args) > 0 {
		text = say(format, args...)
	}
	if v.where != "" {
		text = v.where + ": " + text
	}
	return text
}

// typeName is the type of the value in words.
func (v *Value) typeName() string {
	switch v.kind {
	case tableKind:
		return "a table"
	case listKind:
		return "a list"
	}
	switch v.data.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case time.Time:
		return "a date"
	}
	return "nothing"
}

var (
	definedTwice = regexp.MustCompile(`^Key '(.*)' has already been defined\.$`)
	bareWord     = regexp.MustCompile(`^expected value but found "(.*)" instead$`)
	oddHeader    = regexp.MustCompile(`^\s*\[\s*(records|pools|checks)\.\s*([^"'\]]*[^"'\]A-Za-z0-9_-][^"'\]]*)\]`)
)

// syntax reports why the file is no TOML. That ends its report.
func (d *Doc) syntax(err error) {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		d.report(span{}, Error, err.Error(), "")
		return
	}
	at := span{pe.Position.Start, pe.Position.Start + pe.Position.Len}
	text, hint := lowerFirst(strings.TrimSuffix(pe.Message, ".")), ""
	line := d.lineAt(at.from)
	switch {
	case oddHeader.MatchString(line):
		m := oddHeader.FindStringSubmatch(line)
		hint = fmt.Sprintf("write [%s.%q]", m[1], m[2])
	case definedTwice.MatchString(pe.Message):
		text = say("%s is there twice", definedTwice.FindStringSubmatch(pe.Message)[1])
		hint = "a key or a [header] may stand only once in a file"
	case bareWord.MatchString(pe.Message):
		word := bareWord.FindStringSubmatch(pe.Message)[1]
		text = say("%s is no value", word)
		hint = fmt.Sprintf("strings stand in quotes: %q", word)
	}
	d.report(at, Error, "syntax: "+text, hint)
}

func (d *Doc) lineAt(at int) string {
	at = min(max(at, 0), len(d.text))
	n := sort.SearchInts(d.lines, at+1)
	line, _, _ := strings.Cut(d.text[d.lines[n-1]:], "\n")
	return line
}

func lowerFirst(s string) string {
	if s == "" || len(s) > 1 && strings.ToUpper(s[:2]) == s[:2] { // an abbreviation
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
