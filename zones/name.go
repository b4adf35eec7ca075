package zones

import (
	"errors"
	"fmt"
	"strings"
)

// A Name is a domain name in canonical wire form: length-prefixed labels in lower case (ASCII only),
// ended by the root label. It is comparable and made by ParseName or NameFromWire alone; the zero Name
// ("") is no name. Its wire length is len(n).
type Name string

// Root is the name of the root.
const Root Name = "\x00"

// RFC 1035 §2.3.4.
const (
	maxName  = 255
	maxLabel = 63
)

var (
	errEmptyName  = errors.New("name is empty")
	errEmptyLabel = errors.New("name has an empty label")
	errLongLabel  = fmt.Errorf("label is longer than %d bytes", maxLabel)
	errLongName   = fmt.Errorf("name is longer than %d bytes", maxName)
	errBadEscape  = errors.New(`bad escape: write \. or \ and three digits up to 255`)
	errBadWire    = errors.New("name is cut short or compressed")
)

// ParseName parses a name in presentation form (RFC 1035 §5.1), escapes included. The name is absolute
// with or without its final dot.
func ParseName(s string) (Name, error) {
	switch s {
	case "":
		return "", errEmptyName
	case ".":
		return Root, nil
	}
	var buf [maxName]byte
	end, label := 1, 0 // end of what is written, place of the length byte of the label being read
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			if end == label+1 {
				return "", errEmptyLabel
			}
			buf[label] = byte(end - label - 1)
			label = end
			end++
			continue
		}
		if c == '\\' {
			v, n := unescape(s[i+1:])
			if n == 0 {
				return "", errBadEscape
			}
			c, i = v, i+n
		}
		if end-label > maxLabel {
			return "", errLongLabel
		}
		if end >= maxName {
			return "", errLongName
		}
		buf[end] = lower(c)
		end++
	}
	if end > label+1 { // no final dot
		buf[label] = byte(end - label - 1)
		label = end
		end++
	}
	if end > maxName {
		return "", errLongName
	}
	buf[label] = 0
	return Name(buf[:end]), nil
}

// unescape reads what follows a backslash and how many bytes of s that took; 0 if it is no escape.
func unescape(s string) (c byte, n int) {
	if s == "" {
		return 0, 0
	}
	if s[0] < '0' || s[0] > '9' {
		return s[0], 1
	}
	if len(s) < 3 || s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9' {
		return 0, 0
	}
	v := int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	if v > 255 {
		return 0, 0
	}
	return byte(v), 3
}

// NameFromWire reads the uncompressed name at the start of b and how many bytes it takes there.
func NameFromWire(b []byte) (Name, int, error) {
	var buf [maxName]byte
	for i := 0; i < len(b); {
		n := int(b[i])
		switch {
		case n > maxLabel:
			return "", 0, errBadWire
		case i+1+n > maxName:
			return "", 0, errLongName
		case i+1+n > len(b):
			return "", 0, errBadWire
		}
		buf[i] = b[i]
		for j := i + 1; j <= i+n; j++ {
			buf[j] = lower(b[j])
		}
		i += 1 + n
		if n == 0 {
			return Name(buf[:i]), i, nil
		}
	}
	return "", 0, errBadWire
}

// String returns the name in presentation form, escaped, with its final dot.
func (n Name) String() string {
	if n == "" {
		return ""
	}
	if n == Root {
		return "."
	}
	var b strings.Builder
	b.Grow(len(n))
	for rest := n; len(rest) > 1; rest = rest.Parent() {
		for _, c := range []byte(rest.label()) {
			switch {
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\%03d`, c)
			case strings.IndexByte(`. '@;()"\`, c) >= 0:
				b.WriteByte('\\')
				b.WriteByte(c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('.')
	}
	return b.String()
}

// Labels counts the labels, without the root's.
func (n Name) Labels() int {
	count := 0
	for rest := n; len(rest) > 1; rest = rest.Parent() {
		count++
	}
	return count
}

// Parent returns the name without its first label; the root's parent is "".
func (n Name) Parent() Name {
	if n == "" {
		return ""
	}
	return n[1+int(n[0]):]
}

// label returns the first label, without its length.
func (n Name) label() string { return string(n[1 : 1+int(n[0])]) }

// IsWildcard reports whether the first label is "*" (RFC 4592).
func (n Name) IsWildcard() bool { return len(n) > 2 && n[0] == 1 && n[1] == '*' }

// IsSubdomainOf reports whether n is zone or below it. Labels are compared whole.
func (n Name) IsSubdomainOf(zone Name) bool {
	if zone == "" {
		return false
	}
	rest := n
	for len(rest) > len(zone) {
		rest = rest.Parent()
	}
	return rest == zone
}

// Append returns the labels of n followed by those of origin: n read as relative to origin.
func (n Name) Append(origin Name) (Name, error) {
	if len(n) == 0 || len(origin) == 0 {
		return "", errEmptyName
	}
	if len(n)-1+len(origin) > maxName {
		return "", errLongName
	}
	return n[:len(n)-1] + origin, nil
}

// Compare orders names canonically (RFC 4034 §6.1): by their labels from the root down.
func (n Name) Compare(m Name) int {
	a, b := n.Labels(), m.Labels()
	for i := 1; i <= min(a, b); i++ {
		if c := strings.Compare(n.drop(a-i).label(), m.drop(b-i).label()); c != 0 {
			return c
		}
	}
	return a - b
}

// drop returns n without its first k labels.
func (n Name) drop(k int) Name {
	for ; k > 0; k-- {
		n = n.Parent()
	}
	return n
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
