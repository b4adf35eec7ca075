package e2e

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitalns/test/live"
)

// A node answers over TLS. A new certificate is shown once a reload has returned, or by itself after some
// seconds; a bad one makes the reload fail, with its place, and the old one is shown on. What needs a
// restart is named.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	s := open(t)
	nodes, err := s.Nodes("ns", live.Setup{Zones: []string{write(t, s.Dir, "zone.toml", "zone = \"e2e.test\"\nns = { ns1 = \"192.0.2.53\" }\n[records.www]\nA = \"192.0.2.7\"\n")}, Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	n := nodes[0]
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(n.File)
	if err != nil {
		t.Fatal(err)
	}
	withTLS := func(more string) {
		t.Helper()
		section := fmt.Sprintf("[dns]\ntls = [%q]\ncert_file = \"chain.pem\"\nkey_file = \"key.pem\"\n%s", addr, more)
		write(t, n.Dir, filepath.Base(n.File), strings.Replace(string(text), "[dns]\n", section, 1))
	}
	withTLS("")
	certify := func(name string) {
		t.Helper()
		if _, _, err := live.WriteCertificate(n.Dir, name); err != nil {
			t.Fatal(err)
		}
	}
	certify("one.e2e.test")
	start(t, n)
	first, name := secure(t, addr)
	if name != "one.e2e.test" {
		t.Errorf("shown at start: %s", name)
	}

	certify("two.e2e.test")
	command(t, n, 0, "reload")
	if _, name := secure(t, addr); name != "two.e2e.test" {
		t.Errorf("shown after a reload: %s", name)
	}
	write(t, n.Dir, "key.pem", "half a key")
	if said := command(t, n, 1, "reload"); !strings.Contains(said.Err, "node.toml:6:13: error: ") || !strings.Contains(said.Err, "key.pem") || !strings.Contains(said.Err, "hint: ") {
		t.Errorf("a reload with a bad pair said %q", said.Err)
	}
	if _, name := secure(t, addr); name != "two.e2e.test" {
		t.Errorf("shown after a bad reload: %s", name)
	}
	certify("three.e2e.test")
	live.Eventually(t, patience, func() string {
		c, name := secure(t, addr)
		_ = c.Close() // or it would have too many
		if name != "three.e2e.test" {
			return "shown without a reload: " + name
		}
		return ""
	})
	asked(t, first) // it has been there all the time

	withTLS("tcp_per_client = 9\n")
	if said := command(t, n, 1, "reload"); !strings.Contains(said.Out+said.Err, "[dns] tcp_per_client") {
		t.Errorf("a reload that needs a restart said %q %q", said.Out, said.Err)
	}
}

// secure asks once over TLS and returns the connection, with the name of who answered.
func secure(t *testing.T, addr string) (*tls.Conn, string) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"dot"}}) // who it is, is what is asked
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // it has been used
	asked(t, c)
	return c, c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// asked asks over a stream, and wants an answer.
func asked(t *testing.T, c *tls.Conn) {
	t.Helper()
	q, err := live.Question("www.e2e.test", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
		t.Fatal(err)
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, raw); err != nil {
		t.Fatal(err)
	}
	if _, addrs, err := live.Addresses(raw); err != nil || len(addrs) != 1 || addrs[0] != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("answered %v, %v", addrs, err)
	}
}
