package probe

import (
	"time"

	"vitalns/checks"
)

// TLS connects and shakes hands. Without SNI the certificate must be for the address probed, or for
// the name of a target that has one.
type TLS struct {
	Aim
	Trust
}

func newTLS() *TLS { return &TLS{Aim: Aim{Port: 443}} }

// Type returns "tls".
func (*TLS) Type() string { return "tls" }

// Keys implements Check.
func (c *TLS) Keys() []Key {
	return append([]Key{c.addressKey(), c.portKey()}, c.Trust.keys("the target's name or address")...)
}

// Validate implements Check.
func (c *TLS) Validate() error { return c.Trust.validate() }

// Identity implements Check.
func (c *TLS) Identity(timeout time.Duration) checks.Identity {
	id := newIdentity(c.Type(), timeout)
	c.Trust.identify(id)
	return id.sum()
}
