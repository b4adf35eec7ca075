package probe

import (
	"fmt"
	"testing"

	"vitalns/checks"
)

func TestIdentity(t *testing.T) {
	id := func(kind string, settings ...setting) checks.Identity {
		t.Helper()
		return configured(t, kind, settings...).Identity(long)
	}
	host := text("host", "h")
	base := id("http", host)
	same := map[string]checks.Identity{
		"port":            id("http", host, number("port", 8080)),
		"address":         id("http", host, text("address", "192.0.2.1")),
		"written default": id("http", text("host", "H."), text("path", "/"), texts("expect.status", "250-299", "200-249")),
	}
	for name, got := range same {
		if got != base {
			t.Errorf("%s changes the identity", name)
		}
	}
	other := map[string]checks.Identity{
		"type":    id("https", host),
		"timeout": configured(t, "http", host).Identity(short),
		"path":    id("http", host, text("path", "/x")),
		"method":  id("http", host, text("method", "HEAD")),
		"header":  id("http", host, setting{"headers", Value{Pairs: []Pair{{"a", "b"}}}}),
		"status":  id("http", host, texts("expect.status", "200")),
		"body":    id("http", host, text("expect.body", "x")),
		"regex":   id("http", host, text("expect.body_regex", "x")),
		"ca":      id("https", host, setting{"ca_file", Value{Data: good(t).caPEM}}),
		"tcp":     id("tcp", number("port", 1)),
		"icmp":    id("icmp"),
	}
	seen := map[checks.Identity]string{base: "base"}
	for name, got := range other {
		if before, ok := seen[got]; ok {
			t.Errorf("%s and %s have one identity", name, before)
		}
		seen[got] = name
	}
	ca := good(t).caPEM
	one, twice := id("tls", setting{"ca_file", Value{Data: ca}}), id("tls", setting{"ca_file", Value{Data: append(append([]byte("note\n"), ca...), ca...)}})
	if one != twice {
		t.Error("the same authorities, written otherwise, change the identity")
	}
	// Nodes of every version must agree: a change of this value needs a new identityVersion.
	if got, want := fmt.Sprintf("%x", base.Sum), "e6c0d7b27642c9cc21ae9c2e31ed62a4"; got != want {
		t.Errorf("the identity of an http check is %s, was %s", got, want)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		kind     string
		settings []setting
		want     string
	}{
		{"http", nil, "host is required: the Host header to send"},
		{"http", []setting{text("host", "h"), text("method", "HEAD"), text("expect.body", "x")}, "an answer to HEAD has no body to expect anything of"},
		{"https", []setting{text("host", "h"), {"insecure", Value{Flag: true}}, {"ca_file", Value{Data: good(t).caPEM}}}, "ca_file means nothing beside insecure = true"},
		{"tcp", nil, "port is required"},
		{"dns", nil, "name is required: the name to ask for"},
		{"dns", []setting{text("name", "a"), texts("expect.answer", "nonsense")}, `answer "nonsense" is not the data of a record of type A`},
		{"dns", []setting{text("name", "a"), texts("expect.answer", "192.0.2.1"), texts("expect.rcode", "NXDOMAIN")}, "an answer is expected, but NOERROR is not"},
	} {
		c, _ := New(tt.kind)
		for _, s := range tt.settings {
			if err := apply(c, s); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.kind, err, tt.want)
		}
	}
	c, _ := New("tcp")
	if err := apply(c, text("starttls", "ftp")); err == nil || err.Error() != `"ftp" is none of smtp, imap, pop3, ldap, postgres` {
		t.Error(err)
	}
}

func TestTypesWith(t *testing.T) {
	for key, want := range map[string]string{"path": "[http https]", "port": "[dns http https tcp tls]", "sni": "[https tls]", "nonsense": "[]"} {
		if got := fmt.Sprint(TypesWith(key)); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	c := configured(t, "tls", text("address", "::ffff:192.0.2.9"))
	got := Target(c, "203.0.113.1", long)
	if got.Host != "192.0.2.9" || got.Port != 443 || got.Probe != c.Identity(long) {
		t.Errorf("got %+v", got)
	}
}
