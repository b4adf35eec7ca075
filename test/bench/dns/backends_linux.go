package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vitalns/test/live"
)

const (
	perPool = 3  // targets of each pool, of which two are answered
	dead    = 30 // targets that are down at any time, once that many seconds have gone by
)

// backends are what the live zone checks: a listener for every target, one of which stops or starts each
// second.
type backends struct {
	addrs     []netip.AddrPort
	listeners []net.Listener
	live.Acceptor
}

func openBackends() (*backends, error) {
	bs := &backends{}
	for len(bs.addrs) < pools*perPool {
		addrs, err := live.Loopback(250)
		if err != nil {
			return nil, errors.Join(err, bs.Close())
		}
		for _, a := range addrs {
			l, err := live.Listen(a.String())
			if err != nil {
				return nil, errors.Join(err, bs.Close())
			}
			bs.Accept(l, nil)
			bs.addrs, bs.listeners = append(bs.addrs, a), append(bs.listeners, l)
		}
	}
	return bs, nil
}

// flip stops one target a second, and starts another, until ctx is done.
func (bs *backends) flip(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	const stride = 7 * perPool // never two of one pool
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = bs.listeners[n*stride%len(bs.listeners)].Close() // once closed it refuses
		if n < dead {
			continue
		}
		i := (n - dead) * stride % len(bs.listeners)
		if l, err := live.Listen(bs.addrs[i].String()); err == nil {
			bs.listeners[i] = l
			bs.Accept(l, nil)
		}
	}
}

// zone writes the live zone: pools of three, of which two in turn are answered.
func (bs *backends) zone(dir string) (path string, err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "zone = %q\nns = { ns1 = \"192.0.2.1\" }\n[checks.tcp]\ntype = \"tcp\"\nport = 1\ninterval = \"10s\"\nfast_interval = \"200ms\"\nfall = 2\n", strings.TrimSuffix(origin, "."))
	for p := range pools {
		fmt.Fprintf(&b, "[records.p%d]\npool = \"p%d\"\n[pools.p%d]\npolicy = \"all\"\nmax_answers = 2\nttl = 5\ncheck = \"tcp\"\ntargets = [\n", p, p, p)
		for i := range perPool {
			a := bs.addrs[p*perPool+i]
			fmt.Fprintf(&b, "  { name = \"t%d\", address = \"10.%d.%d.%d\", check = { use = \"tcp\", address = \"%s\", port = %d } },\n", i, p>>8, p&255, 1+i, a.Addr(), a.Port())
		}
		b.WriteString("]\n")
	}
	path = filepath.Join(dir, "live.toml")
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}
