package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

// sharedSecret is what all servers of this test make cookies by, and strangeSecret what none of them has.
const (
	sharedSecret  = "e5e973e5a6b2a43f48e7dc849e37bfcf"
	strangeSecret = "445536bcd2513298075a5d379663c962"
	cookieOrigin  = "cookie.test."
	cookieZone    = "$TTL 300\n@ SOA ns1 admin 1 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n"
	clientCookie  = "0102030405060708"
)

// cookieServers are servers that share a secret; strict ones answer BADCOOKIE to a cookie that they do not
// accept, and are asked so.
var cookieServers = []struct {
	name   string
	strict bool
	start  func(t *testing.T, secret string) (addr string)
}{
	{"nsd", false, func(t *testing.T, secret string) string {
		program, d := tool(t, "nsd", "nsd"), newDaemon(t, "")
		zones := []master{{cookieOrigin, cookieZone}}
		conf := d.file(t, "nsd.conf", `
server:
  ip-address: HOST@PORT
  username: ""
  chroot: ""
  zonesdir: "DIR"
  pidfile: "DIR/nsd.pid"
  xfrdfile: "DIR/xfrd.state"
  zonelistfile: "DIR/zone.list"
  xfrdir: "DIR"
  server-count: 1
  answer-cookie: yes
  cookie-secret: "`+secret+`"
remote-control:
  control-enable: no
`+d.masters(t, zones, "\nzone:\n  name: ORIGIN\n  zonefile: FILE\n"))
		return d.start(t, zones, program, "-d", "-c", conf)
	}},
	{"knot", true, func(t *testing.T, secret string) string {
		program, d := tool(t, "knotd", "knot"), newDaemon(t, "")
		zones := []master{{cookieOrigin, cookieZone}}
		conf := d.file(t, "knot.conf", `
server:
  rundir: "DIR"
  listen: HOST@PORT
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "DIR"
log:
  - target: stderr
    any: warning
mod-cookies:
  - id: shared
    secret: 0x`+secret+`
template:
  - id: default
    global-module: mod-cookies/shared
zone:
`+d.masters(t, zones, `
  - domain: ORIGIN
    storage: "DIR"
    file: FILE
    zonefile-sync: -1
    journal-content: none
`))
		return d.start(t, zones, program, "-c", conf)
	}},
	{"bind", true, func(t *testing.T, secret string) string {
		program, d := tool(t, "named", "bind9"), newDaemon(t, "127.0.0.1")
		zones := []master{{cookieOrigin, cookieZone}}
		conf := d.file(t, "named.conf", `
options {
  directory "DIR";
  pid-file "DIR/named.pid";
  session-keyfile "DIR/session.key";
  managed-keys-directory "DIR";
  listen-on port PORT { HOST; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  notify no;
  answer-cookie yes;
  require-server-cookie yes;
  cookie-algorithm siphash24;
  cookie-secret "`+secret+`";
};
controls { };
logging { category default { default_stderr; }; };
`+d.masters(t, zones, "\nzone \"ORIGIN\" {\n  type primary;\n  file \"FILE\";\n};\n"))
		return d.start(t, zones, program, "-g", "-n", "1", "-c", conf)
	}},
	{"vitalns", true, func(t *testing.T, secret string) string {
		nodes := cookieNodes(t, 1, "cookie_secret_file = \"../cookie.secret\"\n", secret)
		return nodes[0].DNS
	}},
}

// cookieNodes starts nodes of vitalns whose [dns] says more, with a file of cookie secrets at hand.
func cookieNodes(t *testing.T, n int, more, secrets string) []*live.Node {
	t.Helper()
	s := open(t)
	write(t, s.Dir, "cookie.secret", secrets+"\n")
	zone := write(t, s.Dir, "zone.toml", "zone = \"cookie.test\"\nns = { ns1 = \"192.0.2.53\" }\n")
	nodes, err := s.Nodes("ns", live.Setup{Zones: []string{zone}, Nodes: n})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, node := range nodes {
		sayDNS(t, node, more)
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		if err := node.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// cookieQuery asks for the zone with a cookie, always from one address: a cookie is of one. It returns the
// cookie that comes back, and the response code.
func cookieQuery(t *testing.T, addr, cookie string) (back string, rcode int) {
	t.Helper()
	m := new(dns.Msg).SetQuestion(cookieOrigin, dns.TypeSOA).SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
	client := &dns.Client{Timeout: patience, Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}}
	reply, _, err := client.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	if o := reply.IsEdns0(); o != nil {
		for _, o := range o.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				back = c.Cookie
			}
		}
	}
	return back, reply.Rcode
}

