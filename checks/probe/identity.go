package probe

import (
	"crypto/sha256"
	"regexp"
	"strconv"
	"time"

	"vitalns/checks"
)

// An identity is built from the effective value of every key that changes what a result means: a
// default that is written out, headers in another order, or a CA file at another path with the same
// certificates change nothing. The text it digests is versioned: a type that comes to mean something
// else by the same keys takes a new version.
type identity struct {
	kind string
	text []byte
}

const identityVersion = "vitalns probe 1"

func newIdentity(kind string, timeout time.Duration) *identity {
	id := &identity{kind: kind}
	id.add(identityVersion, kind)
	id.add("timeout", strconv.FormatInt(int64(timeout), 10))
	return id
}

// add appends one key with its values. Each part is quoted, so no two lists of parts are one text.
func (id *identity) add(key string, values ...string) {
	id.text = strconv.AppendQuote(id.text, key)
	for _, v := range values {
		id.text = append(id.text, ' ')
		id.text = strconv.AppendQuote(id.text, v)
	}
	id.text = append(id.text, '\n')
}

func (id *identity) sum() checks.Identity {
	sum := sha256.Sum256(id.text)
	return checks.Identity{Type: id.kind, Sum: [16]byte(sum[:16])}
}

// addRegex appends an expression by its source; none is not the empty one.
func (id *identity) addRegex(key string, re *regexp.Regexp) {
	if re != nil {
		id.add(key, re.String())
	}
}
