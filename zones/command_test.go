package zones_test

import (
	"errors"
	"strings"
	"testing"

	"vitalns/checks"
	"vitalns/zones"
)

// told makes a world of these lines.
func worldOf(t *testing.T, lines ...string) *world {
	t.Helper()
	w := newWorld()
	for _, line := range lines {
		w.tell(t, line)
	}
	return w
}

func TestReturnNow(t *testing.T) {
	web := []string{"pool web failback=manual", "target lon 192.0.2.1,2001:db8::1", "target fra 192.0.2.2,2001:db8::2"}
	chain := []string{"pool web policy=all min=2 fallback=sorry failback=manual", "target lon 192.0.2.1", "target fra 192.0.2.2",
		"pool sorry", "target static 192.0.2.99 unchecked", "choice web/chain sorry epoch=4"}
	tests := []struct {
		name  string
		lines []string
		want  string // registers, or the error
	}{
		{"each family that is not at its best", append(web, "choice web/ip4 fra epoch=2", "choice web/ip6 fra epoch=5"),
			"write web/ip4 lon epoch=3; write web/ip6 lon epoch=6"},
		{"one family alone", append(web, "choice web/ip4 lon epoch=2", "choice web/ip6 fra epoch=5"), "write web/ip6 lon epoch=6"},
		{"refused for a group that is not usable", append(web, "choice web/ip4 fra", "192.0.2.1 down"), "no target better than fra is usable for ip4"},
		{"nothing to do", append(web, "choice web/ip4 lon"), "pool web is at its best already"},
		{"no choice was ever made", web, "pool web is at its best already"},
		{"the pool in use of a chain", chain, "write web/chain web epoch=5"},
		{"refused for a pool that is not fit", append(chain, "192.0.2.1 down"), "pool web is not usable: 1 of 2 targets up, 2 needed"},
	}
	for _, tt := range tests {
		w := worldOf(t, tt.lines...)
		in := w.snapshot()
		rs, err := zones.ReturnNow(zones.NewTable(w.compile(t), in), in, 0)
		var b strings.Builder
		written(t, &b, rs)
		got := strings.ReplaceAll(strings.TrimSpace(b.String()), "\n  ", "; ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCheckOverride(t *testing.T) {
	two := []string{"pool web policy=all", "target lon 192.0.2.1", "target fra 192.0.2.2"}
	tests := []struct {
		name    string
		lines   []string
		admin   checks.Admin
		empties bool
	}{
		{"one of two", two, checks.Drain, false},
		{"the last that is up, drained", append(two, "192.0.2.2 down"), checks.Drain, true},
		{"the last that is up, forced down", append(two, "192.0.2.2 down"), checks.ForceDown, true},
		{"beside one without a verdict", append(two, "192.0.2.2 unknown"), checks.ForceDown, false},
		{"beside one that is drained", append(two, "override web/fra drain"), checks.Drain, true},
		{"one that is down beside nothing", append(two, "192.0.2.1 down", "192.0.2.2 down"), checks.Drain, false},
		{"the last not forced down", append(two, "192.0.2.1 down", "override web/fra down"), checks.ForceDown, true},
		{"auto for one that only an override keeps up", append(two, "192.0.2.1 down", "192.0.2.2 down", "override web/lon up"), checks.Auto, true},
		{"up", append(two, "192.0.2.1 down", "192.0.2.2 down"), checks.ForceUp, false},
	}
	for _, tt := range tests {
		w := worldOf(t, tt.lines...)
		in := w.snapshot()
		key, err := zones.CheckOverride(zones.NewTable(w.compile(t), in), in, 0, "lon", tt.admin)
		if key != "test/web/lon" || errors.Is(err, zones.ErrEmpties) != tt.empties || err != nil && !tt.empties {
			t.Errorf("%s: got %q, %v, want empties %v", tt.name, key, err, tt.empties)
		}
	}
	w := worldOf(t, two...)
	in := w.snapshot()
	_, err := zones.CheckOverride(zones.NewTable(w.compile(t), in), in, 0, "rom", checks.Drain)
	if err == nil || err.Error() != `pool web has no target "rom"; it has lon, fra` {
		t.Errorf("got %v", err)
	}
}

// New content takes the next number, the first is Unix time, what is known is not written again.
func TestSerialWrites(t *testing.T) {
	source := func(content byte, serial uint32) *zones.Source {
		return &zones.Source{Origin: origin, Content: [16]byte{content}, SOA: zones.SOA{Serial: serial}}
	}
	known := checks.Serial{Number: 41, Content: [16]byte{1}}
	tests := []struct {
		name    string
		src     *zones.Source
		serials map[string]checks.Serial
		want    uint32 // number written; 0: nothing is
		shown   uint32
	}{
		{"the first is Unix time", source(1, 0), nil, uint32(newWorld().now.Unix()), 1},
		{"known content", source(1, 0), map[string]checks.Serial{"test": known}, 0, 41},
		{"new content", source(2, 0), map[string]checks.Serial{"test": known}, 42, 41},
		{"past the last number", source(2, 0), map[string]checks.Serial{"test": {Number: ^uint32(0)}}, 1, ^uint32(0)},
		{"a zone that gives its own", source(2, 9), map[string]checks.Serial{"test": known}, 0, 9},
	}
	for _, tt := range tests {
		set, err := zones.Compile([]*zones.Source{tt.src})
		if err != nil {
			t.Fatal(err)
		}
		in := newWorld().snapshot()
		in.Serials = tt.serials
		got := uint32(0)
		for _, r := range zones.SerialWrites(set, in) {
			s, err := checks.DecodeSerial(r.Payload)
			if err != nil || r.Key != "test" || r.Kind != checks.KindSerial || s.Content != tt.src.Content {
				t.Errorf("%s: wrote %v, %v, %v", tt.name, r, s, err)
			}
			got = s.Number
		}
		if got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
		if shown := zones.NewTable(set, in).Serial(0); shown != tt.shown {
			t.Errorf("%s: shows %d, want %d", tt.name, shown, tt.shown)
		}
	}
}
