package zonefile

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Limits of what a message shows, in characters. A file may hold anything, and its problems are printed,
// logged, kept and sent. What is longer is cut, and says so.
const (
	maxShown = 80   // of a value that somebody wrote; what does not print counts as the four it is shown as
	maxSaid  = 1000 // of a message, a hint or a path
)

// say is fmt.Sprintf for messages: of a long string it shows the beginning, with %q as quote does.
func say(format string, args ...any) string {
	bounded := make([]any, len(args))
	for i, a := range args {
		if s, ok := a.(string); ok {
			a = said(s)
		}
		bounded[i] = a
	}
	return fmt.Sprintf(format, bounded...)
}

// said is a string on its way into a message.
type said string

// Format implements fmt.Formatter.
func (s said) Format(f fmt.State, verb rune) {
	text := clip(string(s), maxSaid)
	if verb == 'q' {
		text = quote(string(s))
	}
	_, _ = io.WriteString(f, text) // fmt takes everything
}

// quote is a value in quotes; of a long one the beginning, and how long it is.
func quote(s string) string {
	width := 0
	for i, r := range s {
		if width++; !strconv.IsPrint(r) {
			width += 3
		}
		if width > maxShown {
			return fmt.Sprintf("%q... (%d bytes)", s[:i], len(s))
		}
	}
	return strconv.Quote(s)
}

// clip cuts text to so many characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "..."
		}
	}
	return s
}

// excerpt is what a problem keeps of its line: of a long one the part around the offset at, whose column is
// col, and how many characters stand before that part.
func excerpt(line string, at, col int) (source string, before int) {
	if len(line) <= maxSource {
		return line, 0
	}
	from := runeStart(line, max(0, at-maxSource/4))
	to := runeStart(line, min(len(line), from+maxSource))
	return line[from:to], col - 1 - utf8.RuneCountInString(line[from:at])
}

// runeStart is where the character that an offset points into begins.
func runeStart(s string, at int) int {
	for back := 0; back < utf8.UTFMax && at-back > 0 && at-back < len(s); back++ {
		if utf8.RuneStart(s[at-back]) {
			return at - back
		}
	}
	return at
}
