package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"vitalns/test/zonetest"
)

// A compliance check is a command of dig and what it is to show.
type compliance struct {
	command string
	expect  []string
}

// The checks of RFC 8906, those of ISC's tester, and more of the kind: every file of testdata/compliance has
// commands for dig, and what to expect of each. At least one of the references has to pass a check, or the
// check is wrong.
func TestCompliance(t *testing.T) {
	dig := tool(t, "dig", "bind9-dnsutils")
	var checks []compliance
	for _, name := range []string{"rfc8906", "ednscomp", "beyond"} {
		checks = append(checks, readCompliance(t, filepath.Join("testdata", "compliance", name+".txt"))...)
	}
	zone := master{zonetest.HardOrigin, zonetest.HardZone}
	const ours = "vitalns"
	failed := map[string][]string{} // by server, what each check fails with
	for _, s := range append([]server{{name: ours}}, references...) {
		t.Run(s.name, func(t *testing.T) {
			if s.name == ours {
				failed[ours] = runHeld(t, dig, startNode(t, zone), checks)
			} else {
				failed[s.name] = runChecks(t, dig, s.start(t, zone), checks)
			}
			passed := 0
			for i, why := range failed[s.name] {
				switch {
				case why == "":
					passed++
				case s.name == ours:
					t.Errorf("%s\n%s", checks[i].command, why)
				}
			}
			t.Logf("RFC 8906 and more: %s passes %d of %d checks", s.name, passed, len(checks))
		})
	}
	for i, c := range checks {
		passed := len(failed) == 1 // nothing to compare with
		for _, s := range references {
			passed = passed || failed[s.name] != nil && failed[s.name][i] == ""
		}
		if !passed {
			t.Errorf("%s\nno reference does that:\n%s", c.command, failed[references[0].name][i])
		}
	}
}

// runHeld is runChecks of a node, which dig asks through a relay: both paths are held to what passes it.
func runHeld(t *testing.T, dig string, n node, checks []compliance) []string {
	t.Helper()
	both, r := newPaths(t, n), newRelay(t, n.addr)
	failed := runChecks(t, dig, r.addr, checks)
	for _, e := range r.close() {
		both.hold(e.question, e.response)
	}
	both.report(t, len(checks))
	return failed
}

// readCompliance reads a file of checks: a command, lines that begin with "expect: ", and prose.
func readCompliance(t *testing.T, path string) (checks []compliance) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		expected, ok := strings.CutPrefix(line, "expect: ")
		switch {
		case ok && len(checks) > 0:
			last := &checks[len(checks)-1]
			last.expect = append(last.expect, expected)
		case strings.HasPrefix(line, "dig "):
			checks = append(checks, compliance{command: line})
		case line != "" && line[0] != '#':
			t.Fatalf("%s: %q is neither a command nor an expectation", path, line)
		}
	}
	return checks
}

// runChecks returns for each check what is not as expected; "" where all is.
func runChecks(t *testing.T, dig, addr string, checks []compliance) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	failed := make([]string, len(checks)) // each place is written by one goroutine
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for i, c := range checks {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			command := strings.NewReplacer("$zone", zonetest.HardOrigin, "@$server", "@"+host).Replace(c.command)
			args := append([]string{"-p", port, "+tries=2", "+time=5"}, strings.Fields(command)[1:]...)
			out, err := exec.CommandContext(ctx, dig, args...).CombinedOutput()
			if err != nil {
				failed[i] = fmt.Sprintf("%s: %v\n%s", command, err, out)
				return nil
			}
			shown := readDig(string(out))
			var wrong []string
			for _, e := range c.expect {
				ok, err := shown.shows(e)
				if err != nil {
					return err
				}
				if !ok {
					wrong = append(wrong, "expected: "+e)
				}
			}
			if len(wrong) > 0 {
				failed[i] = strings.Join(wrong, "\n") + "\n" + string(out)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return failed
}

// A shown is what dig printed of a response.
type shown struct {
	text     string
	sections map[string][]string // "answer", "authority", "additional": records
}

func readDig(out string) shown {
	s := shown{text: out, sections: map[string][]string{}}
	section := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		name, found := strings.CutSuffix(strings.TrimPrefix(line, ";; "), " SECTION:")
		switch {
		case found:
			section = strings.ToLower(name)
		case line == "":
			section = ""
		case section != "" && line[0] != ';':
			s.sections[section] = append(s.sections[section], line)
		}
	}
	return s
}

