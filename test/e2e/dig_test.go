package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"vitalns/test/live"
)

// dig is what people have: over UDP and TCP, to IPv4 and IPv6 listeners of one node.
func TestDig(t *testing.T) {
	t.Parallel()
	program := dig(t)
	hosts := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		_ = l.Close() // there is IPv6
		hosts = append(hosts, "::1")
	} else {
		t.Logf("without ::1: %v", err)
	}
	bs := backends(t, 2)
	s := open(t)
	file := write(t, s.Dir, "zone.toml", zone(bs, patient, ``))
	for _, host := range hosts {
		t.Run(host, func(t *testing.T) {
			nodes, err := s.Nodes(fmt.Sprintf("on%d-", len(host)), live.Setup{Host: host, Zones: []string{file}, Nodes: 1})
			if err != nil {
				t.Fatal(err)
			}
			start(t, nodes...)
			answers(t, nodes, names[0], ips(bs)...)
			_, port, _ := strings.Cut(strings.TrimPrefix(nodes[0].DNS, "["+host+"]"), ":")
			for _, proto := range []string{"+notcp", "+tcp"} {
				for _, row := range []struct{ name, qtype, want string }{
					{"first.e2e.test", "A", bs[0].ip().String()},
					{"e2e.test", "NS", "ns1.e2e.test."},
					{"ns1.e2e.test", "A", "192.0.2.53"},
					{"none.e2e.test", "A", ""},
				} {
					out, err := exec.CommandContext(t.Context(), program, "@"+host, "-p", port, proto, "+norec", "+tries=3", "+time=5", "+short", row.name, row.qtype).CombinedOutput()
					if got := strings.TrimSpace(string(out)); err != nil || got != row.want {
						t.Errorf("dig %s %s %s: %q (%v), want %q", proto, row.name, row.qtype, got, err, row.want)
					}
				}
			}
		})
	}
}
