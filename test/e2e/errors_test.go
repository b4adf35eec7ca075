package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitalns/test/live"
)

const plain = "zone = \"e2e.test\"\nns = { ns1 = \"192.0.2.53\" }\n"

// A node that cannot start says why and what to do, on stderr, and exits 1.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	addrs, err := live.Loopback(1)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel rows
	udp, err := net.ListenPacket("udp", addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() }) // as above
	const free = "127.0.0.1:0"
	key := base64.StdEncoding.EncodeToString(make([]byte, 7))

	for _, row := range []struct {
		name  string
		node  string            // of the node file, beside zones, state and socket
		files map[string]string // beside it
		mode  os.FileMode       // of zone.toml, if not 0644
		user  bool              // as a user without privileges
		want  []string          // on stderr
	}{
		{name: "DNS port taken", node: "[dns]\nlisten = [\"" + addrs[0].String() + "\"]\n[http]\nlisten = \"" + free + "\"",
			want: []string{addrs[0].String(), "in use", "hint: another program has this port"}},
		{name: "HTTP port taken", node: "[dns]\nlisten = [\"" + free + "\"]\n[http]\nlisten = \"" + addrs[0].String() + "\"",
			want: []string{"admin HTTP on " + addrs[0].String(), "taken"}},
		{name: "no certificate", node: secured, want: []string{"ns.pem", "no such file", "hint: ", "PEM"}},
		{name: "a certificate that is none", node: secured, files: map[string]string{"ns.pem": "half", "ns.key": "half"},
			want: []string{"node.toml:6:13: error: ", "ns.pem with key", "hint: ", "PEM"}},
		{name: "TLS port taken", node: strings.Replace(secured, "tls = [\"127.0.0.1:0\"]", "tls = [\""+addrs[0].String()+"\"]", 1), files: certificate(t),
			want: []string{addrs[0].String(), "in use", "hint: another program has this port"}},
		{name: "gossip port taken", node: ports + "[cluster]\nbind = \"" + addrs[0].String() + "\"",
			want: []string{addrs[0].String(), "in use"}},
		{name: "no privilege for port 53", node: "[dns]\nlisten = [\"127.99.99.99:53\"]\n[http]\nlisten = \"" + free + "\"", user: true,
			want: []string{"127.99.99.99:53", "permission", "hint: "}},
		{name: "state directory of another user", node: ports + "\n", files: map[string]string{"state/lock": ""}, user: true,
			want: []string{"state", "permission denied", "hint: ", "--state-dir"}},
		{name: "no key file", node: ports + cluster0 + "key_file = \"none.key\"", want: []string{"none.key", "no such file", "hint: ", "keygen cluster"}},
		{name: "key file is no base64", node: ports + cluster0 + "key_file = \"bad.key\"", files: map[string]string{"bad.key": "not a key!\n"},
			want: []string{"node.toml:9:12: error: ", "bad.key: line 1: not base64", "keygen cluster"}},
		{name: "key of a wrong length", node: ports + cluster0 + "key_file = \"bad.key\"", files: map[string]string{"bad.key": key + "\n"},
			want: []string{"node.toml:9:12: error: ", "bad.key: line 1: ", "this one is 7", "keygen cluster"}},
		{name: "unencrypted off loopback", node: ports + "[cluster]\nbind = \"" + outside(t) + "\"", want: []string{"node.toml:8:8: error: ", "must be encrypted", "hint: ", "keygen cluster"}},
		{name: "zone file unreadable", node: ports, mode: 0o200, user: true, want: []string{"zone.toml", "permission denied"}},
		{name: "no such zone file", node: ports + "\n", files: map[string]string{"zones": "zones = [\"none.toml\"]\n"}, want: []string{"none.toml", "no such file"}},
		{name: "malformed node file", node: ports + "[cluster\n", want: []string{"node.toml:", "error: "}},
		{name: "unknown key", node: "[dns]\nlisen = []\n", want: []string{"node.toml:4:1: error: unknown key", "hint: did you mean `listen`?"}},
		{name: "wrong type", node: "[dns]\nlisten = 53\n", want: []string{"node.toml:4:10: error: "}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.user && os.Getuid() != 0 && strings.Contains(row.name, "another user") {
				t.Skip("needs root, to be someone else")
			}
			s := open(t)
			_ = os.Chmod(s.Dir, 0o755) // somebody else is to see what is in it
			write(t, s.Dir, "zone.toml", plain)
			zones := "zones = [\"zone.toml\"]\n"
			for name, text := range row.files {
				if name == "zones" {
					zones = text
					continue
				}
				if err := os.MkdirAll(filepath.Dir(filepath.Join(s.Dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, s.Dir, name, text)
			}
			if row.mode != 0 {
				if err := os.Chmod(filepath.Join(s.Dir, "zone.toml"), row.mode); err != nil {
					t.Fatal(err)
				}
			}
			file := write(t, s.Dir, "node.toml", zones+"state_dir = \"state\"\n"+row.node+"\n[control]\nsocket = \"state/sock\"\n")
			var user *syscall.Credential
			if row.user && os.Getuid() == 0 {
				user = nobody
				if _, ok := row.files["state/lock"]; !ok {
					giveState(t, s.Dir)
				}
			}
			p, err := s.StartAs(user, program, "run", "-c", file)
			if err != nil {
				t.Fatal(err)
			}
			wantExit(t, p, 1, row.want...)
		})
	}
}

const (
	ports    = "[dns]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n"
	secured  = "[dns]\nlisten = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\ncert_file = \"ns.pem\"\nkey_file = \"ns.key\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
	cluster0 = "[cluster]\nbind = \"127.0.0.1:0\"\n"
)

