package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"time"

	"vitalns/checks"
)

// TCP asks for a connection, and is content when the target's system grants it; with StartTLS it speaks the
// protocol's own prelude and shakes hands, without judging the certificate; with Send and expectations it holds
// the shortest of dialogues.
type TCP struct {
	Aim
	Send     string         // sent once connected (and encrypted); "" nothing
	Text     string         // must come within the first 64 KiB; "" anything, nothing included
	Regex    *regexp.Regexp // must match in the first 64 KiB; nil: anything
	StartTLS string         // "", or a key of dialogues
}

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
			if dialogues[v.Text] == nil {
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

// Prober implements Check.
func (c *TCP) Prober(env *Env) checks.Prober {
	return &tcpProber{TCP: *c, env: env, expect: expectation{c.Text, c.Regex}}
}

type tcpProber struct {
	TCP
	env    *Env
	expect expectation
}

func (p *tcpProber) Probe(ctx context.Context, t checks.Target) checks.Result {
	s := begin(ctx)
	addr, err := p.env.addr(ctx, t)
	if err != nil {
		return s.end(ctx, err)
	}
	to := netip.AddrPortFrom(addr, t.Port)
	if p.Send == "" && p.StartTLS == "" && p.expect.none() {
		return s.end(ctx, p.env.knock(ctx, to))
	}
	c, err := p.env.dial(ctx, to)
	if err != nil {
		return s.end(ctx, err)
	}
	defer c.Close() // by a reset: nothing is lost that was not read
	notAfter, err := p.talk(c, t)
	r := s.end(ctx, err)
	r.CertNotAfter = notAfter
	return r
}

// talk goes through STARTTLS, what is sent and what is expected, as far as they are configured.
func (p *tcpProber) talk(c net.Conn, t checks.Target) (notAfter time.Time, err error) {
	if p.StartTLS != "" {
		if err := during("in the "+p.StartTLS+" dialogue", startTLS(p.StartTLS, c)); err != nil {
			return time.Time{}, err
		}
		tc := tls.Client(c, &tls.Config{ServerName: domainOf(t), InsecureSkipVerify: true}) // the certificate is not what is judged
		if notAfter, err = handshake(tc); err != nil {
			return notAfter, err
		}
		c = tc
	}
	if p.Send != "" {
		if _, err := io.WriteString(c, p.Send); err != nil {
			return notAfter, during("while sending", err)
		}
	}
	if p.expect.none() {
		return notAfter, nil
	}
	return notAfter, during(awaiting, p.expect.meet(c, "answer"))
}
