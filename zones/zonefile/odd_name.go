package zonefile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// oddName says what is odd about a name as it is written, and what to write; "" if nothing is. Any octet may
// stand in a name (RFC 2181 §11), and service names hold blanks and UTF-8 (RFC 6763 §4.1.1), so it is no
// error, and who writes the octets as \DDD means them.
func oddName(s string) (what, hint string) {
	blank := -1
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
		case c <= ' ':
			blank = int(c)
		}
	}
	if blank >= 0 {
		return "holds a blank", fmt.Sprintf(`who means it writes it \%03d`, blank)
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
var lookup = idna.New(idna.MapForLookup(), idna.StrictDomainName(false))

// asciiName is a name with its labels as IDNA has them (RFC 5891 §4.4); "" where it has none.
func asciiName(s string) string {
	if len(s) > maxName || strings.Contains(s, `\`) {
		return ""
	}
	ascii, err := lookup.ToASCII(s)
	if err != nil {
		return ""
	}
	return ascii
}
