package node

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitalns/test/live"
	"vitalns/zones/zonefile"
)

// What is wrong with listeners, their certificate and proxies, and what is proposed.
func TestParseStreams(t *testing.T) {
	const pair = "cert_file = \"a.pem\"\nkey_file = \"a.key\"\n"
	for _, tt := range []struct{ name, dns, problem, hint string }{
		{"no port", `tls = "192.0.2.53"` + "\n" + pair, "no address with a port", `"192.0.2.53:853"`},
		{"no port, HTTPS", `https = "192.0.2.53"` + "\n" + pair, "no address with a port", `"192.0.2.53:443"`},
		{"one address twice", `listen = "192.0.2.53:853"` + "\n" + `tls = "192.0.2.53:853"` + "\n" + pair, "takes the port of \"192.0.2.53:853\" in `listen`", "its own port"},
		{"one address and all", `listen = "192.0.2.53:853"` + "\n" + `tls = ":853"` + "\n" + pair, "takes the port of \"192.0.2.53:853\" in `listen`", "its own port"},
		{"all of another family", `listen = ["0.0.0.0:53", "[::1]:53", "192.0.2.53:53"]`, "takes the port of \"0.0.0.0:53\" in `listen`", "its own port"},
		{"no certificate", `https = "192.0.2.53:443"`, "`https` needs `cert_file` and `key_file`", "PEM"},
		{"no key", `tls = "192.0.2.53:853"` + "\n" + `cert_file = "a.pem"`, "`cert_file` without `key_file`", "PEM"},
		{"a key alone", `key_file = "a.pem"`, "`key_file` without `cert_file`", "PEM"},
		{"nobody sees it", pair, "shown to nobody", "ADDRESS:853"},
		{"proxy of another address", `proxy = ":5353"` + "\n" + `proxy_from = "192.0.2.1"`, `":5353" stands neither in`, "as it stands there"},
		{"proxy by anybody", `listen = ":53"` + "\n" + `proxy = ":53"`, "`proxy` needs `proxy_from`", "in any name"},
		{"proxy_from alone", `proxy_from = "192.0.2.1"`, "has no effect", "write proxy"},
		{"no prefix", `proxy = "127.0.0.1:5300"` + "\n" + `proxy_from = "proxy.example"`, "is not a subnet", ""},
		{"no connection", `tcp_connections = 0`, "1 to", ""},
		{"all for one", `tcp_per_client = 5000`, "may have all 4096", ""},
		{"no time", `tcp_lifetime = "0s"`, "from 1s to 1w", ""},
		{"proxy by everyone", `proxy = "127.0.0.1:5300"` + "\n" + `proxy_from = "::/0"`, "everyone may send a PROXY header", "of the proxies alone"},
		{"a word of two", `max-tcp-connection-duration = 5`, `unknown key`, "`tcp_lifetime`"},
		{"another program's word", `dot = ":853"`, `unknown key "dot"`, "`tls`"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := ParseFile("node.toml", []byte("[dns]\n"+tt.dns+"\n"))
			if len(problems) != 1 {
				t.Fatalf("problems: %v, want one", problems)
			}
			if p := problems[0]; !strings.Contains(p.Text, tt.problem) || !strings.Contains(p.Hint, tt.hint) {
				t.Errorf("%s, hint %q; want %q, hint %q", p.Error(), p.Hint, tt.problem, tt.hint)
			}
		})
	}
}

// A certificate that is not good is an error in its place, one that cannot be read a warning: the machine
// that checks may be another. A start refuses both.
func TestCertificateOfFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := live.WriteCertificate(dir, "ns1.example"); err != nil {
		t.Fatal(err)
	}
	load := func() Loaded {
		path := filepath.Join(dir, "node.toml")
		text := "[dns]\ntls = \"127.0.0.1:8853\"\ncert_file = \"chain.pem\"\nkey_file = \"key.pem\"\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Loader{Path: path}.Load()
	}
	check := func(errors int, problem string) {
		t.Helper()
		l := load()
		if l.Problems.Errors() != errors || !strings.Contains(fmt.Sprint(l.Problems), problem) {
			t.Errorf("got %v, want %d with %q", l.Problems, errors, problem)
		}
		if _, err := l.File.Streams.certificate(); (err == nil) != (problem == "") {
			t.Errorf("a start gets %v", err)
		}
	}
	check(0, "")
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(1, "chain.pem with key")
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	check(0, "node.toml:4:12: warning: [dns]: key_file")
	if err := os.Remove(filepath.Join(dir, "chain.pem")); err != nil {
		t.Fatal(err)
	}
	check(0, "no such file")
}

// One that has expired is shown, since the clock may be wrong, but not without a word.
func TestCertificateExpired(t *testing.T) {
	dir := t.TempDir()
	chain, key, err := live.WriteCertificate(dir, "ns1.example")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	pair.Leaf.NotAfter = time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)
	der, err := x509.CreateCertificate(rand.Reader, pair.Leaf, pair.Leaf, pair.Leaf.PublicKey, pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "node.toml")
	if err := os.WriteFile(path, []byte("[dns]\ntls = \"127.0.0.1:8853\"\ncert_file = \"chain.pem\"\nkey_file = \"key.pem\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := Loader{Path: path}.Load()
	if l.Problems.Errors() > 0 || !strings.Contains(fmt.Sprint(l.Problems), "node.toml:3:13: warning: [dns]: certificate "+chain+" has expired on 2000-01-02 03:04:05") {
		t.Errorf("got %v", l.Problems)
	}
}

// The words of other programs stand in their tables as they are looked for there, and lead to a key.
func TestForeignWords(t *testing.T) {
	for what, keys := range map[string]zonefile.Keys{"": fileKeys, "[cluster]": clusterKeys, "[dns]": dnsKeys, "[dns.rrl]": rrlKeys} {
		for word, to := range keys.Foreign {
			key, _, _ := strings.Cut(to, ".")
			if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || !slices.Contains(keys.Names, key) {
				t.Errorf("%s: %q leads to %q", what, word, to)
			}
		}
	}
}

// A reload names every key that only a start can change.
func TestStreamsNeedRestart(t *testing.T) {
	parse := func(dns string) *File {
		f, _ := ParseFile("/etc/node.toml", []byte("[dns]\n"+dns))
		return f
	}
	old := parse("")
	for _, tt := range []struct{ dns, want string }{
		{"", ""},
		{`tls = ":853"`, "[dns] tls"},
		{`https = ":443"`, "[dns] https"},
		{`cert_file = "x"`, "[dns] cert_file"},
		{`key_file = "x"`, "[dns] key_file"},
		{`proxy = ":53"`, "[dns] proxy"},
		{`proxy_from = "192.0.2.1"`, "[dns] proxy_from"},
		{`tcp_connections = 9`, "[dns] tcp_connections"},
		{`tcp_per_client = 9`, "[dns] tcp_per_client"},
		{`tcp_lifetime = "9s"`, "[dns] tcp_lifetime"},
	} {
		if got := strings.Join(needsRestart(old, parse(tt.dns)), ", "); got != tt.want {
			t.Errorf("%s: got %q", tt.dns, got)
		}
	}
}
