package dnsserver_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/dnsserver"
)

// needs skips where a program of a Debian package is missing; CI has them all.
func needs(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the Debian package %s (make test-deps)", program, pkg)
	}
	if err != nil {
		t.Skipf("%s is missing: install the Debian package %s", program, pkg)
	}
	return path
}

// dig, kdig and curl over TLS, HTTPS and with PROXY headers, each with its own implementation of them.
func TestToolsOverTLS(t *testing.T) {
	cfg, _, files := secured(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}})
	s := serve(t, cfg)
	ca := files[0]
	body := filepath.Join(t.TempDir(), "query")
	wire := wireOf(t, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
	if err := os.WriteFile(body, wire, 0o600); err != nil {
		t.Fatal(err)
	}
	dot, doh := s.AddrsOf(dnsserver.TLS)[0].Port(), s.AddrsOf(dnsserver.HTTPS)[0].Port()
	ask := fmt.Sprintf("@127.0.0.1 -p %d mail.hard.test A ", dot)
	askWeb := fmt.Sprintf("@127.0.0.1 -p %d mail.hard.test A ", doh)
	url := fmt.Sprintf("https://ns1.hard.test:%d/dns-query", doh)
	curl := fmt.Sprintf("-sS --cacert %s --resolve ns1.hard.test:%d:127.0.0.1 -o /dev/null -w code=%%{http_code},version=%%{http_version},type=%%{content_type} ", ca, doh)
	for _, tt := range []struct{ program, pkg, args, want string }{
		{"dig", "bind9-dnsutils", "+tls +tls-ca=" + ca + " +tls-hostname=ns1.hard.test " + ask, "192.0.2.25"},
		{"dig", "bind9-dnsutils", "+https +tls-ca=" + ca + " +tls-hostname=ns1.hard.test " + askWeb, "192.0.2.25"},
		{"dig", "bind9-dnsutils", "+https-get +tls-ca=" + ca + " +tls-hostname=ns1.hard.test " + askWeb, "192.0.2.25"},
		{"kdig", "knot-dnsutils", "+tls-ca=" + ca + " +tls-hostname=ns1.hard.test " + ask, "192.0.2.25"},
		{"kdig", "knot-dnsutils", "+tls +keepopen " + ask + " big.hard.test TXT", strings.Repeat("4", 250)},
		{"kdig", "knot-dnsutils", "+https +tls-ca=" + ca + " +tls-hostname=ns1.hard.test " + askWeb, "192.0.2.25"},
		{"kdig", "knot-dnsutils", "+https-get " + askWeb, "192.0.2.25"},
		{"curl", "curl", curl + "--http2 -H content-type:application/dns-message --data-binary @" + body + " " + url, "code=200,version=2,type=application/dns-message"},
		{"curl", "curl", curl + "--http1.1 " + url + "?dns=" + base64.RawURLEncoding.EncodeToString(wire), "code=200,version=1.1,type=application/dns-message"},
		{"curl", "curl", curl + url, "code=400"},
	} {
		t.Run(tt.program+" "+strings.Fields(tt.args)[0], func(t *testing.T) {
			out, err := exec.Command(needs(t, tt.program, tt.pkg), strings.Fields(tt.args)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%s %s: got %v\n%s\nwant %s", tt.program, tt.args, err, out, tt.want)
			}
		})
	}
}

// kdig writes PROXY headers as proxies do.
func TestKdigProxied(t *testing.T) {
	kdig := needs(t, "kdig", "knot-dnsutils")
	s := serve(t, dnsserver.Config{Listen: []string{"127.0.0.1:0"}, Proxy: []string{"127.0.0.1:0"}, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for _, extra := range []string{"+notcp", "+tcp"} {
		for _, proxy := range []string{"203.0.113.7-192.0.2.53", "2001:db8::7-2001:db8::53#53"} {
			args := []string{"@127.0.0.1", "-p", fmt.Sprint(s.Addrs()[0].Port()), extra, "+proxy=" + proxy, "mail.hard.test", "A"}
			if out, err := exec.Command(kdig, args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "192.0.2.25") {
				t.Errorf("kdig %s: got %v\n%s", args, err, out)
			}
		}
	}
	if got, want := fmt.Sprint(s.Stats().Requests), "[{hard.test udp 4 A 1} {hard.test udp 6 A 1} {hard.test tcp 4 A 1} {hard.test tcp 6 A 1}]"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
}
