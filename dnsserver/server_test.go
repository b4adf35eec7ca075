package dnsserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"vitalns/dnsserver"
	"vitalns/zones"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server until the end of the test.
func serve(t *testing.T, cfg dnsserver.Config) *dnsserver.Server {
	t.Helper()
	if cfg.Table == nil {
		table := testTable(t)
		cfg.Table = func() *zones.Table { return table }
	}
	s, err := dnsserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return s
}

// run has a server serve until the test ends.
func run(t *testing.T, s *dnsserver.Server) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func exchange(t *testing.T, network, addr, qname string, qtype uint16) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: network, Timeout: 5 * time.Second}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(qname, qtype), addr)
	if err != nil {
		t.Fatalf("%s %s over %s at %s: %v", qname, dns.Type(qtype), network, addr, err)
	}
	return m
}

// hasIPv6 reports whether the host has the IPv6 loopback.
func hasIPv6() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err == nil {
		_ = c.Close() // only asked for
	}
	return err == nil
}

func TestServe(t *testing.T) {
	listen := []string{"127.0.0.1:0"}
	if hasIPv6() {
		listen = append(listen, "[::1]:0")
	}
	s := serve(t, dnsserver.Config{Listen: listen, NSID: "ns1"})
	for _, addr := range s.Addrs() {
		for _, network := range []string{"udp", "tcp"} {
			m := exchange(t, network, addr.String(), "MAIL.hard.test.", dns.TypeA)
			if got := draw(m); got != "NOERROR aa rd MAIL.hard.test.\n  answer MAIL.hard.test. 300 IN A 192.0.2.25\n" {
				t.Errorf("%s over %s: got %s", addr, network, got)
			}
		}
		if m := exchange(t, "udp", addr.String(), "big.hard.test.", dns.TypeTXT); !m.Truncated || len(m.Answer) > 0 {
			t.Errorf("big over UDP: got %s", draw(m))
		}
		if m := exchange(t, "tcp", addr.String(), "big.hard.test.", dns.TypeTXT); m.Truncated || len(m.Answer) != 5 {
			t.Errorf("big over TCP: got %s", draw(m))
		}
	}
}

// On a wildcard bind the reply leaves from the address that was asked. A connected socket takes no other.
func TestWildcardRepliesFromTheAddressAsked(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{":0"}})
	asked := []string{"127.0.0.1", "127.0.0.2", "127.1.2.3"}
	if hasIPv6() {
		asked = append(asked, "::1")
	}
	port := s.Addrs()[0].Port()
	for _, host := range asked {
		for _, network := range []string{"udp", "tcp"} {
			m := exchange(t, network, net.JoinHostPort(host, fmt.Sprint(port)), "mail.hard.test.", dns.TypeA)
			if m.Rcode != dns.RcodeSuccess {
				t.Errorf("%s over %s: got %s", host, network, draw(m))
			}
		}
	}
}

func dropped(s *dnsserver.Server, reason string) uint64 {
	for _, d := range s.Stats().Dropped {
		if d.Reason == reason {
			return d.N
		}
	}
	return 0
}

