package dnsserver

import (
	"crypto"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A counting signer notes how many sign at once.
type counting struct {
	crypto.Signer
	now, most *atomic.Int32
}

func (c counting) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	for range 100 {
		runtime.Gosched() // a chance for the others
	}
	return c.Signer.Sign(rand, digest, opts)
}

// Of many handshakes at once only some are computed; one whose client is slow keeps no other waiting, since
// it is not computed while it waits. White box.
func TestHandshakeTurns(t *testing.T) {
	cert := testCertificate(t, "ns1.hard.test")
	hello := tlsHello(t)
	synctest.Test(t, func(t *testing.T) {
		s := piped(t, Config{Certificate: cert})
		var now, most atomic.Int32
		shown := cert.current.Load().Certificate
		shown.PrivateKey = counting{shown.PrivateKey.(crypto.Signer), &now, &most}
		s.dot.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &shown, nil }
		turns := cap(s.crowd.handshakes)

		var all []net.Conn
		var ends []chan struct{}
		begin := func() net.Conn {
			c, done := dial(s, &listener{via: TLS}, "192.0.2.7")
			all, ends = append(all, c), append(ends, done)
			return c
		}
		for i := range 4 * turns { // they hold no turn, whatever they wait for
			if c := begin(); i%2 == 0 {
				if _, err := c.Write(hello[:40]); err != nil {
					t.Fatal(err)
				}
			}
		}
		var wg sync.WaitGroup
		for range 20 * turns {
			c := begin()
			wg.Go(func() {
				if err := tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := int(most.Load()); n == 0 || n > turns {
			t.Errorf("%d were computed at once, want at most %d", n, turns)
		}
		for i, c := range all {
			_ = c.Close() // they end
			<-ends[i]
		}
		if n := len(s.crowd.handshakes); n != 0 {
			t.Errorf("%d turns were not given back", n)
		}
	})
}
