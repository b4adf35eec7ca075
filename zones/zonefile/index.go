package zonefile

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A span is a piece of the text: [from, to) in bytes. The zero span is no place.
type span struct{ from, to int }

// A scanner walks over TOML that is already known to be valid and notes where each key and each value
// stands. It makes the tree, without the values: those come from the decoder, which knows all of TOML's
// forms, while the scanner only has to find their ends. Where the text is not as valid TOML is, the
// scanner stops with an error and never panics.
type scanner struct {
	s   string
	at  int
	err *badKey
}

// A badKey is a fault that the decoder lets pass, or that it stumbles over: a key that is there twice
// (a.b = 1 beside a = 2), or is empty.
type badKey struct {
	at   span
	text string
}

// index returns the tree of places of a valid TOML text, or what is wrong with one of its keys.
func index(text string) (*Value, *badKey) {
	sc := &scanner{s: text}
	root := &Value{kind: tableKind}
	in := root // the table that a key without header belongs to
	for sc.skip(true); sc.err == nil && sc.at < len(sc.s); sc.skip(true) {
		if sc.s[sc.at] == '[' {
			in = sc.header(root)
		} else {
			sc.pair(in)
		}
	}
	return root, sc.err
}

// fail ends the scan where the text is not as valid TOML is.
func (sc *scanner) fail(what string) { sc.refuse(span{sc.at, sc.at}, what) }

func (sc *scanner) refuse(at span, text string) {
	if sc.err == nil {
		sc.err = &badKey{at, text}
	}
	sc.at = len(sc.s)
}

// skip passes white space and, where lines may end, newlines and comments.
func (sc *scanner) skip(lines bool) {
	for sc.at < len(sc.s) {
		switch c := sc.s[sc.at]; {
		case c == ' ' || c == '\t', lines && (c == '\n' || c == '\r'):
			sc.at++
		case lines && c == '#':
			end := strings.IndexByte(sc.s[sc.at:], '\n')
			if end < 0 {
				sc.at = len(sc.s)
				return
			}
			sc.at += end
		default:
			return
		}
	}
}

// eat passes one byte if it is c.
func (sc *scanner) eat(c byte) bool {
	if sc.at < len(sc.s) && sc.s[sc.at] == c {
		sc.at++
		return true
	}
	return false
}

// header reads [a.b] or [[a.b]] and returns the table it opens.
func (sc *scanner) header(root *Value) *Value {
	sc.eat('[')
	array := sc.eat('[')
	parts := sc.key(']')
	if array && !sc.eat(']') || len(parts) == 0 {
		sc.fail("bad header")
		return root
	}
	last := parts[len(parts)-1]
	v := sc.descend(root, parts[:len(parts)-1]).field(last)
	if v.kind != noKind && (array != (v.kind == listKind) || v.val != span{}) {
		sc.twice(last)
		return root
	}
	if !array {
		v.key, v.written, v.kind = last.span, true, tableKind
		return v
	}
	v.kind = listKind
	item := &Value{kind: tableKind, key: last.span, written: true}
	v.items = append(v.items, item)
	return item
}

// pair reads key = value into a table.
func (sc *scanner) pair(in *Value) {
	parts := sc.key('=')
	if len(parts) == 0 {
		sc.fail("bad key")
		return
	}
	last := parts[len(parts)-1]
	v := sc.descend(in, parts[:len(parts)-1]).field(last)
	if v.kind != noKind {
		sc.twice(last)
		return
	}
	v.key, v.written = last.span, true
	sc.skip(false)
	sc.value(v)
}

// A part is one piece of a dotted key.
type part struct {
	name string
	span span
}

// descend goes down implicit tables, into the last item of an array of tables.
func (sc *scanner) descend(v *Value, parts []part) *Value {
	for _, p := range parts {
		v = v.field(p)
		if v.kind == noKind {
			v.kind = tableKind
		}
		if v.kind == listKind && len(v.items) > 0 {
			v = v.items[len(v.items)-1]
		}
		if v.kind != tableKind || v.val != (span{}) {
			sc.twice(p)
			return &Value{kind: tableKind}
		}
	}
	return v
}

func (sc *scanner) twice(p part) { sc.refuse(p.span, p.name+" is there twice") }

// field returns the field of a table, making it if need be.
func (v *Value) field(p part) *Value {
	if f := v.byName[p.name]; f != nil {
		return f
	}
	f := &Value{Name: p.name, key: p.span}
	if v.byName == nil {
		v.byName = make(map[string]*Value)
	}
	v.byName[p.name] = f
	v.fields = append(v.fields, f)
	return f
}