// Serve returns while a client keeps an idle connection open, and what was asked before is answered.
func TestDrain(t *testing.T) {
	table := testTable(t)
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s, err := dnsserver.New(dnsserver.Config{
		Listen: []string{"127.0.0.1:0"}, Lameduck: time.Millisecond,
		Table: func() *zones.Table {
			once.Do(func() {
				close(asked)
				<-release
			})
			return table
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	idle, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	busy, err := dns.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := busy.WriteMsg(new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	<-asked
	cancel()
	close(release)
	if m, err := busy.ReadMsg(); err != nil || len(m.Answer) != 1 {
		t.Errorf("what was asked before the end got %v, %v", m, err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("an idle connection ends with %v", err)
	}
	again, err := net.ListenPacket("udp", s.Addrs()[0].String())
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	_ = again.Close() // it was free
}

// A query that makes the program panic gets SERVFAIL and is counted; the next one is answered.
func TestPanic(t *testing.T) {
	s := serve(t, dnsserver.Config{
		Listen:  []string{"127.0.0.1:0"},
		Explain: func(zones.Name) string { panic("boom") },
	})
	addr := s.Addrs()[0].String()
	m := new(dns.Msg).SetQuestion("www.pool.test.", dns.TypeTXT)
	m.Question[0].Qclass = dns.ClassCHAOS
	reply, _, err := new(dns.Client).Exchange(m, addr)
	if err != nil || reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("got %v, %v, want SERVFAIL", reply, err)
	}
	if n := s.Stats().Panics; n != 1 {
		t.Errorf("panics: got %d, want 1", n)
	}
	if m := exchange(t, "udp", addr, "mail.hard.test.", dns.TypeA); m.Rcode != dns.RcodeSuccess {
		t.Errorf("the next query got %s", draw(m))
	}
}

// What is no query gets FORMERR where RFC 1035 asks for an answer, else silence.
// A query as long as a datagram can be is a query.
func TestLongQuery(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	query := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).SetEdns0(1232, false)
	query.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 60000)}}
	m, _, err := new(dns.Client).Exchange(query, s.Addrs()[0].String())
	if err != nil || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 {
		t.Errorf("got %v (%v)", m, err)
	}
}

func TestMalformed(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	conn, err := net.Dial("udp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	good, err := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for _, tt := range []struct {
		what string
		wire []byte
	}{
		{"cut in the question", good[:len(good)-3]},
		{"cut in the name", good[:20]},
		{"header alone, with a count", good[:12]},
		{"a count too high", change(func(b []byte) []byte { b[5] = 2; return b })},
		{"an additional record that is not there", change(func(b []byte) []byte { b[11] = 1; return b })},
		{"a pointer in the question", change(func(b []byte) []byte { b[12], b[13] = 0xc0, 12; return b })},
		{"a bad label", change(func(b []byte) []byte { b[12] = 0x80; return b })},
	} {
		// Neither a packet without header nor a response is answered: what comes is the answer to the third.
		for _, w := range [][]byte{good[:11], change(func(b []byte) []byte { b[2] |= 0x80; return b }), tt.wire} {
			if _, err := conn.Write(w); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // a connected UDP socket takes a deadline
		buf := make([]byte, 512)
		n, err := conn.Read(buf)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		var m dns.Msg
		if err := m.Unpack(buf[:n]); err != nil || m.Rcode != dns.RcodeFormatError || !bytes.Equal(buf[:2], good[:2]) || !m.Response {
			t.Errorf("%s: got %v (%v)", tt.what, &m, err)
		}
	}
	// Several goroutines read the socket: the last to be dropped may be counted after the last answer.
	for deadline := time.Now().Add(5 * time.Second); dropped(s, "malformed") != 7 || dropped(s, "not_query") != 7; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("dropped: got %+v", s.Stats().Dropped)
		}
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct{ addr, want string }{
		{taken.LocalAddr().String(), "address already in use\nhint: another program has this port: `ss -lnp sport = :"},
		{"192.0.2.77:5353", " 192.0.2.77:5353: cannot assign requested address\nhint: no interface of this host has this address"},
		{"127.0.0.1", "want ADDRESS:PORT"},
		{"127.0.0.1:99999", "invalid port"},
	} {
		s, err := dnsserver.New(dnsserver.Config{Listen: []string{"127.0.0.1:0", tt.addr}})
		if err == nil || !strings.HasPrefix(err.Error(), "listen on ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want %q", tt.addr, s, err, tt.want)
		}
	}
}

