package hostile

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"vitalns/test/live"
)

// A sheet is what /metrics says: series as they are written, with their values.
type sheet map[string]float64

// metrics reads /metrics of a node, over a connection of its own: one that lived on would be a goroutine.
func metrics(t *testing.T, n *live.Node) sheet {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + n.HTTP + "/metrics")
	if err != nil {
		t.Fatalf("%v; the node says:\n%s", err, n.Proc.Output())
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	s := sheet{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if s[line[:at]], err = strconv.ParseFloat(line[at+1:], 64); err != nil {
			t.Fatalf("metrics: %q: %v", line, err)
		}
	}
	return s
}

// sum adds up the series of one name that have all of some labels, each written NAME="VALUE".
func (s sheet) sum(name string, labels ...string) (sum float64) {
series:
	for series, v := range s {
		of, set, _ := strings.Cut(series, "{")
		if of != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(set, l) {
				continue series
			}
		}
		sum += v
	}
	return sum
}

// read is how many messages the node has taken from its sockets, answered or not.
func (s sheet) read(proto string) float64 {
	n := s.sum("vitalns_dns_requests_total", fmt.Sprintf("proto=%q", proto))
	if proto == "udp" { // a stream that is no query ends
		for _, reason := range []string{"malformed", "not_query", "proxy"} {
			n += s.sum("vitalns_dns_dropped_total", fmt.Sprintf("reason=%q", reason))
		}
	}
	return n
}

// rss is how much memory the node has, in bytes.
func rss(t *testing.T, n *live.Node) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.Proc.Pid()))
	if err != nil {
		t.Skipf("memory of a process is read from /proc: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// mib prints bytes.
func mib(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
