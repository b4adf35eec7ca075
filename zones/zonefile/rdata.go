package zonefile

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"vitalns/zones"
)

// maxRdata bounds the rdata of one record: its length is 16 bits on the wire.
const maxRdata = 65535

// maxToken bounds a word of presentation format. None that stands for rdata is as long, be each of its octets
// an escape in an escape.
const maxToken = 1 << 20

// An rdataError says what is wrong with a piece of rdata, and where in its text.
type rdataError struct {
	Text, Hint string
	Off, Len   int // bytes of the text it is about; Len 0: all of it
}

func (e *rdataError) Error() string { return e.Text }

// ParseRdata returns the rdata of a type in wire form, names uncompressed, from its presentation form or
// from RFC 3597's (\# LENGTH HEX), which is held against the type where that is known. Line breaks and
// parentheses are blanks. Every error is an *rdataError.
func ParseRdata(typ uint16, text string, origin zones.Name, mode NameMode) ([]byte, error) {
	toks, err := splitRdata(text)
	if err != nil {
		return nil, err
	}
	r := rdataReader{toks: toks, end: len(text), names: nameScope{origin: string(origin), mode: mode}}
	return r.read(typ, nil)
}

// FormatRdata returns the presentation form of rdata, with absolute names, or RFC 3597's where the type
// has none or the rdata is not what the type says.
func FormatRdata(typ uint16, wire []byte) string {
	if text, ok := formatRdata(typ, wire, ""); ok {
		return text
	}
	return genericRdata(wire)
}

// A token is a word of presentation format: its text without quotes, escapes left as they are.
type token struct {
	text   string
	off    int // of its first byte, quote included, in the text it is from
	quoted bool
}

// len returns how many bytes the token takes in its text.
func (t token) len() int {
	if t.quoted {
		return len(t.text) + 2
	}
	return len(t.text)
}

// splitRdata splits the presentation form of rdata into tokens.
func splitRdata(text string) ([]token, error) {
	var toks []token
	for i := 0; i < len(text); {
		switch text[i] {
		case ' ', '\t', '\r', '\n', '(', ')':
			i++
		case ';':
			return nil, &rdataError{Text: "a comment in record data", Hint: `put text with ";" in quotes`, Off: i, Len: 1}
		default:
			t, n, err := scanToken(text, i)
			if err != nil {
				return nil, err
			}
			toks, i = append(toks, t), n
		}
	}
	return toks, nil
}

// scanToken reads the token that begins at text[i], which is no blank, and returns where it ends.
func scanToken(text string, i int) (t token, next int, err error) {
	start := i
	quoted := text[i] == '"'
	if quoted {
		i++
	}
	most := min(len(text), start+maxToken)
	for ; i < most; i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i == len(text) || text[i] == '\n' && !quoted {
				return t, i, &rdataError{Text: `a \ at the end of the line`, Off: i - 1, Len: 1}
			}
		case quoted && c == '"':
			return token{text: text[start+1 : i], off: start, quoted: true}, i + 1, nil
		case quoted && c == '\n':
			return t, i, &rdataError{Text: "unbalanced quotes", Off: start, Len: i - start}
		case !quoted && isDelimiter(c):
			return token{text: text[start:i], off: start}, i, nil
		}
	}
	switch {
	case i < len(text):
		return t, i, &rdataError{Text: fmt.Sprintf("a word of more than %d bytes", maxToken), Off: start, Len: i - start}
	case quoted:
		return t, i, &rdataError{Text: "unbalanced quotes", Off: start, Len: i - start}
	}
	return token{text: text[start:i], off: start}, i, nil
}

func isDelimiter(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', '(', ')', ';', '"':
		return true
	}
	return false
}

// An rdataReader reads the presentation form of one record's data.
type rdataReader struct {
	toks  []token
	next  int // in toks
	end   int // offset at which the text ends, for errors
	names nameScope
	start int // where in out this rdata begins
	out   []byte
}

// read appends the rdata to out.
func (r *rdataReader) read(typ uint16, out []byte) ([]byte, error) {
	r.next, r.start, r.out = 0, len(out), out
	if len(r.toks) > 0 && r.toks[0].text == `\#` && !r.toks[0].quoted {
		return r.readGeneric(typ)
	}
	if metaTypes[typ] != "" {
		return nil, &rdataError{Text: fmt.Sprintf("%s is no type of zone data", metaTypes[typ])}
	}
	layout := rrTypes[typ].layout
	if layout == "" {
		return nil, &rdataError{
			Text: fmt.Sprintf("the presentation form of %s is not known", FormatType(typ)),
			Hint: `write the data as \# LENGTH HEX (RFC 3597)`,
		}
	}
	for i := range len(layout) {
		if err := fields[layout[i]].read(r); err != nil {
			return nil, r.place(typ, err)
		}
	}
	if r.next < len(r.toks) {
		r.next++
		return nil, r.place(typ, r.wrong("%q is more than it takes", r.toks[r.next-1].text))
	}
	if err := r.check(typ); err != nil {
		return nil, r.place(typ, err)
	}
	return r.out, nil
}

// check holds what was read against the limits that hold for whole rdata.
func (r *rdataReader) check(typ uint16) error {
	wire := r.out[r.start:]
	if len(wire) > maxRdata {
		return &rdataError{Text: fmt.Sprintf("data of %d octets: at most %d fit a record", len(wire), maxRdata)}
	}
	want, got := digestLength(typ, wire)
	if want != got {
		return &rdataError{Text: fmt.Sprintf("a digest of %d octets where its type has %d", got, want)}
	}
	return nil
}

