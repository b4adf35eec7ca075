package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"vitalns/test/bench/wide"
)

const (
	origin  = "verdict.test."
	pools   = 10_000
	watched = 100  // pools whose first target goes down
	word    = "up" // what a target of theirs says that is
)

// second is what a pool answers with when its first target is down.
var second = netip.MustParseAddr("192.0.2.2")

// first is what a pool answers with else.
func first(pool int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(pool >> 8), byte(pool), 1})
}

func poolName(i int) string { return fmt.Sprintf("p%d", i) }

// writeZone writes a zone file with all pools, and a master file beside it with so many names.
func writeZone(dir string, ts *targets, names int) (path string, err error) {
	static := filepath.Join(dir, fmt.Sprintf("static%d.zone", names))
	if err := wide.Write(static, names, 1); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "zone = %q\ninclude = [%q]\n", strings.TrimSuffix(origin, "."), static)
	fmt.Fprintf(&b, "[checks.quick]\ntype = \"tcp\"\nport = 1\ninterval = \"200ms\"\nfall = 1\nrise = 1\nexpect = { text = %q }\n", word)
	b.WriteString("[checks.slow]\ntype = \"tcp\"\nport = 1\ninterval = \"60s\"\n")
	for i := range pools {
		check, addr := "slow", netip.AddrPort{}
		if i < watched {
			check, addr = "quick", ts.own[i].addr
		} else {
			addr = ts.others[i-watched]
		}
		fmt.Fprintf(&b, "[pools.p%d]\nttl = 5\ntargets = [\n  { name = \"a\", address = %q, check = { use = %q, address = %q, port = %d } },\n  { name = \"b\", address = %q },\n]\n[records.p%d]\npool = \"p%d\"\n",
			i, first(i), check, addr.Addr(), addr.Port(), second, i, i)
	}
	path = filepath.Join(dir, fmt.Sprintf("zone%d.toml", names))
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}
