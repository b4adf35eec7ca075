package zonefile

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

const maxString = 255

// appendUnescaped appends the octets that the text of a token stands for.
func (r *rdataReader) appendUnescaped(text string) error {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			r.out = append(r.out, text[i])
			i++
			continue
		}
		c, n, ok := unescape(text[i:])
		if !ok {
			return r.wrong(`a bad escape in %s: it is \ and a character, or \ and three digits up to 255`, quote(text))
		}
		r.out = append(r.out, c)
		i += n
	}
	return nil
}

// text returns the next token, quoted or not.
func (r *rdataReader) text(what string) (string, error) {
	if r.next == len(r.toks) {
		return "", r.missing(what)
	}
	r.next++
	return r.toks[r.next-1].text, nil
}

// appendQuoted appends text in quotes.
func appendQuoted(out, text []byte) []byte {
	out = append(out, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			out = append(out, '\\', c)
		} else {
			out = appendPrintable(out, c, ' ')
		}
	}
	return append(out, '"')
}

func readString(r *rdataReader) error {
	text, err := r.text("text")
	if err != nil {
		return err
	}
	at := len(r.out)
	r.out = append(r.out, 0)
	if err := r.appendUnescaped(text); err != nil {
		return err
	}
	n := len(r.out) - at - 1
	if n > maxString {
		return r.wrong("a string of %d octets: at most %d", n, maxString)
	}
	r.out[at] = byte(n)
	return nil
}

func showString(w *rdataWriter) bool {
	n := w.take(1)
	if n == nil {
		return false
	}
	b := w.take(int(n[0]))
	if b == nil {
		return false
	}
	w.blank()
	w.out = appendQuoted(w.out, b)
	return true
}

func readOptional(r *rdataReader) error {
	if r.next == len(r.toks) {
		return nil
	}
	return readString(r)
}

func readStrings(r *rdataReader) error {
	err := readString(r)
	for err == nil && r.next < len(r.toks) {
		err = readString(r)
	}
	return err
}

func showStrings(w *rdataWriter) bool {
	for w.at < len(w.wire) {
		if !showString(w) {
			return false
		}
	}
	return true
}

func showSomeStrings(w *rdataWriter) bool {
	return w.at < len(w.wire) && showStrings(w)
}

// readTag reads the tag of a CAA (RFC 8659 §4.1).
func readTag(r *rdataReader) error {
	tag, err := r.word("a tag")
	if err != nil {
		return err
	}
	if !isTag(tag) {
		return r.wrong("%q is not a tag: letters and digits", tag)
	}
	r.out = append(append(r.out, byte(len(tag))), tag...)
	return nil
}

func showTag(w *rdataWriter) bool {
	n := w.take(1)
	if n == nil {
		return false
	}
	tag := string(w.take(int(n[0])))
	w.word(tag)
	return isTag(tag)
}

func isTag(s string) bool {
	for _, c := range []byte(s) {
		if l := c | 0x20; (c < '0' || c > '9') && (l < 'a' || l > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= maxString
}

func readLong(r *rdataReader) error {
	text, err := r.text("a value")
	if err != nil {
		return err
	}
	return r.appendUnescaped(text)
}

func showLong(w *rdataWriter) bool {
	w.blank()
	w.out = appendQuoted(w.out, w.take(len(w.wire)-w.at))
	return true
}

// readDOA reads the data of a DOA: base64, or "-" for none.
func readDOA(r *rdataReader) error {
	if r.next == len(r.toks)-1 && r.toks[r.next].text == "-" {
		r.next++
		return nil
	}
	return readBase64(r)
}

func showDOA(w *rdataWriter) bool {
	b := w.take(len(w.wire) - w.at)
	if len(b) == 0 {
		w.word("-")
	} else {
		w.word(base64.StdEncoding.EncodeToString(b))
	}
	return true
}

// maxPlain is the longest text that fits a record: in strings of 255 octets with a length before each.
const maxPlain = maxRdata - (maxRdata+maxString)/(maxString+1)

// plainText returns the rdata of a TXT that says text: strings of 255 octets and the rest.
func plainText(text string) []byte {
	out := make([]byte, 0, len(text)+len(text)/maxString+1)
	for {
		n := min(len(text), maxString)
		out = append(append(out, byte(n)), text[:n]...)
		if text = text[n:]; text == "" {
			return out
		}
	}
}

// asPlainText returns the text that plainText makes wire of, if there is one that a person would want to
// read and that does not begin like presentation format.
func asPlainText(wire []byte) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(wire); i += 1 + int(wire[i]) {
		n, rest := int(wire[i]), len(wire)-i-1
		if n > rest || n < maxString && n != rest {
			return "", false
		}
		b.Write(wire[i+1 : i+1+n])
	}
	text := b.String()
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return "", false
		}
	}
	return text, !strings.HasPrefix(text, `"`) && utf8.ValidString(text) && string(plainText(text)) == string(wire)
}