// digestLength returns the length of the digest that rdata names, and the length it has; equal where it
// names none.
func digestLength(typ uint16, wire []byte) (want, got int) {
	var kind, head int
	var lengths [5]int
	switch typ {
	case 43, 59: // DS, CDS; RFC 8078's delete is of type 0
		kind, head, lengths = 3, 4, [5]int{1: 20, 2: 32, 4: 48}
	case 44: // SSHFP
		kind, head, lengths = 1, 2, [5]int{1: 20, 2: 32}
	case 63: // ZONEMD
		kind, head, lengths = 5, 6, [5]int{1: 48, 2: 64}
	default:
		return 0, 0
	}
	got = len(wire) - head
	if k := int(wire[kind]); k < len(lengths) && lengths[k] != 0 {
		return lengths[k], got
	}
	return got, got
}

// readGeneric reads RFC 3597's form: \# LENGTH HEX...
func (r *rdataReader) readGeneric(typ uint16) ([]byte, error) {
	r.next = 1
	text, err := r.word("the length of the data")
	if err != nil {
		return nil, r.place(typ, err)
	}
	n, perr := strconv.ParseUint(text, 10, 16)
	if perr != nil {
		return nil, r.place(typ, r.wrong("%q is not a length", text))
	}
	for r.next < len(r.toks) {
		if err := r.hexWord(); err != nil {
			return nil, r.place(typ, err)
		}
	}
	wire := r.out[r.start:]
	if len(wire) != int(n) {
		return nil, &rdataError{Text: fmt.Sprintf("length %d, but %d octets of data", n, len(wire))}
	}
	if rrTypes[typ].layout != "" {
		if !validRdata(typ, wire) {
			return nil, &rdataError{Text: fmt.Sprintf("not the data of a record of type %s", FormatType(typ))}
		}
	}
	return r.out, nil
}

// word returns the next token, which must not be quoted. what names it for the error.
func (r *rdataReader) word(what string) (string, error) {
	if r.next == len(r.toks) {
		return "", r.missing(what)
	}
	t := r.toks[r.next]
	r.next++
	if t.quoted {
		return "", r.wrong("%s is not written in quotes", what)
	}
	return t.text, nil
}

func (r *rdataReader) missing(what string) error {
	return &rdataError{Text: "lacks " + what, Off: r.end, Len: 1}
}

// wrong is an error about the token that was read last.
func (r *rdataReader) wrong(format string, args ...any) error {
	e := &rdataError{Text: say(format, args...)}
	if r.next > 0 {
		t := r.toks[r.next-1]
		e.Off, e.Len = t.off, t.len()
	}
	return e
}

// place names the type in an error, and gives one without a place that of the last token read.
func (r *rdataReader) place(typ uint16, err error) error {
	e := *err.(*rdataError)
	e.Text = FormatType(typ) + ": " + e.Text
	if e.Len == 0 && r.next > 0 {
		t := r.toks[r.next-1]
		e.Off, e.Len = t.off, t.len()
	}
	return &e
}

// An rdataWriter shows rdata in presentation form.
type rdataWriter struct {
	wire   []byte // all of it
	at     int    // what is shown next
	out    []byte
	origin string             // it and names one label below it are shown relative; "": all are absolute
	opaque bool               // valid, but without a presentation form
	names  func(from, to int) // told where in wire each name is; may be nil
}

// word adds a word to what is shown.
func (w *rdataWriter) word(s string) {
	w.blank()
	w.out = append(w.out, s...)
}

func (w *rdataWriter) blank() {
	if len(w.out) > 0 {
		w.out = append(w.out, ' ')
	}
}

// take returns the next n octets, nil if there are fewer.
func (w *rdataWriter) take(n int) []byte {
	if n < 0 || len(w.wire)-w.at < n {
		return nil
	}
	w.at += n
	return w.wire[w.at-n : w.at : w.at]
}

// show shows all of wire as the layout says, and reports whether wire is what it says.
func (w *rdataWriter) show(typ uint16) bool {
	layout := rrTypes[typ].layout
	if layout == "" {
		return false
	}
	for i := range len(layout) {
		if !fields[layout[i]].show(w) {
			return false
		}
	}
	if w.at != len(w.wire) {
		return false
	}
	want, got := digestLength(typ, w.wire)
	return want == got
}

// formatRdata shows names relative to origin if that is not "". ok is false where the presentation form
// cannot show the rdata.
func formatRdata(typ uint16, wire []byte, origin string) (text string, ok bool) {
	w := rdataWriter{wire: wire, origin: origin}
	if !w.show(typ) || w.opaque {
		return "", false
	}
	return string(w.out), true
}

func validRdata(typ uint16, wire []byte) bool {
	w := rdataWriter{wire: wire}
	return w.show(typ)
}

// genericRdata returns the form of RFC 3597 §5.
func genericRdata(wire []byte) string {
	if len(wire) == 0 {
		return `\# 0`
	}
	return `\# ` + strconv.Itoa(len(wire)) + " " + hex.EncodeToString(wire)
}

// canonicalRdata returns rdata with the names in it in lower case, as RFC 4034 §6.2 has it for equality.
// wire is not changed.
func canonicalRdata(typ uint16, wire []byte) []byte {
	if !strings.ContainsAny(rrTypes[typ].layout, "nNGU") {
		return wire
	}
	lower := wire
	w := rdataWriter{wire: wire, names: func(from, to int) {
		if &lower[0] == &wire[0] {
			lower = append([]byte(nil), wire...)
		}
		lowerBytes(lower[from:to])
	}}
	if !w.show(typ) {
		return wire
	}
	return lower
}
