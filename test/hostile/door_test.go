package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitalns/test/live"
)

// Doors are the addresses of a node besides its plain one.
type doors struct{ tls, https, proxied string }

// addDoors has a node that was not started yet listen for DNS over TLS and HTTPS, and behind a proxy.
func addDoors(t *testing.T, n *live.Node) (d doors) {
	t.Helper()
	for _, addr := range []*string{&d.tls, &d.https, &d.proxied} {
		var err error
		if *addr, err = live.Address(""); err != nil {
			t.Fatal(err)
		}
	}
	chain, key, err := live.WriteCertificate(n.Dir, "hard.test")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(n.File)
	if err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf("listen = [%q]", n.DNS)
	if !strings.Contains(string(file), plain) {
		t.Fatalf("node file without %s:\n%s", plain, file)
	}
	write(t, n.Dir, filepath.Base(n.File), strings.Replace(string(file), plain, fmt.Sprintf(
		"listen = [%q, %q]\ntls = [%q]\nhttps = [%q]\nproxy = [%q]\nproxy_from = [\"127.0.0.0/8\"]\ncert_file = %q\nkey_file = %q",
		n.DNS, d.proxied, d.tls, d.https, d.proxied, chain, key), 1))
	return d
}

// A door is a way in for a stream.
type door struct {
	addr   string
	header func(m *mutator) []byte // what is sent first, in clear; nil: nothing
	alpn   string                  // of TLS; "": none
	dns    bool                    // whoever comes in so is heard, as over TCP
}

// doorsOf are all ways into a node. Half of them are the wrong ones.
func doorsOf(n *live.Node, d doors) []door {
	return []door{
		{addr: n.DNS, dns: true}, {addr: d.tls, alpn: "dot", dns: true}, {addr: d.proxied, header: proxyHeader, dns: true}, {addr: n.DNS, dns: true},
		{addr: d.tls}, {addr: d.https}, {addr: d.https, alpn: "http/1.1"}, {addr: d.https, alpn: "h2"},
		{addr: d.proxied}, {addr: d.proxied, header: badHeader}, {addr: n.DNS, header: proxyHeader},
	}
}

// proxyHeader is a PROXY header, version 2, of some client over TCP: one of so many that none is limited.
func proxyHeader(m *mutator) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11"), 0, 12)
	return append(b, byte(1+m.IntN(120)), byte(m.Uint32()), byte(m.Uint32()), byte(m.Uint32()), 127, 0, 0, 1, 0xc0, byte(m.Uint32()), 0, 53)
}

func badHeader(m *mutator) []byte {
	b := proxyHeader(m)
	switch m.IntN(3) {
	case 0:
		return b[:m.IntN(len(b))]
	case 1:
		binary.BigEndian.PutUint16(b[14:], uint16(m.Uint32())) // the length
	}
	for range 1 + m.IntN(4) {
		b[m.IntN(len(b))] ^= 1 << m.IntN(8)
	}
	return b
}

// A caller is a connection that a script is played on: raw is what carries it.
type caller struct {
	net.Conn
	raw *net.TCPConn
}

// open comes in by a door from an address. What goes wrong behind the connection itself is the door's
// business: then there is a caller, and nobody listens.
func (d door) open(ctx context.Context, from net.IP, m *mutator) (caller, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	conn, err := dialer.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return caller{}, err
	}
	c := caller{conn, conn.(*net.TCPConn)}
	if d.header != nil {
		_, _ = conn.Write(d.header(m)) // the node may refuse it
	}
	if d.alpn != "" {
		secret := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{d.alpn}}) // its certificate is signed by itself
		if err := secret.HandshakeContext(ctx); err != nil {
			return caller{}, fmt.Errorf("handshake: %w", err)
		}
		c.Conn = secret
	}
	return c, nil
}

// closeWrite says that no more comes. The node may have closed already.
func (c caller) closeWrite() {
	switch conn := c.Conn.(type) {
	case *net.TCPConn:
		_ = conn.CloseWrite()
	case *tls.Conn:
		_ = conn.CloseWrite()
	}
}

// requests is a script of requests to DNS over HTTPS/1.1: some good, most bad in some way.
func requests(m *mutator) script {
	var b bytes.Buffer
	for range 1 + m.IntN(4) {
		msg := m.query()
		if m.IntN(2) == 0 {
			msg = m.next()
		}
		switch m.IntN(6) {
		case 0:
			fmt.Fprintf(&b, "GET /dns-query?dns=%s HTTP/1.1\r\nHost: x\r\n\r\n", base64.RawURLEncoding.EncodeToString(msg))
		case 1:
			fmt.Fprintf(&b, "GET /dns-query?dns=%x&dns=%%zz HTTP/1.1\r\nHost: x\r\n\r\n", msg)
		case 2:
			fmt.Fprintf(&b, "POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\nContent-Length: %d\r\n\r\n%s", len(msg), msg)
		case 3: // the length is a lie
			fmt.Fprintf(&b, "POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\nContent-Length: %d\r\n\r\n%s", m.IntN(1<<20), msg)
		case 4:
			fmt.Fprintf(&b, "POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", m.IntN(100000), msg)
		case 5:
			fmt.Fprintf(&b, "%s /%s HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", []string{"PUT", "HEAD", "DELETE", "PRI"}[m.IntN(4)], strings.Repeat("a", m.IntN(5000)), strings.Repeat("b", m.IntN(9000)))
		}
	}
	return script{chunks: [][]byte{b.Bytes()}, end: m.ending()}
}
