package zonefile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// oddName says what is odd about a name as it is written, and what to write; "" if nothing is. Any octet may
// stand in a name (RFC 2181 §11), and service names hold blanks and UTF-8 (RFC 6763 §4.1.1), so it is no
// error, and who writes the octets as \DDD means them.
func oddName(s string) (what, hint string) {
	blank := false
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
			blank = true
		}
	}
	if blank {
		return "holds a blank", `who means it writes it \032`
	}
	return "", ""
}

// lintName warns about an odd name. warn is one of the ways of a Value to do so.
func lintName(warn func(hint, format string, args ...any), s string) {
	if what, hint := oddName(s); what != "" {
		warn(hint, "name %q %s", s, what)
	}
}

// asciiName is a name with its labels as IDNA has them (RFC 5891 §4.4); "" where that takes more than putting
// them in lower case.
func asciiName(s string) string {
	if len(s) > maxName || !utf8.ValidString(s) || strings.Contains(s, `\`) {
		return ""
	}
	labels := strings.Split(strings.ToLower(s), ".")
	for i, l := range labels {
		if strings.ContainsFunc(l, func(r rune) bool { return r >= utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			return ""
		}
		if strings.ContainsFunc(l, func(r rune) bool { return r >= utf8.RuneSelf }) {
			labels[i] = "xn--" + punycode([]rune(l))
		}
		if len(labels[i]) > maxLabel {
			return ""
		}
	}
	return strings.Join(labels, ".")
}

// punycode encodes a label (RFC 3492 §6.3). Labels are short, so nothing overflows.
func punycode(label []rune) string {
	const base, tMin, tMax, skew, damp = 36, 1, 26, 38, 700
	var out []byte
	for _, r := range label {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	next, delta, bias := rune(utf8.RuneSelf), 0, 72
	for done := basic; done < len(label); next++ {
		least := rune(unicode.MaxRune)
		for _, r := range label {
			if r >= next {
				least = min(least, r)
			}
		}
		delta += int(least-next) * (done + 1)
		next = least
		for _, r := range label {
			if r < next {
				delta++
			}
			if r != next {
				continue
			}
			q := delta
			for k := base; ; k += base {
				t := min(max(k-bias, tMin), tMax)
				if q < t {
					out = append(out, punycodeDigit(q))
					break
				}
				out = append(out, punycodeDigit(t+(q-t)%(base-t)))
				q = (q - t) / (base - t)
			}
			if delta /= 2; done == basic {
				delta /= damp / 2
			}
			done++
			delta += delta / done
			bias = 0
			for delta > (base-tMin)*tMax/2 {
				delta /= base - tMin
				bias += base
			}
			bias += (base - tMin + 1) * delta / (delta + skew)
			delta = 0
		}
		delta++
	}
	return string(out)
}

func punycodeDigit(n int) byte { return "abcdefghijklmnopqrstuvwxyz0123456789"[n] }
