package zonefile

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"unicode/utf8"

	"vitalns/zones"
)

// Limits of what one master file may bring in.
const (
	maxIncludeDepth = 20      // more is taken for a cycle
	maxIncludes     = 1000    // files in all
	maxGenerated    = 1 << 20 // records in all: a reverse zone of a /12
)

// A keeper takes what master files hold.
type keeper interface {
	// owner returns a number, 0 or more, for a canonical name of the zone. note says where the name is from,
	// at where it stands.
	owner(f *masterFile, name []byte, at token, note int32) int32
	name(owner int32) zones.Name
	// record takes a record that is no SOA. It copies the rdata, which is in wire form.
	record(f *masterFile, r *masterRecord, ttl uint32, wire []byte)
}

// A masterScanner reads master files into a keeper.
type masterScanner struct {
	keep  keeper
	zone  zones.Name
	open  func(file string) ([]byte, error)
	files []*masterFile // in order of appearance, those included where they are
	notes []string      // where owners are from: "" the file itself, a $GENERATE, an included file
	soa   *zones.SOA
	soaAt uint32 // place of it
	found
	includes  int
	generated int
	begin     masterTTL // of a file that is named by none before it
	ttl       masterTTL
	rec       masterRecord // scratch, as what follows
	rdata     []byte
	name      []byte
	toks      []token
}

// A masterTTL is what a record without a TTL gets: $TTL (RFC 2308 §4), else that of the record before
// it (RFC 1035 §5.1).
type masterTTL struct {
	standard, before, last             uint32
	haveStandard, haveBefore, haveLast bool // last: where nothing else says one
}

// A masterFile is a file, or a piece of text, while it is read.
type masterFile struct {
	*masterScanner
	path   string
	base   uint32 // place of its first byte among those of all files
	text   string
	pos    int
	depth  int
	origin string // wire form
	owner  int32  // of the record before, or why there is none
	note   int32
	lines  []int // offsets at which lines begin; made for the first problem
}

// scanMaster reads a master file (RFC 1035 §5, RFC 2308 §4, $GENERATE as BIND has it). It goes on
// after an error, so that every problem is reported. open reads the files of $INCLUDE; nil forbids
// them. What is out of the zone is left out with a warning.
func scanMaster(path string, text []byte, origin zones.Name, open func(file string) ([]byte, error)) (*master, Problems) {
	m := &master{origin: origin, index: map[zones.Name]int32{}}
	s := newMasterScanner(m, origin, open)
	s.scan(path, asText(text))
	m.soa, m.notes = s.soa, s.notes
	switch {
	case s.soa == nil:
		s.report(Problem{File: path, Text: fmt.Sprintf("no SOA record at %s", origin)})
	case m.find(origin, typeNS) == nil:
		s.report(Problem{File: path, Text: fmt.Sprintf("no NS record at %s", origin)})
	}
	return m, append(s.problems, s.rest(path)...)
}

func newMasterScanner(keep keeper, zone zones.Name, open func(file string) ([]byte, error)) *masterScanner {
	return &masterScanner{keep: keep, zone: zone, open: open, notes: []string{""}}
}

// scan reads a file that is named by none before it.
func (s *masterScanner) scan(path, text string) {
	s.ttl = s.begin
	f := &masterFile{masterScanner: s, path: path, text: text, origin: string(s.zone), owner: noOwner}
	if s.place(f) {
		f.scan()
	}
}

// add gives a file its place among all.
func (s *masterScanner) place(f *masterFile) bool {
	if n := len(s.files); n > 0 {
		f.base = s.files[n-1].base + uint32(len(s.files[n-1].text)) + 1
	}
	if uint64(f.base)+uint64(len(f.text)) >= math.MaxUint32 {
		s.report(Problem{File: f.path, Text: "the files of the zone are larger than 4 GiB"})
		return false
	}
	s.files = append(s.files, f)
	return true
}

// at returns the file that a place is in, and the offset there.
func (s *masterScanner) at(place uint32) (*masterFile, int) {
	i := sort.Search(len(s.files), func(i int) bool { return s.files[i].base > place }) - 1
	return s.files[i], int(place - s.files[i].base)
}

func (s *masterScanner) report(p Problem) {
	if !s.full(p.Severity) {
		s.take(p)
	}
}