// certificate is a good pair, by the names that secured has for it.
func certificate(t *testing.T) map[string]string {
	t.Helper()
	chain, key, err := live.WriteCertificate(t.TempDir(), "e2e.test")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, path := range map[string]string{"ns.pem": chain, "ns.key": key} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

// wantExit waits for the end of a process that must not go on, and looks at what it said.
func wantExit(t *testing.T, p *live.Process, code int, want ...string) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatalf("it runs on:\n%s", p.Output())
	}
	out := p.Output()
	if p.Code() != code {
		t.Errorf("exit code %d, want %d", p.Code(), code)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("it does not say %q:\n%s", w, out)
		}
	}
	if strings.Contains(out, "goroutine ") {
		t.Errorf("it panics:\n%s", out)
	}
}

// Who may not have a larger receive buffer than the system gives is told what to do about it, and is served.
func TestSmallReceiveBuffer(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Skip("needs Linux: ", err)
	}
	const wanted = 8 << 20
	most, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if most >= wanted {
		t.Skipf("needs a system that gives less than %d bytes, this one gives %d", wanted, most)
	}
	s := open(t)
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, s.Dir, "node.toml", fmt.Sprintf("zones = [\"zone.toml\"]\nstate_dir = \"state\"\n[dns]\nlisten = [%q]\n[http]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = \"state/sock\"\n", addr))
	write(t, s.Dir, "zone.toml", plain)
	var user *syscall.Credential
	if os.Getuid() == 0 {
		_ = os.Chmod(s.Dir, 0o755) // nobody is to see what is in it
		giveState(t, s.Dir)
		user = nobody
	}
	p, err := s.StartAs(user, program, "run", "-c", file)
	if err != nil {
		t.Fatal(err)
	}
	live.Eventually(t, patience, func() string {
		for _, want := range []string{"small receive buffers", fmt.Sprintf("bytes=%d", most), fmt.Sprintf("sysctl -w net.core.rmem_max=%d", wanted)} {
			if out := p.Output(); !strings.Contains(out, want) {
				return fmt.Sprintf("no %q in\n%s", want, out)
			}
		}
		return ""
	})
	n := &live.Node{Name: "it", DNS: addr, Proc: p}
	answers(t, []*live.Node{n}, "ns1.e2e.test", netip.MustParseAddr("192.0.2.53"))
}

// nobody is a user without rights.
var nobody = &syscall.Credential{Uid: 65534, Gid: 65534}

// giveState makes a state directory of nobody's.
func giveState(t *testing.T, dir string) {
	t.Helper()
	state := filepath.Join(dir, "state")
	if err := errors.Join(os.Mkdir(state, 0o755), os.Chown(state, int(nobody.Uid), int(nobody.Gid))); err != nil {
		t.Fatal(err)
	}
}

// Of two nodes with one name the second exits 1 and names both addresses, as often as it is started; the first
// goes on, and its vote counts all the time.
func TestTwoNodesOfOneName(t *testing.T) {
	t.Parallel()
	bs := backends(t, 1)
	s := open(t)
	nodes := cluster(t, s, 3, zone(bs, patient, ``))
	answers(t, nodes, names[0], bs[0].ip())
	gossip, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(nodes[1].File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Dir, "twin"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(
		fmt.Sprintf("bind = %q", nodes[1].Gossip), fmt.Sprintf("bind = %q", gossip),
		nodes[1].DNS, "127.0.0.1:0", nodes[1].HTTP, "127.0.0.1:0", nodes[1].Socket, filepath.Join(s.Dir, "twin", "sock"),
	).Replace(string(raw))
	file := write(t, filepath.Join(s.Dir, "twin"), "node.toml", text)
	live.Eventually(t, patience, func() string {
		if st := status(t, nodes[0]); !st.Steady(3) {
			return "not all votes are there"
		}
		return ""
	})
	for range 3 {
		p, err := s.Start(program, "run", "-c", file)
		if err != nil {
			t.Fatal(err)
		}
		wantExit(t, p, 1, `two nodes have the name "ns2"`, gossip, nodes[1].Gossip, "hint: ")
		for _, n := range nodes {
			if st := status(t, n); !st.Steady(3) || st.Cluster.Abstains {
				t.Errorf("%s does not vote or does not count all votes: %+v", n.DNS, st)
			}
		}
	}
	answers(t, nodes, names[0], bs[0].ip())
}

// Commands without a daemon exit 3, misuse exits 2.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status", "--server", "unix://" + filepath.Join(s.Dir, "none")}, 3, "hint: is the daemon running there?"},
		{[]string{"reload", "--server", "http://127.0.0.1:1"}, 3, "does not answer"},
		{[]string{"run"}, 2, "hint: vitalns run ZONE.toml"},
		{[]string{"run", "--no-such-flag"}, 2, "hint: see vitalns run --help"},
		{[]string{"no-such-command"}, 2, "unknown command"},
		{[]string{"check", filepath.Join(s.Dir, "none.toml")}, 1, "none.toml"},
	} {
		t.Run(strings.Join(row.args[:1], " "), func(t *testing.T) {
			said, err := s.Command(t.Context(), row.args...)
			if err != nil {
				t.Fatal(err)
			}
			if all := said.Out + said.Err; said.Code != row.code || !strings.Contains(all, row.want) {
				t.Errorf("exit code %d, want %d; it says %q, want %q in it", said.Code, row.code, all, row.want)
			}
		})
	}
}

// outside returns an address and port of this host that others can reach.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return net.JoinHostPort(ip.IP.String(), "17946")
		}
	}
	t.Log("this host has no address but loopback")
	return "203.0.113.1:17946"
}
