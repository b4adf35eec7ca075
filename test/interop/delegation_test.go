package interop

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitalns/test/live"
)

// A delegation checker wants name servers on port 53 of public addresses, below a root. It gets them in a
// network namespace, where nothing is but this: the test runs itself again there, once for each server.
const (
	insideServer = "VITALNS_TEST_SERVER"  // who serves the zone: "vitalns" or "nsd"
	insideOutput = "VITALNS_TEST_RESULTS" // where the results go
)

// What registries and operators ask before they delegate: zonemaster and dnsviz find no error in a zone on
// two nodes, and nothing to warn of that they would not find were NSD in their place.
func TestDelegationCheckers(t *testing.T) {
	unshare, ip := tool(t, "unshare", "util-linux"), tool(t, "ip", "iproute2")
	tool(t, "nsd", "nsd")
	flags := "-n"
	if os.Geteuid() != 0 {
		flags = "-rn" // as root of a user namespace
	}
	if out, err := exec.Command(unshare, flags, ip, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Skipf("a network namespace of its own needs root, or user namespaces: %v: %s", err, out)
	}
	results := map[string]string{}
	for _, server := range []string{"nsd", "vitalns"} {
		results[server] = t.TempDir()
		cmd := exec.CommandContext(t.Context(), unshare, flags, os.Args[0], "-test.run=^TestInsideNamespace$", "-test.v", "-test.timeout=3m")
		cmd.Env = append(os.Environ(), insideServer+"="+server, insideOutput+"="+results[server])
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", server, err, out)
		}
		t.Logf("%s:\n%s", server, out)
	}
	t.Run("zonemaster", func(t *testing.T) {
		tool(t, "zonemaster-cli", "zonemaster-cli")
		compareFindings(t, zonemasterFindings(t, results["vitalns"]), zonemasterFindings(t, results["nsd"]))
	})
	t.Run("dnsviz", func(t *testing.T) {
		tool(t, "dnsviz", "dnsviz")
		compareFindings(t, dnsvizFindings(t, results["vitalns"]), dnsvizFindings(t, results["nsd"]))
	})
}

// findings are what a checker says, and how bad it is.
type findings map[string]severity

type severity uint8

const (
	remark severity = iota
	notice
	warning
	fault
)

// compareFindings wants no fault, and no warning or notice that the other server has not got too.
func compareFindings(t *testing.T, ours, theirs findings) {
	t.Helper()
	counts := map[severity]int{}
	for _, what := range slices.Sorted(maps.Keys(ours)) {
		counts[ours[what]]++
		switch _, both := theirs[what]; {
		case ours[what] == fault:
			t.Errorf("error: %s", what)
		case ours[what] > remark && !both:
			t.Errorf("what nsd does not get: %s", what)
		case !both:
			t.Logf("only of vitalns: %s", what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(theirs)) {
		if _, both := ours[what]; !both {
			t.Logf("only of nsd: %s", what)
		}
	}
	t.Logf("%s: %d errors, %d warnings, %d notices, %d remarks", path.Base(t.Name()), counts[fault], counts[warning], counts[notice], counts[remark])
}

// zonemasterFindings reads what zonemaster-cli wrote.
func zonemasterFindings(t *testing.T, dir string) findings {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "zonemaster.json"))
	if err != nil {
		t.Fatal(err)
	}
	var said []struct {
		Level, Tag string
		Args       map[string]any
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	const usual = 30 // a zone without faults has so many remarks and more
	if len(said) < usual {
		t.Fatalf("zonemaster says little:\n%s", raw)
	}
	levels := map[string]severity{"NOTICE": notice, "WARNING": warning, "ERROR": fault, "CRITICAL": fault}
	found := findings{}
	for _, s := range said {
		sev, what := levels[s.Level], s.Tag
		if sev > remark {
			what = fmt.Sprintf("%s %v", s.Tag, s.Args)
		}
		found[what] = sev
	}
	return found
}

// dnsvizFindings reads what dnsviz grok wrote: errors and warnings, wherever they stand in the tree.
func dnsvizFindings(t *testing.T, dir string) findings {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "dnsviz.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if _, ok := tree[checkedZone]; !ok {
		t.Fatalf("dnsviz knows nothing of %s:\n%s", checkedZone, raw)
	}
	found := findings{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, at := range v {
				walk(path+" "+key, at)
			}
		case []any:
			list := path[strings.LastIndexByte(path, ' ')+1:]
			sev := map[string]severity{"errors": fault, "warnings": warning}[list]
			for _, item := range v {
				if problem, ok := item.(map[string]any); ok && sev > 0 {
					found[fmt.Sprintf("%s: %v", strings.TrimSpace(path), problem["description"])] = sev
					continue
				}
				walk(path, item)
			}
		case string:
			if strings.HasSuffix(path, " status") {
				found[strings.TrimSpace(path)+": "+v] = remark
			}
		}
	}
	walk("", tree)
	return found
}