// problem reports what is wrong with n bytes of the text at off.
func (f *masterFile) problem(severity Severity, off, n int, text, hint string) {
	if f.full(severity) {
		return
	}
	line := f.lineAt(off)
	off = min(off, len(f.text))
	start := f.lines[line-1]
	source := f.text[start:]
	if line < len(f.lines) {
		source = f.text[start : f.lines[line]-1]
	}
	inside := min(off-start, len(source))
	col := f.column(line, off)
	width := utf8.RuneCountInString(source[inside:min(inside+min(n, maxSource), len(source))])
	source, before := excerpt(source, inside, col)
	f.take(Problem{
		File: f.path, Line: line, Col: col, Width: max(1, width), before: before,
		Severity: severity, Text: text, Hint: hint,
		Source: strings.Clone(source), // or a problem would keep the text of the whole file
	})
}

// column is the column, from 1, of an offset in its line.
func (f *masterFile) column(line, off int) int {
	start, end := f.lines[line-1], len(f.text)
	if line < len(f.lines) {
		end = f.lines[line] - 1
	}
	return utf8.RuneCountInString(f.text[start:min(off, end)]) + 1
}

// lineAt is the line, from 1, that an offset is in.
func (f *masterFile) lineAt(off int) int {
	if f.lines == nil {
		f.lines = lineStarts(f.text)
	}
	return sort.SearchInts(f.lines, min(off, len(f.text))+1)
}

func (f *masterFile) errorAt(t token, format string, args ...any) {
	f.problem(Error, t.off, t.len(), say(format, args...), "")
}

func (f *masterFile) warnAt(t token, format string, args ...any) {
	f.problem(Warning, t.off, t.len(), say(format, args...), "")
}

// rdataProblem reports an error of a piece of rdata; one without a place is at t.
func (f *masterFile) rdataProblem(err error, t token) {
	e := *err.(*rdataError)
	if e.Len == 0 {
		e.Off, e.Len = t.off, t.len()
	}
	f.problem(Error, e.Off, e.Len, e.Text, e.Hint)
}

// scan reads all of the text.
func (f *masterFile) scan() {
	if strings.HasPrefix(f.text, "\ufeff") {
		f.pos = len("\ufeff")
	}
	for f.pos < len(f.text) {
		blank := f.text[f.pos] == ' ' || f.text[f.pos] == '\t'
		if !f.line() || len(f.toks) == 0 {
			continue
		}
		first := f.toks[0]
		if !blank && !first.quoted && first.text[0] == '$' {
			f.directive(f.toks)
		} else {
			f.record(f.toks, blank)
		}
	}
}

// line reads the tokens of a line, or of more than one where parentheses join them, into toks. It
// returns false after an error, behind the end of the line that has it.
func (f *masterFile) line() bool {
	f.toks = f.toks[:0]
	depth, opened := 0, 0 // parentheses that are open, offset of the first
	for f.pos < len(f.text) {
		switch c := f.text[f.pos]; c {
		case ' ', '\t', '\r':
			f.pos++
		case '\n':
			f.pos++
			if depth == 0 {
				return true
			}
		case ';':
			f.skipLine()
		case '(':
			if depth == 0 {
				opened = f.pos
			}
			depth++
			f.pos++
		case 0:
			f.problem(Error, f.pos, 1, nulText, nulHint)
			f.skipLine()
			return false
		case ')':
			if depth == 0 {
				return f.giveUp(f.pos, 1, `")" without "("`)
			}
			depth--
			f.pos++
		default:
			t, next, err := scanToken(f.text, f.pos)
			if err != nil {
				e := err.(*rdataError)
				f.pos = next
				return f.giveUp(e.Off, e.Len, e.Text)
			}
			f.toks, f.pos = append(f.toks, t), next
		}
	}
	if depth > 0 {
		return f.giveUp(opened, 1, `"(" without ")"`)
	}
	return true
}

// skipLine goes to the end of the line, before the line break.
func (f *masterFile) skipLine() {
	if i := strings.IndexByte(f.text[f.pos:], '\n'); i >= 0 {
		f.pos += i
	} else {
		f.pos = len(f.text)
	}
}

func (f *masterFile) giveUp(off, n int, text string) bool {
	f.problem(Error, off, n, text, "")
	f.skipLine()
	return false
}
