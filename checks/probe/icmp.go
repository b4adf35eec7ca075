package probe

import (
	"context"
	"time"

	"vitalns/checks"
)

// ICMP sends one echo request. It needs the right to do so: net.ipv4.ping_group_range, or CAP_NET_RAW.
type ICMP struct{ Aim }

func newICMP() *ICMP { return new(ICMP) }

// Type returns "icmp".
func (*ICMP) Type() string { return "icmp" }

// Keys implements Check.
func (c *ICMP) Keys() []Key { return []Key{c.addressKey()} }

// Validate implements Check.
func (*ICMP) Validate() error { return nil }

// Identity implements Check.
func (c *ICMP) Identity(timeout time.Duration) checks.Identity {
	return newIdentity(c.Type(), timeout).sum()
}

// Prober implements Check.
func (*ICMP) Prober(env *Env) checks.Prober { return icmpProber{env} }

type icmpProber struct{ env *Env }

func (p icmpProber) Probe(ctx context.Context, t checks.Target) checks.Result {
	s := begin(ctx)
	addr, err := p.env.addr(ctx, t)
	if err == nil {
		err = p.env.pings.ping(ctx, addr, p.env.source(addr))
	}
	return s.end(ctx, err)
}
