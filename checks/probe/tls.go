package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"
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

// Prober implements Check.
func (c *TLS) Prober(env *Env) checks.Prober {
	return &tlsProber{Trust: c.Trust, env: env, pool: c.Trust.pool()}
}

type tlsProber struct {
	Trust
	env  *Env
	pool *x509.CertPool
}

func (p *tlsProber) Probe(ctx context.Context, t checks.Target) checks.Result {
	s := begin(ctx)
	addr, err := p.env.addr(ctx, t)
	if err != nil {
		return s.end(ctx, err)
	}
	c, err := p.env.dial(ctx, netip.AddrPortFrom(addr, t.Port))
	if err != nil {
		return s.end(ctx, err)
	}
	defer c.Close() // by a reset: nothing is lost that was not read
	sni := p.SNI
	if sni == "" {
		sni = cmp.Or(domainOf(t), addr.String())
	}
	tc := tls.Client(c, p.config(sni, p.pool))
	notAfter, err := p.accept(tc)
	r := s.end(ctx, err)
	r.CertNotAfter = notAfter
	return r
}

// domainOf is the domain name of a target that has one, without its final dot.
func domainOf(t checks.Target) string {
	if t.Addr().IsValid() {
		return ""
	}
	return strings.TrimSuffix(t.Host, ".")
}

// handshake returns the end of the validity of the certificate shown, even where it is refused.
func handshake(tc *tls.Conn) (notAfter time.Time, err error) {
	err = tc.Handshake() // ends with the connection, which ends with the probe's context
	shown := tc.ConnectionState().PeerCertificates
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		shown = e.UnverifiedCertificates
	}
	if len(shown) > 0 {
		notAfter = shown[0].NotAfter
	}
	return notAfter, during(inHandshake, err)
}
