package zonefile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"vitalns/zones"
)

// oddName says what is odd about a name as it is written, and what to write; "" if nothing is. Any octet may
// stand in a name (RFC 2181 §11), and service names hold blanks and UTF-8 (RFC 6763 §4.1.1), so it is no
// error, and who writes the octets as \DDD means them.
func oddName(s string) (what, hint string) {
	odd := -1 // the first octet that does not print
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c >= utf8.RuneSelf:
			hint = `write its xn-- form; who means these bytes writes them \DDD`
			if ascii := asciiName(s); ascii != "" {
				hint = `write "` + ascii + `"; who means these bytes writes them \DDD`
			}
			return "is not ASCII: resolvers ask for the xn-- form of it", hint
		case (c <= ' ' || c == 0x7f) && odd < 0:
			odd = int(c)
		}
	}
	switch {
	case odd == ' ':
		return "holds a blank", `who means it writes it \032`
	case odd >= 0:
		return "holds a control character", fmt.Sprintf(`who means it writes it \%03d`, odd)
	}
	return "", ""
}

// lintName warns about an odd name. warn is one of the ways of a Value to do so.
func lintName(warn func(hint, format string, args ...any), s string) {
	if what, hint := oddName(s); what != "" {
		warn(hint, "name %q %s", s, what)
	}
}

// lookup turns names into what resolvers ask for (UTS #46), wildcards and service labels among them.
var lookup = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.CheckHyphens(false))

// asciiName is a name with its labels as IDNA has them (RFC 5891 §4.4); "" where it has none, or one that means
// something else here: fewer or more labels, the apex, a wildcard.
func asciiName(s string) string {
	if len(s) > maxName || strings.Contains(s, `\`) || !utf8.ValidString(s) {
		return ""
	}
	ascii, err := lookup.ToASCII(s)
	if err != nil || strings.ContainsAny(ascii, `\@`) || strings.Count(ascii, ".") != strings.Count(s, ".") || strings.Count(ascii, "*") != strings.Count(s, "*") {
		return ""
	}
	if _, err := zones.ParseName(ascii); err != nil || strings.ContainsFunc(ascii, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return ascii
}
