package probe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"vitalns/checks"
)

// TCP connects; with StartTLS it speaks the protocol's own prelude and shakes hands, without judging
// the certificate; with Send and expectations it holds the shortest of dialogues.
type TCP struct {
	Aim
	Send     string         // sent once connected (and encrypted); "" nothing
	Text     string         // must come within the first 64 KiB; "" anything, nothing included
	Regex    *regexp.Regexp // must match in the first 64 KiB; nil: anything
	StartTLS string         // "", or one of startTLSProtocols
}

var startTLSProtocols = []string{"smtp", "imap", "pop3", "ldap", "postgres"}

func newTCP() *TCP { return new(TCP) }

// Type returns "tcp".
func (*TCP) Type() string { return "tcp" }

// Keys implements Check.
func (c *TCP) Keys() []Key {
	port := c.portKey()
	port.Doc += "; required"
	return []Key{
		c.addressKey(),
		port,
		needKey("send", "what is sent once connected", &c.Send),
		{Name: "expect", Kind: Group, Doc: "what must come back", Keys: []Key{
			needKey("text", "text that must stand in the first 64 KiB that come", &c.Text),
			regexKey("regex", "regular expression that must match in the first 64 KiB that come", &c.Regex),
		}},
		{Name: "starttls", Kind: Text, Doc: "protocol whose STARTTLS comes first: smtp, imap, pop3, ldap or postgres", Set: func(v Value) error {
			if !slices.Contains(startTLSProtocols, v.Text) {
				return fmt.Errorf("%s is none of smtp, imap, pop3, ldap, postgres", quoted(v.Text))
			}
			c.StartTLS = v.Text
			return nil
		}},
	}
}

// Validate implements Check.
func (c *TCP) Validate() error {
	if c.Port == 0 {
		return errors.New("port is required")
	}
	return nil
}

// Identity implements Check.
func (c *TCP) Identity(timeout time.Duration) checks.Identity {
	id := newIdentity(c.Type(), timeout)
	id.add("send", c.Send)
	id.add("text", c.Text)
	id.addRegex("regex", c.Regex)
	id.add("starttls", c.StartTLS)
	return id.sum()
}
