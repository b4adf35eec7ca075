package metrics

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

// A backend answers HTTP while it is up, at one address: 200, and 500 for /bad.
type backend struct {
	t    *testing.T
	addr string
	cert *tls.Certificate
	srv  *http.Server
}

func newBackend(t *testing.T, cert *tls.Certificate) *backend {
	t.Helper()
	addr, err := live.Address("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t, addr: addr, cert: cert}
	b.up()
	t.Cleanup(b.down)
	return b
}

func (b *backend) port() string { return b.addr[strings.LastIndexByte(b.addr, ':')+1:] }

func (b *backend) up() {
	b.t.Helper()
	l, err := live.Listen(b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*b.cert}})
	}
	b.srv = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	go func(srv *http.Server) { _ = srv.Serve(l) }(b.srv) // ends with down
}

func (b *backend) down() { _ = b.srv.Close() } // nothing is lost

// weekCertificate is valid for a week more.
func weekCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour), DNSNames: []string{"m.test"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A world is nodes ns1 to ns3, which are a cluster, ns4, which waits for a peer that is not there, and the
// backends that they probe.
type world struct {
	t                             *testing.T
	stage                         *live.Stage
	nodes                         []*live.Node
	dead, good, flappy, slow, tls *backend
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "vitalns")
	if out, err := exec.Command("go", "build", "-o", binary, "vitalns/cmd/vitalns").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	stage, err := live.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stage.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, stage: stage, dead: newBackend(t, nil), good: newBackend(t, nil), flappy: newBackend(t, nil), slow: newBackend(t, nil), tls: newBackend(t, weekCertificate(t))}
	three, err := stage.Nodes("ns", live.Setup{Zones: []string{"*.zone.toml"}, Nodes: 3})
	if err != nil {
		t.Fatal(err)
	}
	waits, err := stage.Nodes("late", live.Setup{Zones: []string{"*.zone.toml"}, Nodes: 2, Grace: "10m"})
	if err != nil {
		t.Fatal(err)
	}
	w.nodes = append(three, waits[0])
	for _, n := range w.nodes {
		write(t, filepath.Join(n.Dir, "s.zone.toml"), serialZone(7))
		if n != waits[0] {
			secure(t, n)
			limitLoopback(t, n.File)
			write(t, filepath.Join(n.Dir, "m.zone.toml"), w.zone("/healthz"))
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func serialZone(serial int) string {
	return fmt.Sprintf("zone = \"s.test\"\nns = { ns1 = \"192.0.2.53\" }\nsoa = { serial = %d }\n[records.\"@\"]\nTXT = \"static\"\n", serial)
}

// zone is the zone that everything happens in. path is what is asked of the target that the nodes will
// differ about.
func (w *world) zone(path string) string {
	return fmt.Sprintf(`
zone = "m.test"
ns   = { ns1 = "192.0.2.53" }
[checks.web]
type = "http"
host = "m.test"
path = "/healthz"
address = "127.0.0.1"
interval = "500ms"
fast_interval = "100ms"
fall = 2
rise = 1
[checks.differs]
extends = "web"
path = %q
[checks.slow]
extends = "web"
interval = "4s"
timeout = "1s"
fast_interval = "4s"
fall = 4
[checks.tls]
type = "tls"
address = "127.0.0.1"
sni = "m.test"
insecure = true
interval = "500ms"
[pools.web]
check = "web"
fallback = "sorry"
targets = [
  { name = "dead", address = "203.0.113.1", check = { use = "web", port = %[2]s } },
  { name = "fra", address = "203.0.113.2", check = { use = "web", port = %[3]s } },
  { name = "nyc", address = "203.0.113.3", check = { use = "web", port = %[3]s } },
  { name = "old", address = "203.0.113.4", check = { use = "web", port = %[3]s }, state = "drain" },
]
[pools.sorry]
targets = [{ name = "static", address = "192.0.2.99" }]
[pools.pair]
policy = "all"
targets = [
  { name = "dead", address = "203.0.113.1", check = { use = "web", port = %[2]s } },
  { name = "good", address = "203.0.113.2", check = { use = "web", port = %[3]s } },
]
[pools.lost]
when_all_down = "servfail"
targets = [{ name = "dead", address = "203.0.113.1", check = { use = "web", port = %[2]s } }]
[pools.flap]
targets = [{ name = "flappy", address = "203.0.113.5", check = { use = "web", port = %[4]s } }]
[pools.slow]
targets = [
  { name = "slow", address = "203.0.113.6", check = { use = "slow", port = %[5]s } },
  { name = "good", address = "203.0.113.2" },
]
[pools.cert]
targets = [{ name = "week", address = "203.0.113.7", check = { use = "tls", port = %[6]s } }]
[pools.differ]
targets = [{ name = "good", address = "203.0.113.2", check = { use = "differs", port = %[3]s } }]
[records]
www    = { pool = "web" }
pair   = { pool = "pair" }
lost   = { pool = "lost" }
flap   = { pool = "flap" }
slow   = { pool = "slow" }
cert   = { pool = "cert" }
differ = { pool = "differ" }
`, path, w.dead.port(), w.good.port(), w.flappy.port(), w.slow.port(), w.tls.port())
}

// query asks the cluster without pause until ctx is done: names of pools, static ones, and ones that are
// not there, over UDP and TCP.
func (w *world) query(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	names := []string{"www.m.test.", "pair.m.test.", "lost.m.test.", "slow.m.test.", "s.test.", "none.m.test.", "example.com."}
	for i := 0; ctx.Err() == nil; i++ {
		client := dns.Client{Net: []string{"udp", "udp", "udp", "tcp"}[i%4], Timeout: 100 * time.Millisecond}
		m := new(dns.Msg).SetQuestion(names[i%len(names)], []uint16{dns.TypeA, dns.TypeTXT}[i%2])
		_, _, _ = client.ExchangeContext(ctx, m, w.nodes[i%3].DNS) // whoever is killed does not answer
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// limitLoopback has a node limit clients on this host as any others.
func limitLoopback(t *testing.T, file string) {
	t.Helper()
	write(t, file, string(readText(t, file))+"[dns.rrl]\nexempt = []\n")
}

// secure has a node answer over TLS, with a certificate of a week.
func secure(t *testing.T, n *live.Node) {
	t.Helper()
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	cert := weekCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(n.Dir, "ns.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	write(t, filepath.Join(n.Dir, "ns.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	with := fmt.Sprintf("[dns]\ntls = %q\ncert_file = \"ns.pem\"\nkey_file = \"ns.key\"\n", addr)
	write(t, n.File, strings.Replace(string(readText(t, n.File)), "[dns]\n", with, 1))
}

// flood asks one node for far more errors than a prefix gets, until ctx is done. It reads no answer.
func (w *world) flood(ctx context.Context) {
	from := &net.UDPAddr{IP: net.IPv4(127, 255, 1, 1)}
	c, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, "udp", w.nodes[0].DNS)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer c.Close()
	query, err := new(dns.Msg).SetQuestion("example.com.", dns.TypeA).Pack()
	if err != nil {
		w.t.Error(err)
		return
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		for range 25 { // 500 a second, five times the rate
			_, _ = c.Write(query) // nobody may listen yet
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// voted waits until all three nodes vote for a target as wanted, as one of them hears it.
func (w *world) voted(ctx context.Context, n *live.Node, pool, target, want string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		s, err := n.Status(ctx)
		votes := 0
		for _, p := range s.Pools {
			for _, t := range p.Targets {
				if p.Pool != pool || t.Name != target {
					continue
				}
				for _, v := range t.Checks[0].Votes {
					if v == want {
						votes++
					}
				}
			}
		}
		if votes == 3 {
			return nil
		}
		select {
		case <-time.After(live.Every):
		case <-ctx.Done():
			return fmt.Errorf("%s hears %d votes for %s of %s/%s (last asked: %v)", n.Name, votes, want, pool, target, err)
		}
	}
}

// misfortune is all that goes wrong while everybody still runs.
func (w *world) misfortune(ctx context.Context) error {
	ns1, ns2, ns3 := w.nodes[0], w.nodes[1], w.nodes[2]
	w.slow.down()
	w.dead.down()
	for range 2 {
		w.flappy.down()
		if err := w.voted(ctx, ns1, "flap", "flappy", "down"); err != nil {
			return err
		}
		w.flappy.up()
		if err := w.voted(ctx, ns1, "flap", "flappy", "up"); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(ns2.Dir, "state")); err != nil {
		return err
	}
	for _, args := range [][]string{{"fra"}, {"nyc", "--for", "1h"}} {
		args = append([]string{"target", "drain", "m.test/web/" + args[0], "--reason", "test", "--force"}, args[1:]...)
		if said, err := ns1.Command(ctx, args...); err != nil || said.Code != 0 {
			return fmt.Errorf("vitalns %s: %w, exit code %d: %s", strings.Join(args, " "), err, said.Code, said.Err)
		}
	}
	write(w.t, filepath.Join(ns2.Dir, "ns.key"), "half a key")
	write(w.t, filepath.Join(ns2.Dir, "m.zone.toml"), "zone = 5\n")
	write(w.t, filepath.Join(ns3.Dir, "m.zone.toml"), w.zone("/bad"))
	write(w.t, filepath.Join(ns3.Dir, "s.zone.toml"), serialZone(8))
	for _, n := range []*live.Node{ns2, ns3} {
		if err := n.Proc.Signal(syscall.SIGHUP); err != nil {
			return err
		}
	}
	return nil
}

// ends has two of three nodes die.
func (w *world) ends() error {
	if err := w.nodes[1].Proc.Kill(); err != nil {
		return err
	}
	return w.nodes[2].Proc.Kill()
}

// running runs f in the background until the function that it returns is called.
func running(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	return func() { cancel(); wg.Wait() }
}