// TestInsideNamespace is what TestDelegationCheckers runs in a namespace.
func TestInsideNamespace(t *testing.T) {
	server, dir := os.Getenv(insideServer), os.Getenv(insideOutput)
	if server == "" {
		t.Skip("TestDelegationCheckers runs it")
	}
	addAddresses(t)
	serveNSD(t, []string{"45.60.1.1", "2a0a:1::1"}, master{".", rootZone})
	serveNSD(t, []string{"45.61.1.1", "2a0b:1::1"}, master{".", rootZone})
	serveNSD(t, []string{"45.60.1.2", "2a0a:1::2"}, master{"test.", parentZone})
	serveNSD(t, []string{"45.61.1.2", "2a0b:1::2"}, master{"test.", parentZone})
	switch server {
	case "nsd":
		for _, addrs := range checkedServers {
			serveNSD(t, addrs, master{checkedZone, checkedMaster})
		}
	case "vitalns":
		serveNodes(t)
	default:
		t.Fatalf("nobody knows how to start %s", server)
	}
	hints := write(t, dir, "hints", rootHints)
	if _, err := exec.LookPath("zonemaster-cli"); err == nil {
		args := []string{"--hints", hints, "--level", "INFO", "--json", "--no-progress"}
		for i, addrs := range checkedServers {
			for _, addr := range addrs {
				args = append(args, "--ns", fmt.Sprintf("ns%d.%s/%s", i+1, checkedZone, addr))
			}
		}
		write(t, dir, "zonemaster.json", command(t, nil, "zonemaster-cli", append(args, strings.TrimSuffix(checkedZone, "."))...))
	}
	if _, err := exec.LookPath("dnsviz"); err == nil {
		probed := command(t, nil, "dnsviz", "probe", "-A", "-E", "-a", ".", "-x", ".:a.root=45.60.1.1,a.root=[2a0a:1::1],b.root=45.61.1.1,b.root=[2a0b:1::1]",
			checkedZone, "www."+checkedZone, "mail."+checkedZone, "nx."+checkedZone)
		write(t, dir, "dnsviz.json", command(t, []byte(probed), "dnsviz", "grok", "-l", "info"))
	}
}

// command runs a program to its end and returns what it writes to stdout.
func command(t *testing.T, stdin []byte, program string, args ...string) string {
	t.Helper()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &talk
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out.String(), talk.String())
	}
	t.Logf("%s %s: %s", program, cmp.Or(args...), time.Since(start).Round(time.Millisecond))
	return out.String()
}

// serveNSD starts NSD on port 53 of some addresses.
func serveNSD(t *testing.T, addrs []string, zones ...master) {
	t.Helper()
	s := open(t)
	d := daemon{stage: s, dir: s.Dir, addr: addrs[0] + ":53"}
	conf := d.file(t, "nsd.conf", `
server:
  ip-address: `+strings.Join(addrs, "\n  ip-address: ")+`
  username: ""
  chroot: ""
  database: ""
  zonesdir: "DIR"
  pidfile: "DIR/nsd.pid"
  xfrdfile: "DIR/xfrd.state"
  zonelistfile: "DIR/zone.list"
  xfrdir: "DIR"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
`+d.masters(t, zones, `
zone:
  name: ORIGIN
  zonefile: FILE
`))
	d.start(t, zones, tool(t, "nsd", "nsd"), "-d", "-c", conf)
}

// serveNodes starts a cluster of two nodes on port 53 of the addresses that the zone is delegated to.
func serveNodes(t *testing.T) {
	t.Helper()
	s := open(t)
	nodes, err := s.Nodes("ns", live.Setup{Zones: []string{write(t, s.Dir, "checked.toml", checkedTOML)}, Nodes: len(checkedServers)})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		file, err := os.ReadFile(n.File)
		if err != nil {
			t.Fatal(err)
		}
		port53 := fmt.Sprintf("%s:53\", \"[%s]:53", checkedServers[i][0], checkedServers[i][1])
		write(t, n.Dir, filepath.Base(n.File), strings.Replace(string(file), n.DNS, port53, 1))
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
