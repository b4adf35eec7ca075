package e2e

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"vitalns/test/live"
)

// A backend is a listener at an address of its own. It says "ok" to whoever connects, or nothing.
type backend struct {
	addr   netip.AddrPort
	silent bool

	listener net.Listener // nil: connections are refused
	serving  sync.WaitGroup
}

// backends opens n of them, all at the same port, until the test ends.
func backends(t *testing.T, n int) []*backend {
	t.Helper()
	addrs, err := live.Loopback(n)
	if err != nil {
		t.Fatal(err)
	}
	var bs []*backend
	for _, a := range addrs {
		b := &backend{addr: a}
		b.open(t)
		t.Cleanup(func() { b.close(t) })
		bs = append(bs, b)
	}
	return bs
}

func (b *backend) ip() netip.Addr { return b.addr.Addr() }

// open accepts connections from now on.
func (b *backend) open(t *testing.T) {
	t.Helper()
	l, err := live.Listen(b.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	b.listener = l
	b.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			b.serving.Go(func() { b.serve(c) })
		}
	})
}

// serve ends when the other side does.
func (b *backend) serve(c net.Conn) {
	defer c.Close()
	if !b.silent {
		_, _ = io.WriteString(c, "ok\n") // whoever has gone does not care
	}
	_, _ = io.Copy(io.Discard, c) // until the other side closes
}

// close refuses connections from now on.
func (b *backend) close(t *testing.T) {
	t.Helper()
	if b.listener == nil {
		return
	}
	if err := b.listener.Close(); err != nil {
		t.Error(err)
	}
	b.listener = nil
	b.serving.Wait()
}

// zone is a zone file with a pool of each kind over the same targets: t0, t1, ... www.e2e.test is all of
// them, first.e2e.test the best. check and first are further keys.
func zone(bs []*backend, check, first string) string {
	var targets strings.Builder
	for i, b := range bs {
		fmt.Fprintf(&targets, "  { name = \"t%d\", address = \"%s\" },\n", i, b.ip())
	}
	return `zone = "e2e.test"
ns   = { ns1 = "192.0.2.53" }

[checks.tcp]
type   = "tcp"
port   = ` + fmt.Sprint(bs[0].addr.Port()) + `
expect = { text = "ok" }
` + check + `

[pools.www]
policy  = "all"
check   = "tcp"
ttl     = "1s"
targets = [
` + targets.String() + `]

[pools.first]
check   = "tcp"
ttl     = "1s"
` + first + `
targets = [
` + targets.String() + `]

[records.www]
pool = "www"

[records.first]
pool = "first"
`
}
