package zones_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// Each case ends in a line "ask NAME TYPE [CLIENT]"; below the dashes stands what Explain draws.
func TestExplain(t *testing.T) {
	golden(t, filepath.Join("testdata", "explain.txt"), func(w *world) string {
		return explain(t, w).String()
	})
}

func explain(t *testing.T, w *world) zones.Explanation {
	t.Helper()
	q := zones.Question{Name: zonetest.Name(t, w.ask[0]), Type: dns.StringToType[w.ask[1]]}
	if len(w.ask) > 2 {
		q.Client = netip.MustParseAddr(w.ask[2])
	}
	in := w.snapshot()
	return zones.Explain(zones.NewTable(w.compile(t), in), in, q)
}

// Fewer nodes than expected show, none more.
func TestExplainNodes(t *testing.T) {
	w := newWorld()
	for _, line := range []string{"pool web", "target lon 192.0.2.1", "ask www.test A"} {
		w.tell(t, line)
	}
	for _, expected := range []int{3, 1} {
		in := w.snapshot()
		in.Voters, in.Nodes = []string{"a"}, expected
		e := zones.Explain(zones.NewTable(w.compile(t), in), in, zones.Question{Name: zonetest.Name(t, "www.test"), Type: dns.TypeA})
		if got, want := strings.Contains(e.String(), "judged by 1 of 3"), expected == 3; got != want {
			t.Errorf("of %d: %s", expected, e)
		}
	}
}

// The names of the fields are a contract: one golden file.
func TestExplainJSON(t *testing.T) {
	w := newWorld()
	for _, line := range []string{
		"pool web ttl=5-60 fallback=sorry", "target lon 192.0.2.1", "target fra 192.0.2.2",
		"pool sorry", "target static 192.0.2.99 unchecked",
		"choice web/ip4 fra epoch=2 age=1h", "choice web/chain web age=1h",
		"192.0.2.1 up age=10s", "override web/fra up left=1h age=2h", "rule 10.0.0.0/8 sorry", "ask www.test A 192.0.2.200",
	} {
		w.tell(t, line)
	}
	got, err := json.MarshalIndent(explain(t, w), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "explain.json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestExplainLine(t *testing.T) {
	w := newWorld()
	for _, line := range []string{"pool web", "target lon 192.0.2.1", "target fra 192.0.2.2", "192.0.2.1 down age=1h", "ask www.test A"} {
		w.tell(t, line)
	}
	want := "www.test. A; NOERROR; pool web: lon down, fra up; 192.0.2.2"
	if got := explain(t, w).Line(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
