package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"vitalns/checks"
)

// Env is what the node hands to all its probers: one value, filled before the first probe, then only
// read. Every Prober of a node shares it, and with it the sockets that are kept.
type Env struct {
	UserAgent string       // "vitalns/VERSION (NODE)"
	Source    []netip.Addr // the first of a target's family is the source address; none: the system's choice
	Resolver  string       // HOST:PORT of the resolver of targets with a domain name; "": the system's

	pings pings
	idle  idleSockets
}

// source is the address to probe a target of that family from; the zero Addr leaves it to the system.
func (e *Env) source(target netip.Addr) netip.Addr {
	for _, a := range e.Source {
		if a.Unmap().Is4() == target.Is4() {
			return a.Unmap()
		}
	}
	return netip.Addr{}
}

// addr is the address to probe of a target. A domain name is asked for anew each time; of its addresses
// the first in the order of RFC 6724 counts, which puts those of a family this node lacks last.
func (e *Env) addr(ctx context.Context, t checks.Target) (netip.Addr, error) {
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return a.Unmap(), nil
	}
	lookup, cancel := context.WithCancel(ctx)
	defer cancel()
	addrs, err := e.resolver(lookup).LookupNetIP(lookup, "ip", t.Host)
	if err != nil {
		return netip.Addr{}, resolveError(ctx, err)
	}
	if len(addrs) == 0 {
		return netip.Addr{}, failed("the name has no address")
	}
	return addrs[0].Unmap(), nil
}

// resolver makes a resolver whose connections end with ctx: net.Resolver alone leaves a lookup that was
// given up to run for seconds. It tells packets from streams by the type of a connection, so they are
// handed over as they are.
func (e *Env) resolver(ctx context.Context) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(dialing context.Context, network, address string) (net.Conn, error) {
		if e.Resolver != "" {
			address = e.Resolver
		}
		var d net.Dialer
		c, err := d.DialContext(dialing, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = c.Close() }) // fails only where the resolver has closed it
		}
		return c, err
	}}
}

// resolveError: a name that does not exist is the target's failure, as its clients cannot reach it
// either. Any other error is the resolver's.
func resolveError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if ctx.Err() != nil {
		return void("resolver: timeout")
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return failed("the name has no address")
		}
		if e.IsTimeout {
			return void("resolver: timeout")
		}
		return void("resolver: %s", e.Err)
	}
	return void("resolver: %s", strings.TrimPrefix(err.Error(), "lookup "))
}
