package zonefile

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"
)

// directive obeys a line that begins with $.
func (f *masterFile) directive(toks []token) {
	name, args := toks[0], toks[1:]
	switch strings.ToUpper(name.text) {
	case "$ORIGIN":
		if f.count(name, args, 1, 1, "$ORIGIN NAME") {
			if origin, ok := f.readOrigin(args[0]); ok {
				f.origin = origin
			}
		}
	case "$TTL":
		if f.count(name, args, 1, 1, "$TTL SECONDS") {
			ttl, ok := parseSeconds(args[0].text)
			if !ok {
				f.errorAt(args[0], "%q is not a TTL", args[0].text)
				return
			}
			f.ttl.standard, f.ttl.haveStandard = f.limitTTL(ttl, args[0]), true
		}
	case "$INCLUDE":
		if f.count(name, args, 1, 2, "$INCLUDE FILE [ORIGIN]") {
			f.include(args)
		}
	case "$GENERATE":
		if f.count(name, args, 4, 6, "$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA") {
			f.generate(args)
		}
	default:
		f.problem(Error, name.off, name.len(), "unknown directive "+quote(name.text), `the owner of a record that begins with $ is written \$`)
	}
}

// count reports whether there are so many arguments.
func (f *masterFile) count(name token, args []token, least, most int, usage string) bool {
	if len(args) < least {
		f.problem(Error, name.off, name.len(), name.text+" lacks an argument", "write "+usage)
		return false
	}
	if len(args) > most {
		t := args[most]
		f.problem(Error, t.off, t.len(), say("%q is more than %s takes", t.text, name.text), "write "+usage)
		return false
	}
	return true
}

func (f *masterFile) readOrigin(t token) (string, bool) {
	wire, err := nameScope{origin: f.origin}.appendName(nil, t.text)
	if err != nil {
		f.rdataProblem(err, t)
		return "", false
	}
	return string(wire), true
}

// include reads another file, which has an origin of its own and inherits the owner; both are as before
// behind it (RFC 1035 §5.1). The path is relative to this file, or else taken as it is written.
func (f *masterFile) include(args []token) {
	origin := f.origin
	if len(args) == 2 {
		var ok bool
		if origin, ok = f.readOrigin(args[1]); !ok {
			return
		}
	}
	r := rdataReader{toks: args[:1], next: 1}
	if err := r.appendUnescaped(args[0].text); err != nil {
		f.rdataProblem(err, args[0])
		return
	}
	path := string(r.out)
	f.includes++
	switch {
	case f.open == nil:
		f.errorAt(args[0], "$INCLUDE is not allowed here")
		return
	case f.depth == maxIncludeDepth:
		f.errorAt(args[0], "more than %d files inside each other: a cycle?", maxIncludeDepth)
		return
	case f.includes > maxIncludes:
		f.errorAt(args[0], "more than %d files are included", maxIncludes)
		return
	}
	beside := path
	if !filepath.IsAbs(path) {
		beside = filepath.Join(filepath.Dir(f.path), path)
	}
	text, err := f.open(beside)
	if errors.Is(err, fs.ErrNotExist) && beside != path {
		if other, oerr := f.open(path); oerr == nil {
			beside, text, err = path, other, nil
		}
	}
	if err != nil {
		f.errorAt(args[0], "%v", err)
		return
	}
	f.notes = append(f.notes, "$INCLUDE "+path)
	inner := &masterFile{
		masterScanner: f.masterScanner, path: beside, text: asText(text), depth: f.depth + 1,
		origin: origin, owner: f.owner, note: int32(len(f.notes) - 1),
	}
	if f.place(inner) {
		inner.scan()
	}
}

// asText is the text of a file, which nobody changes, without a copy of it.
func asText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// A generateRange is START-STOP/STEP.
type generateRange struct{ start, stop, step int64 }

func parseRange(s string) (r generateRange, ok bool) {
	bounds, step, stepped := strings.Cut(s, "/")
	start, stop, ok := strings.Cut(bounds, "-")
	if !ok {
		return r, false
	}
	if !stepped {
		step = "1"
	}
	for _, p := range []struct {
		text string
		to   *int64
	}{{start, &r.start}, {stop, &r.stop}, {step, &r.step}} {
		v, err := strconv.ParseUint(p.text, 10, 63)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return r, false
		}
		*p.to = int64(v) // of what is out of range the greatest there is
	}
	return r, r.start <= r.stop && r.step > 0
}

// generate makes a record of each number of a range, as BIND does: in owner and data, $ is the number,
// ${OFFSET,WIDTH,RADIX} the number in another form, $$ and \$ a dollar sign.
func (f *masterFile) generate(args []token) {
	rng, ok := parseRange(args[0].text)
	if !ok || args[0].quoted {
		f.errorAt(args[0], "%q is not a range: START-STOP or START-STOP/STEP", args[0].text)
		return
	}
	if rng.stop > math.MaxInt32 || rng.step > math.MaxInt32 {
		f.errorAt(args[0], "%q goes beyond %d", args[0].text, math.MaxInt32)
		return
	}
	if n := (rng.stop-rng.start)/rng.step + 1; n > int64(maxGenerated-f.generated) {
		f.errorAt(args[0], "more than %d records are generated", maxGenerated)
		return
	}
	owner, data := args[1], args[len(args)-1]
	head, ok := f.readHead(args[2:], args[1])
	if !ok {
		return
	}
	if len(head.rdata.toks) != 1 {
		f.problem(Error, head.at.off, head.at.len(), "$GENERATE takes the data as one argument", "put it in quotes")
		return
	}
	right, rerr := parseGenerate(data)
	left, lerr := parseGenerate(owner)
	for i, err := range []error{lerr, rerr} {
		if err != nil {
			f.errorAt([]token{owner, data}[i], "%v", err)
			return
		}
	}
	if left.carries() || right.carries() {
		f.warnAt(data, "$ counts with the offset of the ${} before it, as in BIND")
	}
	before := f.owner
	f.notes = append(f.notes, "$GENERATE "+joinTokens(args))
	note := int32(len(f.notes) - 1)
	for n := rng.start; n <= rng.stop; n += rng.step {
		f.generated++
		if !f.generateOne(n, left, right, generated{head: head, owner: owner, data: data, note: note}) {
			break
		}
	}
	f.owner = before
}

// joinTokens returns tokens as a line has them.
func joinTokens(toks []token) string {
	words := make([]string, len(toks))
	for i, t := range toks {
		words[i] = t.text
		if t.quoted {
			words[i] = `"` + t.text + `"`
		}
	}
	return strings.Join(words, " ")
}

// A generated is what all records of one $GENERATE have in common.
type generated struct {
	head        masterRecord
	owner, data token
	note        int32
}

// generateOne makes the record of one number. It returns false after an error, which the others would
// have as well.
func (f *masterFile) generateOne(n int64, left, right generateText, g generated) bool {
	owner := f.readOwner(left.expand(n), g.owner, g.note)
	if owner < 0 {
		return owner == outside
	}
	f.owner = owner
	toks, err := splitRdata(right.expand(n))
	if err != nil {
		f.errorAt(g.data, "for %d: %v", n, err)
		return false
	}
	f.rec = g.head
	f.rec.rdata.toks, f.rec.at, f.rec.made = toks, g.data, fmt.Sprintf("for %d: ", n)
	return f.add(&f.rec)
}
