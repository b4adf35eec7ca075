package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitalns/checks"
)

func TestMain(m *testing.M) {
	if os.Getenv(targetVariable) != "" {
		benchTarget()
	}
	goleak.VerifyTestMain(m)
}

// A setting is one key of a check under test, "expect.status" for one inside a group.
type setting struct {
	key   string
	value Value
}

func text(key, s string) setting            { return setting{key, Value{Text: s}} }
func texts(key string, s ...string) setting { return setting{key, Value{Texts: s}} }
func number(key string, n int64) setting    { return setting{key, Value{Integer: n}} }

// apply sets a key as the parser of zone files does.
func apply(c Check, s setting) error {
	keys := c.Keys()
	name, inner, grouped := strings.Cut(s.key, ".")
	for {
		for _, k := range keys {
			if k.Name == name && k.Kind == Group && grouped {
				keys, name, grouped = k.Keys, inner, false
				break
			}
			if k.Name == name && !grouped {
				return k.Set(s.value)
			}
		}
		if grouped {
			return failed("no key %s", s.key)
		}
	}
}

// configured is a check as a zone file would make it.
func configured(t testing.TB, kind string, settings ...setting) Check {
	t.Helper()
	c, ok := New(kind)
	if !ok {
		t.Fatalf("no type %s", kind)
	}
	for _, s := range settings {
		if err := apply(c, s); err != nil {
			t.Fatalf("%s: %v", s.key, err)
		}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

var testEnv = &Env{UserAgent: "vitalns/test (n1)"}

// run probes an address once.
func run(t testing.TB, c Check, env *Env, to netip.AddrPort, timeout time.Duration) checks.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	target := Target(c, to.Addr().String(), timeout)
	target.Port = to.Port()
	return c.Prober(env).Probe(ctx, target)
}

// long is the timeout where none is meant to happen, short where one is.
const (
	long  = 10 * time.Second
	short = 150 * time.Millisecond
)

// expectResult holds kind and reason together: "ok", "failed refused", "void no route".
func expectResult(t testing.TB, r checks.Result, want string) {
	t.Helper()
	got := strings.TrimSpace(r.Kind.String() + " " + string(r.Reason))
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Latency <= 0 {
		t.Errorf("latency %v", r.Latency)
	}
}

// listen serves each connection with f, and closes it and waits at the end of the test.
func listen(t testing.TB, address string, f func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no listener on %s here: %v", address, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return netip.MustParseAddrPort(l.Addr().String())
}

// hang keeps a connection open, silently, until the other end closes it.
func hang(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// say writes and then waits for the other end to close.
func say(s string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, s)
		hang(c)
	}
}

// closedPort is a port of 127.0.0.1 where nobody listens.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// A cert is a certificate for tests with the authority that signed it.
type cert struct {
	tls.Certificate
	caPEM []byte
}

type certOptions struct {
	names               []string
	notBefore, notAfter time.Duration // from now
	selfSigned          bool
}

func newCert(t testing.TB, o certOptions) cert {
	t.Helper()
	now := time.Now()
	caKey, leafKey := newKey(t), newKey(t)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(1000 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER := sign(t, ca, ca, caKey, caKey)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test leaf"},
		NotBefore: now.Add(o.notBefore), NotAfter: now.Add(o.notAfter),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range o.names {
		if ip := net.ParseIP(n); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
			continue
		}
		leaf.DNSNames = append(leaf.DNSNames, n)
	}
	parent, parentKey := ca, caKey
	if o.selfSigned {
		parent, parentKey = leaf, leafKey
	}
	der := sign(t, leaf, parent, leafKey, parentKey)
	return cert{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, c, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// good is a certificate that is right in everything for www.example.com and 127.0.0.1.
func good(t testing.TB) cert {
	return newCert(t, certOptions{names: []string{"www.example.com", "127.0.0.1"}, notBefore: -time.Hour, notAfter: 30 * 24 * time.Hour})
}
