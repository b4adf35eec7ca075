package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"vitalns/test/live"
)

// dig returns the path of dig, or skips the test.
func dig(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("dig")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("dig is missing: install the Debian package bind9-dnsutils (make test-deps)")
	}
	if err != nil {
		t.Skip("dig is missing: install the Debian package bind9-dnsutils")
	}
	return path
}

// recordsZone has an ALIAS at the apex, and MX and SRV records whose hosts pools choose. Each host is checked
// at a backend.
func recordsZone(bs []*backend) string {
	check := func(b *backend) string {
		return fmt.Sprintf(`check = { use = "tcp", address = "%s" }`, b.ip())
	}
	return zone(bs, patient, ``) + fmt.Sprintf(`
[pools.mail]
policy  = "all"
ttl     = "1s"
targets = [
  { name = "a", cname = "mx1", weight = 7, %[1]s },
  { name = "b", cname = "mx2.example.net.", weight = 0, %[2]s },
]
[pools.spare]
failback = "auto"
ttl     = "1s"
targets = [
  { name = "a", cname = "spare1.example.net.", %[1]s },
  { name = "b", cname = "spare2.example.net.", %[2]s },
]
[records."@"]
ALIAS = "www"
MX    = [{ pool = "mail", preference = 10 }, { pool = "spare", preference = 20 }, "90 queue.example.net."]
TXT   = "%[3]s"
[records._sip]
SRV = { pool = "mail", priority = 1, port = 5060 }
[records.mx1]
ALIAS = "first"
`, check(bs[0]), check(bs[1]), strings.Repeat("long ", 12000))
}

// A whole node, asked by dig: an ALIAS at the apex and live hosts follow what is up, and text that fills a
// message comes whole over TCP.
func TestRecords(t *testing.T) {
	t.Parallel()
	program := dig(t)
	bs := backends(t, 2)
	s := open(t)
	nodes := cluster(t, s, 1, recordsZone(bs))
	host, port, _ := strings.Cut(nodes[0].DNS, ":")
	ask := func(args ...string) string {
		args = append([]string{"@" + host, "-p", port, "+norec", "+tries=3", "+time=5"}, args...)
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("dig %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	short := func(args ...string) string {
		lines := strings.Fields(strings.ReplaceAll(ask(append(args, "+short")...), " ", "_"))
		slices.Sort(lines)
		return strings.Join(lines, " ")
	}
	wait := func(want string, args ...string) {
		t.Helper()
		live.Eventually(t, patience, func() string {
			if got := short(args...); got != want {
				return fmt.Sprintf("dig %v: %q, want %q", args, got, want)
			}
			return ""
		})
	}
	both := fmt.Sprintf("%s %s", bs[0].ip(), bs[1].ip())
	wait(both, "e2e.test", "A")
	wait("10_mx1.e2e.test. 10_mx2.example.net. 20_spare1.example.net. 90_queue.example.net.", "e2e.test", "MX")
	wait("1_0_5060_mx2.example.net. 1_7_5060_mx1.e2e.test.", "_sip.e2e.test", "SRV")
	if got := ask("e2e.test", "MX", "+noall", "+additional"); !strings.Contains(got, "mx1.e2e.test.") || !strings.Contains(got, bs[0].ip().String()) {
		t.Errorf("no address of a host comes along:\n%s", got)
	}
	if got := ask("e2e.test", "TXT", "+noall", "+comments", "+ignore", "+bufsize=4096"); !strings.Contains(got, "tc") || !strings.Contains(got, "ANSWER: 0") {
		t.Errorf("long text over UDP:\n%s", got)
	}
	text := strings.NewReplacer(`" "`, "", `"`, "").Replace(strings.TrimSpace(ask("e2e.test", "TXT", "+short")))
	if text != strings.Repeat("long ", 12000) {
		t.Errorf("long text: %d bytes, want 60000", len(text))
	}

	bs[0].close(t)
	wait(bs[1].ip().String(), "e2e.test", "A")
	wait("10_mx2.example.net. 20_spare2.example.net. 90_queue.example.net.", "e2e.test", "MX")
	wait("1_0_5060_mx2.example.net.", "_sip.e2e.test", "SRV")
	explained := command(t, nodes[0], 0, "explain", "e2e.test", "MX").Out
	for _, want := range []string{"hosts      preference 10 from pool mail", "a: down", "answer     e2e.test. 1 IN MX 10 mx2.example.net."} {
		if !strings.Contains(explained, want) {
			t.Errorf("explain lacks %q:\n%s", want, explained)
		}
	}
	if explained := command(t, nodes[0], 0, "explain", "e2e.test").Out; !strings.Contains(explained, "ALIAS of www.e2e.test.") || !strings.Contains(explained, "e2e.test. 1 IN A "+bs[1].ip().String()) {
		t.Errorf("explain of the ALIAS:\n%s", explained)
	}
	bs[0].open(t)
	wait(both, "e2e.test", "A")
	wait("10_mx1.e2e.test. 10_mx2.example.net. 20_spare1.example.net. 90_queue.example.net.", "e2e.test", "MX")
}