// Without the right to low ports the error says how to get it. The test binary drops the right in a child.
func TestListenWithoutPrivilege(t *testing.T) {
	if os.Getenv("VITALNS_TEST_LISTEN") != "" {
		_, err := dnsserver.New(dnsserver.Config{Listen: []string{"127.0.0.1:53"}})
		fmt.Println(err)
		return
	}
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err != nil || strings.TrimSpace(string(b)) != "1024" {
		t.Skip("low ports are free for all here")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestListenWithoutPrivilege$", "-test.v")
	cmd.Env = append(os.Environ(), "VITALNS_TEST_LISTEN=1")
	if os.Getuid() == 0 {
		cmd.Path = "/bin/sh" // an unprivileged user cannot read the build's directory: the binary comes by a descriptor
		bin, err := os.Open(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		defer bin.Close()
		cmd.ExtraFiles = []*os.File{bin}
		cmd.Args = []string{"sh", "-c", "exec /proc/self/fd/3 -test.run='^TestListenWithoutPrivilege$' -test.v"}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "permission denied\nhint: ports below 1024 need CAP_NET_BIND_SERVICE") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// Counters carry the labels of the configuration, whatever clients send.
func TestStats(t *testing.T) {
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	addr := s.Addrs()[0].String()
	exchange(t, "udp", addr, "mail.hard.test.", dns.TypeA)
	exchange(t, "tcp", addr, "www.pool.test.", dns.TypeA)
	exchange(t, "udp", addr, "nx.hard.test.", 65301)
	exchange(t, "udp", addr, "anything.example.", dns.TypeA)
	exchange(t, "udp", addr, "big.hard.test.", dns.TypeTXT)
	st := s.Stats()
	if got, want := fmt.Sprint(st.Requests), "[{hard.test udp 4 A 1} {hard.test udp 4 TXT 1} {hard.test udp 4 other 1} {none udp 4 A 1} {pool.test tcp 4 A 1}]"; got != want {
		t.Errorf("requests:\ngot  %s\nwant %s", got, want)
	}
	if got, want := fmt.Sprint(st.Responses), "[{hard.test NOERROR static 2} {hard.test NXDOMAIN negative 1} {none REFUSED error 1} {pool.test NOERROR pool 1}]"; got != want {
		t.Errorf("responses:\ngot  %s\nwant %s", got, want)
	}
	if got, want := fmt.Sprint(st.Targets), "[{pool.test web a 1}]"; got != want {
		t.Errorf("targets: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(st.Truncated), "[{hard.test 1} {none 0} {pool.test 0}]"; got != want {
		t.Errorf("truncated: got %s, want %s", got, want)
	}
	var timed uint64
	for _, h := range st.Durations {
		for _, n := range h.Counts {
			timed += n
		}
	}
	if timed != 5 {
		t.Errorf("durations: got %d of 5", timed)
	}
}

// dig and kdig, as people use them.
func TestDig(t *testing.T) {
	s := serve(t, dnsserver.Config{
		Listen: []string{"127.0.0.1:0"}, NSID: "ns1", Version: "vitalns 1",
		Explain: func(n zones.Name) string { return n.String() + " is served" },
	})
	addr := s.Addrs()[0]
	for program, pkg := range map[string]string{"dig": "bind9-dnsutils", "kdig": "knot-dnsutils"} {
		t.Run(program, func(t *testing.T) {
			path, err := exec.LookPath(program)
			if err != nil && os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing: install the Debian package %s (make test-deps)", program, pkg)
			}
			if err != nil {
				t.Skipf("%s is missing: install the Debian package %s", program, pkg)
			}
			for _, tt := range []struct{ args, want string }{
				{"+short www.pool.test A", "203.0.113.1"},
				{"+short big.hard.test TXT", strings.Repeat("4", 250)}, // truncated over UDP, asked again over TCP
				{"+short CH TXT version.bind", `"vitalns 1"`},
				{"+short CH TXT www.pool.test", `"www.pool.test. is served"`},
				{"+nsid www.pool.test A", `ns1`},
				{"+tcp +short alias3.hard.test A", "192.0.2.25"},
				{"example.org A", "REFUSED"},
			} {
				args := append([]string{"@" + addr.Addr().String(), "-p", fmt.Sprint(addr.Port())}, strings.Fields(tt.args)...)
				out, err := exec.Command(path, args...).CombinedOutput()
				if err != nil || !strings.Contains(string(out), tt.want) {
					t.Errorf("%s %s: got %v\n%s\nwant %s", program, tt.args, err, out, tt.want)
				}
			}
		})
	}
}
