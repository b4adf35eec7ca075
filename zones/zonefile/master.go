package zonefile

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"vitalns/zones"
)

// Limits of what one master file may bring in.
const (
	maxMasterProblems = 1000    // the rest is one line that says so
	maxIncludeDepth   = 20      // more is taken for a cycle
	maxIncludes       = 1000    // files in all
	maxGenerated      = 1 << 20 // records in all: a reverse zone of a /12
)

// A master is what a master file and those it includes hold: owners in order of first appearance.
type master struct {
	origin zones.Name
	soa    *zones.SOA
	owners []masterOwner
	index  map[zones.Name]int32 // of owners
	notes  []string             // where owners are from: "" the file itself, a $GENERATE, an included file
}

// A masterOwner is a name with its sets of records.
type masterOwner struct {
	name zones.Name
	note int32 // of the record that named it first
	sets []masterSet
}

// A masterSet is the records of one owner and type; those that are signatures, of one type covered.
type masterSet struct {
	typ, covered uint16
	ttl          uint32
	block        int // run of records of this owner that set ttl
	rdata        [][]byte
	seen         map[string]bool // canonical rdata; nil while there are few
}

// A masterScanner reads master files into a master.
type masterScanner struct {
	*master
	open      func(file string) ([]byte, error)
	problems  Problems
	dropped   int      // problems beyond the limit
	severest  Severity // of those
	includes  int
	generated int
	ttl       masterTTL
	block     int        // run of records of one owner
	last      zones.Name // owner of that run
	arena     []byte     // rdata is kept in pieces of this
	name      []byte     // scratch
	toks      []token    // scratch
}

// A masterTTL is what a record without a TTL gets: $TTL (RFC 2308 §4), else that of the record before
// it (RFC 1035 §5.1).
type masterTTL struct {
	standard, before         uint32
	haveStandard, haveBefore bool
}

// A masterFile is a file, or a piece of text, while it is read.
type masterFile struct {
	*masterScanner
	path   string
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
	s := &masterScanner{
		master:   &master{origin: origin, index: map[zones.Name]int32{}, notes: []string{""}},
		open:     open,
		severest: Warning,
	}
	f := &masterFile{masterScanner: s, path: path, text: string(text), origin: string(origin), owner: noOwner}
	f.scan()
	switch {
	case s.soa == nil:
		s.report(Problem{File: path, Text: fmt.Sprintf("no SOA record at %s", origin)})
	case s.find(origin, typeNS) == nil:
		s.report(Problem{File: path, Text: fmt.Sprintf("no NS record at %s", origin)})
	}
	if s.dropped > 0 {
		s.problems = append(s.problems, Problem{File: path, Severity: s.severest, Text: fmt.Sprintf("%d more problems", s.dropped)})
	}
	return s.master, s.problems
}

// find returns the records of an owner and type, nil if there are none.
func (m *master) find(owner zones.Name, typ uint16) *masterSet {
	i, ok := m.index[owner]
	if !ok {
		return nil
	}
	for j := range m.owners[i].sets {
		if set := &m.owners[i].sets[j]; set.typ == typ {
			return set
		}
	}
	return nil
}

func (s *masterScanner) report(p Problem) {
	if !s.full(p.Severity) {
		s.problems = append(s.problems, p)
	}
}

// full reports whether there are enough problems already, and counts another one then.
func (s *masterScanner) full(severity Severity) bool {
	if len(s.problems) < maxMasterProblems {
		return false
	}
	s.dropped++
	s.severest = min(s.severest, severity)
	return true
}

// problem reports what is wrong with n bytes of the text at off.
func (f *masterFile) problem(severity Severity, off, n int, text, hint string) {
	if f.full(severity) {
		return
	}
	if f.lines == nil {
		f.lines = []int{0}
		for i := range len(f.text) {
			if f.text[i] == '\n' {
				f.lines = append(f.lines, i+1)
			}
		}
	}
	off = min(off, len(f.text))
	line := sort.SearchInts(f.lines, off+1)
	start := f.lines[line-1]
	source := f.text[start:]
	if line < len(f.lines) {
		source = f.text[start : f.lines[line]-1]
	}
	inside := min(off-start, len(source))
	f.problems = append(f.problems, Problem{
		File: f.path, Line: line, Col: utf8.RuneCountInString(source[:inside]) + 1,
		Width:    max(1, utf8.RuneCountInString(source[inside:min(inside+n, len(source))])),
		Severity: severity, Text: text, Hint: hint, Source: source,
	})
}

func (f *masterFile) errorAt(t token, format string, args ...any) {
	f.problem(Error, t.off, t.len(), fmt.Sprintf(format, args...), "")
}

func (f *masterFile) warnAt(t token, format string, args ...any) {
	f.problem(Warning, t.off, t.len(), fmt.Sprintf(format, args...), "")
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
