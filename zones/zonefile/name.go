package zonefile

import (
	"fmt"
	"strings"
)

// A NameMode says how a name without a final dot is read.
type NameMode uint8

const (
	// MasterNames: relative to the origin, as in master files (RFC 1035 §5.1).
	MasterNames NameMode = iota
	// StrictNames: relative if it has no dot; with dots but without the final one it is an error that
	// shows both readings (DESIGN section 4, rule 2).
	StrictNames
)

const (
	maxLabel = 63
	maxName  = 255
)

// A nameScope is what names in a piece of text are read by.
type nameScope struct {
	origin string // wire form; "" where there is none
	mode   NameMode
}

// appendName appends the name that text stands for, in uncompressed wire form, to out. Case is kept.
func (s nameScope) appendName(out []byte, text string) ([]byte, error) {
	switch text {
	case "":
		return out, &rdataError{Text: "empty name"}
	case ".":
		return append(out, 0), nil
	case "@":
		return s.finish(out, len(out), text, false)
	}
	start, label := len(out), len(out)
	out = append(out, 0)
	dots, absolute := 0, false
	for i := 0; i < len(text); {
		c := text[i]
		if c == '.' {
			dots++
			absolute = i+1 == len(text)
			if err := closeLabel(out, label, text); err != nil {
				return out[:start], err
			}
			label = len(out)
			out = append(out, 0)
			i++
			continue
		}
		if c == '\\' {
			b, n, ok := unescape(text[i:])
			if !ok {
				return out[:start], &rdataError{Text: say("name %q has a bad escape", text), Hint: `an escape is \ and a character, or \ and three digits up to 255`}
			}
			c, i = b, i+n
		} else {
			i++
		}
		out = append(out, c)
		if len(out)-label-1 > maxLabel { // or what is no name at all would be kept whole
			return out[:start], longLabel(text)
		}
	}
	if absolute {
		if len(out)-start > maxName {
			return out[:start], tooLong(text)
		}
		return out, nil
	}
	if err := closeLabel(out, label, text); err != nil {
		return out[:start], err
	}
	return s.finish(out, start, text, dots > 0)
}

// finish makes the relative name in out[start:] absolute.
func (s nameScope) finish(out []byte, start int, text string, dotted bool) ([]byte, error) {
	if s.origin == "" {
		return out[:start], &rdataError{Text: say("relative name %q without an origin", text)}
	}
	if dotted && s.mode == StrictNames {
		return out[:start], &rdataError{
			Text: say("name %q has no final dot", text),
			Hint: fmt.Sprintf("write %q for that very name, or %q for the one in this zone", text+".", text+"."+nameText(s.origin)),
		}
	}
	out = append(out, s.origin...)
	if len(out)-start > maxName {
		return out[:start], tooLong(text)
	}
	return out, nil
}

func tooLong(text string) error {
	return &rdataError{Text: say("name %q is longer than %d octets", text, maxName)}
}

func longLabel(text string) error {
	return &rdataError{Text: say("name %q has a label longer than %d octets", text, maxLabel)}
}

// closeLabel writes the length of the label that began at out[label].
func closeLabel(out []byte, label int, text string) error {
	n := len(out) - label - 1
	if n == 0 {
		return &rdataError{Text: say("name %q has an empty label", text)}
	}
	if n > maxLabel {
		return longLabel(text)
	}
	out[label] = byte(n)
	return nil
}

// unescape reads the escape at the start of s: \DDD or \X. It returns the octet and the bytes it took.
func unescape(s string) (c byte, n int, ok bool) {
	if len(s) < 2 {
		return 0, 0, false
	}
	if s[1] < '0' || s[1] > '9' {
		return s[1], 2, true
	}
	if len(s) < 4 {
		return 0, 0, false
	}
	v := 0
	for _, d := range []byte(s[1:4]) {
		if d < '0' || d > '9' {
			return 0, 0, false
		}
		v = v*10 + int(d-'0')
	}
	return byte(v), 4, v <= 255
}

// wireName returns the name at the start of wire, uncompressed, with its length; 0 if there is none.
func wireName(wire []byte) int {
	for i := 0; i < len(wire) && i < maxName; {
		n := int(wire[i])
		if n == 0 {
			return i + 1
		}
		if n > maxLabel {
			return 0
		}
		i += 1 + n
	}
	return 0
}

// nameText returns a valid wire name in absolute presentation form.
func nameText(wire string) string {
	return string(appendNameText(nil, wire))
}

func appendNameText(out []byte, wire string) []byte {
	if len(wire) <= 1 {
		return append(out, '.')
	}
	for i := 0; wire[i] != 0; i += 1 + int(wire[i]) {
		for _, c := range []byte(wire[i+1 : i+1+int(wire[i])]) {
			if strings.IndexByte(`.\"();@$`, c) >= 0 {
				out = append(out, '\\', c)
			} else {
				out = appendPrintable(out, c, '!')
			}
		}
		out = append(out, '.')
	}
	return out
}

// labelTexts returns the labels of a name in wire form in presentation form.
func labelTexts(wire string) []string {
	var labels []string
	for i := 0; i < len(wire) && wire[i] != 0; i += 1 + int(wire[i]) {
		text := nameText(wire[i:i+1+int(wire[i])] + "\x00")
		labels = append(labels, text[:len(text)-1])
	}
	return labels
}

// appendPrintable appends c as it is if it is printable ASCII from least on, else as \DDD.
func appendPrintable(out []byte, c, least byte) []byte {
	if c >= least && c < 0x7f {
		return append(out, c)
	}
	return append(out, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
}

// relativeText returns a wire name as "@" for origin itself, relative where it lies one label below it, else
// absolute: MasterNames and StrictNames both read that. Case is kept; it is ignored in comparing.
func relativeText(wire, origin string) string {
	cut := len(wire) - len(origin)
	switch {
	case cut < 0 || origin == "" || lowerASCII(wire[cut:]) != lowerASCII(origin):
		return nameText(wire)
	case cut == 0:
		return "@"
	case cut != 1+int(wire[0]):
		return nameText(wire)
	}
	text := nameText(wire[:cut] + "\x00")
	return text[:len(text)-1]
}

// lowerASCII returns s with ASCII letters in lower case. Lengths of labels are below the letters, so it
// is the canonical form of a wire name too.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return string(lowerBytes([]byte(s)))
		}
	}
	return s
}

// lowerBytes puts ASCII letters of b in lower case, in place.
func lowerBytes(b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}