var (
	digFlags   = regexp.MustCompile(`(?m)^;; flags:([ a-z]*);`)
	digEDNS    = regexp.MustCompile(`(?m)^; EDNS: version: (\d+), flags:([ a-z]*)(;|,)`)
	digSize    = regexp.MustCompile(`(?m)^;; MSG SIZE +rcvd: (\d+)`)
	digOpcode  = regexp.MustCompile(`opcode: (\w+), status: (\w+)`)
	hasRecord  = regexp.MustCompile(`^the (\w+) record to (NOT )?be present in the (\w+) section$`)
	hasFlag    = regexp.MustCompile(`^flag: (\w+) to (NOT )?be present$`)
	atMostSize = regexp.MustCompile(`^at most (\d+) bytes$`)
)

// shows reports whether a response is as expected. An expectation that it cannot read is an error.
func (s shown) shows(expected string) (bool, error) {
	edns := digEDNS.FindStringSubmatch(s.text)
	head := digOpcode.FindStringSubmatch(s.text)
	if head == nil {
		return false, nil
	}
	if status, ok := strings.CutPrefix(expected, "status: "); ok {
		return head[2] == status, nil
	}
	if opcode, ok := strings.CutPrefix(expected, "opcode: "); ok {
		return head[1] == opcode, nil
	}
	if m := hasFlag.FindStringSubmatch(expected); m != nil {
		return s.flag(m[1]) == (m[2] == ""), nil
	}
	if m := hasRecord.FindStringSubmatch(expected); m != nil {
		return s.record(m[3], m[1]) == (m[2] == ""), nil
	}
	if m := atMostSize.FindStringSubmatch(expected); m != nil {
		most, _ := strconv.Atoi(m[1]) // digits
		size := digSize.FindStringSubmatch(s.text)
		n, err := strconv.Atoi(size[1])
		return n <= most, err
	}
	switch expected {
	case "an answer section":
		return len(s.sections["answer"]) > 0, nil
	case "an empty answer section":
		return len(s.sections["answer"]) == 0, nil
	case "all sections to be empty":
		return len(s.sections) == 0, nil
	case "the OPT record to NOT be present":
		return edns == nil, nil
	case "an OPT record to be present in the additional section":
		return edns != nil, nil
	case "EDNS Version 0 in response":
		return edns != nil && edns[1] == "0", nil
	case "DO=1 to be present":
		return edns != nil && strings.Contains(edns[2], " do"), nil
	case "MBZ to NOT be in the response":
		return !strings.Contains(s.text, "MBZ"), nil
	case "OPT=100 to NOT be present":
		return !strings.Contains(s.text, "OPT=100"), nil
	case "NSID to be present":
		return strings.Contains(s.text, "\n; NSID: "), nil
	}
	return false, fmt.Errorf("nobody knows how to expect %q", expected)
}

func (s shown) flag(name string) bool {
	m := digFlags.FindStringSubmatch(s.text)
	if m == nil {
		return false
	}
	for _, f := range strings.Fields(m[1]) {
		if f == name {
			return true
		}
	}
	return false
}

// record reports whether a section has a record of a type.
func (s shown) record(section, typ string) bool {
	for _, rr := range s.sections[section] {
		if f := strings.Fields(rr); len(f) > 3 && f[3] == typ {
			return true
		}
	}
	return false
}
