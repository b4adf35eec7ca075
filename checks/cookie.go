package checks

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
)

// CookieKey is the key of the one register of KindCookies.
const CookieKey = "cookies"

// A Secret is a key of server cookies. It does not print itself.
type Secret [16]byte

// String returns that it is a secret, and no more.
func (Secret) String() string { return "secret" }

// GoString is String for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String for JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// CookieSecrets are what all nodes make server cookies by, which is Current, and accept them under, which
// is all three: so a node that is one rotation ahead or behind understands the others. Generation counts
// rotations; 0: there are none yet. The greater Generation wins, then the greater bytes.
type CookieSecrets struct {
	Generation              uint64
	Previous, Current, Next Secret
}

// Rotate returns the secrets of the next generation: next must be random, and is not used by anybody
// before one more rotation.
func (c CookieSecrets) Rotate(next Secret) CookieSecrets {
	return CookieSecrets{Generation: c.Generation + 1, Previous: c.Current, Current: c.Next, Next: next}
}

func (c CookieSecrets) overtakes(d CookieSecrets) bool {
	return cmp.Or(cmp.Compare(c.Generation, d.Generation), bytes.Compare(EncodeCookieSecrets(c), EncodeCookieSecrets(d))) > 0
}

// EncodeCookieSecrets returns the payload of secrets.
func EncodeCookieSecrets(c CookieSecrets) []byte {
	b := binary.AppendUvarint([]byte{payloadVersion}, c.Generation)
	for _, s := range [...]Secret{c.Previous, c.Current, c.Next} {
		b = append(b, s[:]...)
	}
	return b
}

// DecodeCookieSecrets reads what EncodeCookieSecrets wrote. A secret of zeros is none, and malformed:
// everybody could make cookies by it.
func DecodeCookieSecrets(b []byte) (CookieSecrets, error) {
	return decode("cookies", b, func(r *reader) CookieSecrets {
		c := CookieSecrets{Generation: r.uint(math.MaxUint64)}
		for _, s := range [...]*Secret{&c.Previous, &c.Current, &c.Next} {
			for i := range s {
				s[i] = r.byte()
			}
			r.bad = r.bad || *s == Secret{}
		}
		r.bad = r.bad || c.Generation == 0
		return c
	}, EncodeCookieSecrets)
}
