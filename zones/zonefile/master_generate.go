package zonefile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxGenerateWidth bounds the width of a number: no label holds more.
const maxGenerateWidth = 255

// A generateText is the owner or the data of a $GENERATE: text with numbers in it.
type generateText []generatePart

// A generatePart is literal text, or a number if form is not 0.
type generatePart struct {
	literal string
	form    byte // one of d, o, x, X, n, N
	offset  int64
	width   int
	carried bool // the offset is of the number before it
}

// parseGenerate reads $, ${OFFSET[,WIDTH[,RADIX]]}, $$ and escapes. In quotes, \" is a quote that the
// data itself has. An offset also holds for each $ behind it: BIND, whose records these are to be, has it
// so.
func parseGenerate(t token) (generateText, error) {
	var parts generateText
	var offset int64
	var literal strings.Builder
	s := t.text
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			if !t.quoted || s[i+1] != '"' {
				literal.WriteByte('\\')
			}
			i++
			literal.WriteByte(s[i])
		case s[i] != '$':
			literal.WriteByte(s[i])
		case strings.HasPrefix(s[i:], "$$"):
			literal.WriteString(`\$`)
			i++
		default:
			part := generatePart{form: 'd', offset: offset, carried: offset != 0}
			if strings.HasPrefix(s[i:], "${") {
				end := strings.IndexByte(s[i:], '}')
				if end < 0 {
					return nil, fmt.Errorf(`"${" without "}"`)
				}
				var err error
				if part, err = parseModifier(s[i+2 : i+end]); err != nil {
					return nil, err
				}
				i += end
			}
			offset = part.offset
			if literal.Len() > 0 {
				parts = append(parts, generatePart{literal: literal.String()})
				literal.Reset()
			}
			parts = append(parts, part)
		}
	}
	return append(parts, generatePart{literal: literal.String()}), nil
}

func parseModifier(s string) (generatePart, error) {
	p := generatePart{form: 'd'}
	fields := strings.Split(s, ",")
	bad := errors.New(say("${%s} is not ${OFFSET,WIDTH,RADIX} with a radix of d, o, x, X, n or N", s))
	if len(fields) > 3 {
		return p, bad
	}
	offset, err := strconv.ParseInt(fields[0], 10, 32)
	if err != nil {
		return p, bad
	}
	p.offset = offset
	if len(fields) > 1 {
		width, err := strconv.ParseUint(fields[1], 10, 16)
		if err != nil || width > maxGenerateWidth {
			return p, bad
		}
		p.width = int(width)
	}
	if len(fields) > 2 {
		if len(fields[2]) != 1 || !strings.Contains("doxXnN", fields[2]) {
			return p, bad
		}
		p.form = fields[2][0]
	}
	return p, nil
}

// carries reports whether a plain $ has the offset of a number before it.
func (g generateText) carries() bool {
	return slices.ContainsFunc(g, func(p generatePart) bool { return p.carried })
}

// expand returns the text for a number.
func (g generateText) expand(n int64) string {
	var b strings.Builder
	for _, p := range g {
		if p.form == 0 {
			b.WriteString(p.literal)
			continue
		}
		// As the C it was written in has it: 32 bits, and without sign where not decimal.
		v := int32(n + p.offset)
		switch p.form {
		case 'd':
			fmt.Fprintf(&b, "%0*d", p.width, v)
		case 'o':
			fmt.Fprintf(&b, "%0*o", p.width, uint32(v))
		case 'x':
			fmt.Fprintf(&b, "%0*x", p.width, uint32(v))
		case 'X':
			fmt.Fprintf(&b, "%0*X", p.width, uint32(v))
		case 'n':
			nibbles(&b, uint32(v), p.width, "0123456789abcdef")
		case 'N':
			nibbles(&b, uint32(v), p.width, "0123456789ABCDEF")
		}
	}
	return b.String()
}

// nibbles writes a number as labels of one digit each, the lowest first. The width counts the dots too.
func nibbles(b *strings.Builder, v uint32, width int, digits string) {
	for {
		b.WriteByte(digits[v&15])
		v >>= 4
		width--
		if width > 0 || v != 0 {
			b.WriteByte('.')
			width--
		}
		if v == 0 && width <= 0 {
			return
		}
	}
}