// acceptsCookie reports whether a node of vitalns accepts a cookie: it says so where nothing else is asked
// (RFC 7873 §5.4).
func acceptsCookie(t *testing.T, addr, cookie string) bool {
	t.Helper()
	m := new(dns.Msg).SetEdns0(1232, false)
	m.Id = dns.Id()
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
	client := &dns.Client{Timeout: patience, Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}}
	reply, _, err := client.Exchange(m, addr)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Rcode == dns.RcodeSuccess
}

// RFC 9018: servers of any make that share a secret accept each other's cookies, and none of another one.
func TestCookiesAreShared(t *testing.T) {
	cookies, addrs := map[string]string{}, map[string]string{}
	for _, s := range cookieServers {
		addrs[s.name] = s.start(t, sharedSecret)
		cookies[s.name], _ = cookieQuery(t, addrs[s.name], clientCookie)
		if raw, err := hex.DecodeString(cookies[s.name]); err != nil || len(raw) != 24 || !strings.HasPrefix(cookies[s.name], clientCookie+"01000000") {
			t.Fatalf("%s makes the cookie %q", s.name, cookies[s.name])
		}
	}
	stranger := cookieNodes(t, 1, "cookie_secret_file = \"../cookie.secret\"\n", strangeSecret)[0].DNS
	strange, _ := cookieQuery(t, stranger, clientCookie)
	for _, by := range cookieServers {
		for _, at := range cookieServers {
			switch {
			case at.name == "vitalns":
				if !acceptsCookie(t, addrs[at.name], cookies[by.name]) {
					t.Errorf("we refuse the cookie of %s", by.name)
				}
			case at.strict:
				if _, rcode := cookieQuery(t, addrs[at.name], cookies[by.name]); rcode != dns.RcodeSuccess {
					t.Errorf("%s answers %s to the cookie of %s", at.name, dns.RcodeToString[rcode], by.name)
				}
			}
		}
		if by.name == "vitalns" {
			if acceptsCookie(t, addrs[by.name], strange) || acceptsCookie(t, stranger, cookies[by.name]) {
				t.Error("a cookie of another secret is accepted")
			}
		} else if _, rcode := cookieQuery(t, addrs[by.name], strange); by.strict && rcode != dns.RcodeBadCookie {
			t.Errorf("%s answers %s to a cookie of another secret", by.name, dns.RcodeToString[rcode])
		}
	}
	// In the same second they are the same, byte by byte.
	for _, s := range cookieServers {
		raw, err := hex.DecodeString(cookies[s.name])
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range cookieServers {
			if rest, err := hex.DecodeString(cookies[other.name]); err == nil && binary.BigEndian.Uint32(raw[12:]) == binary.BigEndian.Uint32(rest[12:]) && !bytes.Equal(raw, rest) {
				t.Errorf("%s makes %x and %s %x", s.name, raw, other.name, rest)
			}
		}
	}
}

// A cluster agrees about cookies without being told anything: what one node makes the other accepts, also
// after either has been killed and started again.
func TestCookiesOfACluster(t *testing.T) {
	nodes := cookieNodes(t, 2, "", "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	cookie := ""
	for cookie, _ = cookieQuery(t, nodes[0].DNS, clientCookie); cookie == ""; cookie, _ = cookieQuery(t, nodes[0].DNS, clientCookie) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("no cookies")
		}
	}
	for !acceptsCookie(t, nodes[1].DNS, cookie) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the other node does not accept the cookie")
		}
	}
	for _, node := range nodes {
		if err := node.Proc.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		if err := node.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if !acceptsCookie(t, node.DNS, cookie) {
			t.Errorf("%s was killed and does not accept the cookie", node.Name)
		}
	}
}
