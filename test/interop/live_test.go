package interop

import (
	"context"
	_ "embed"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitalns/test/live"
)

// liveZone has pools at every place of a zone, and every target is up: what is checked is HOST and PORT.
//
//go:embed testdata/differential/live.toml
var liveZone string

// A zone of pools answers as the same zone does without: as `zone export` says it, in the references. The
// TTL of its pools is that of its negative answers, so that nothing may differ but the order of records.
func TestLiveZone(t *testing.T) {
	const origin = "live.test."
	s := open(t)
	host, port, err := net.SplitHostPort(healthy(t))
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, s.Dir, "live.toml", strings.NewReplacer("HOST", host, "PORT", port).Replace(liveZone))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := s.Command(ctx, "zone", "export", file)
	if err != nil || said.Code != 0 {
		t.Fatalf("zone export: %v, exit code %d\n%s", err, said.Code, said.Err)
	}
	zones := []master{{origin, said.Out}}
	names := namesOf(zones)
	differ(t, startFiles(t, s, file), world{zones, slices.Concat(
		aboutNames(names, near(names), true),
		bySize([]string{origin, "mail." + origin, "to." + origin, "_sip._tcp." + origin, "sub." + origin, "every." + origin}),
		strange([]string{origin, "www." + origin, "x.wild." + origin, "second." + origin, "names." + origin}),
	)})
}

// healthy accepts connections until the end of the test.
func healthy(t *testing.T) (addr string) {
	t.Helper()
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	l, err := live.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			_ = c.Close() // it has been accepted: no more is asked
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return addr
}