// key reads a dotted key and the byte behind it.
func (sc *scanner) key(end byte) []part {
	var parts []part
	for {
		sc.skip(false)
		from := sc.at
		name, ok := sc.keyPart()
		if !ok {
			sc.fail("bad key")
			return nil
		}
		if name == "" {
			sc.refuse(span{from, sc.at}, "a key may not be empty")
			return nil
		}
		parts = append(parts, part{name, span{from, sc.at}})
		sc.skip(false)
		if sc.eat(end) {
			return parts
		}
		if !sc.eat('.') {
			sc.fail("bad key")
			return nil
		}
	}
}

// keyPart reads one piece of a key: bare, or quoted on one line.
func (sc *scanner) keyPart() (name string, ok bool) {
	from := sc.at
	if from == len(sc.s) {
		return "", false
	}
	switch sc.s[from] {
	case '"':
		sc.text()
		return unquoteKey(sc.s[from:sc.at])
	case '\'':
		sc.text()
		return strings.Trim(sc.s[from:sc.at], "'"), sc.err == nil
	}
	for sc.at < len(sc.s) && bare(sc.s[sc.at]) {
		sc.at++
	}
	return sc.s[from:sc.at], sc.at > from
}

func bare(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// value reads a value: v gets its place, its kind and what is inside.
func (sc *scanner) value(v *Value) {
	from := sc.at
	switch {
	case sc.at == len(sc.s):
		sc.fail("no value")
	case sc.s[sc.at] == '"' || sc.s[sc.at] == '\'':
		v.kind = scalarKind
		sc.text()
	case sc.eat('['):
		v.kind = listKind
		sc.list(v)
	case sc.eat('{'):
		v.kind = tableKind
		sc.inline(v)
	default:
		v.kind = scalarKind
		sc.plain()
	}
	v.val = span{from, sc.at}
}

func (sc *scanner) list(v *Value) {
	for sc.skip(true); sc.err == nil && !sc.eat(']'); sc.skip(true) {
		item := &Value{}
		v.items = append(v.items, item)
		sc.value(item)
		if sc.skip(true); !sc.eat(',') && !(sc.at < len(sc.s) && sc.s[sc.at] == ']') {
			sc.fail("bad list")
		}
	}
}

func (sc *scanner) inline(v *Value) {
	for sc.skip(true); sc.err == nil && !sc.eat('}'); sc.skip(true) {
		sc.pair(v)
		if sc.skip(true); !sc.eat(',') && !(sc.at < len(sc.s) && sc.s[sc.at] == '}') {
			sc.fail("bad inline table")
		}
	}
}

// text passes a string in any of its four forms.
func (sc *scanner) text() {
	quote := sc.s[sc.at]
	three := strings.Repeat(string(quote), 3)
	long := strings.HasPrefix(sc.s[sc.at:], three)
	end := string(quote)
	if long {
		end = three
	}
	for sc.at += len(end); sc.at < len(sc.s); {
		switch {
		case strings.HasPrefix(sc.s[sc.at:], end):
			sc.at += len(end)
			for n := 0; long && n < 2 && sc.eat(quote); n++ { // """x""""" ends in two quotes
			}
			return
		case quote == '"' && sc.s[sc.at] == '\\':
			sc.at += 2
		default:
			sc.at++
		}
	}
	sc.fail("string without end")
}

// plain passes a number, a date or a boolean. A date may hold one space, before its time.
func (sc *scanner) plain() {
	from := sc.at
	for sc.at < len(sc.s) {
		c := sc.s[sc.at]
		if c == ' ' && sc.at-from == 10 && sc.at+1 < len(sc.s) && '0' <= sc.s[sc.at+1] && sc.s[sc.at+1] <= '9' {
			sc.at++
			continue
		}
		if !bare(c) && c != '.' && c != ':' && c != '+' {
			break
		}
		sc.at++
	}
	if sc.at == from {
		sc.fail("no value")
	}
}

// unquoteKey reads a key in double quotes, with its escapes.
func unquoteKey(quoted string) (string, bool) {
	if len(quoted) < 2 || strings.HasPrefix(quoted, `"""`) {
		return "", false
	}
	s := quoted[1 : len(quoted)-1]
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		if digits := strings.IndexByte("..x.u...U", s[i]); digits > 0 {
			if i+digits >= len(s) {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return "", false
			}
			b.WriteRune(rune(n))
			i += digits
			continue
		}
		c := strings.IndexByte(`btnfre"\`, s[i])
		if c < 0 {
			return "", false
		}
		b.WriteByte("\b\t\n\f\r\x1b\"\\"[c])
	}
	return b.String(), true
}
