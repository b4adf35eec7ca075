package dnsserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ALPN names (RFC 7858, RFC 8484 §5.2).
const alpnDoT = "dot"

var alpnDoH = []string{"h2", "http/1.1"}

// certificateEvery is how often the files of a certificate are looked at.
const certificateEvery = 5 * time.Second

// A Certificate is what DoT and DoH show: a chain and its key, in two PEM files. When they change it is
// taken up for the connections that come then; a new pair that is not good is refused, and the old one
// shown on.
type Certificate struct {
	chainFile, keyFile string
	current            atomic.Pointer[keyPair]
	failed             atomic.Bool // the files, as they were last read

	mu  sync.Mutex // protects the rest: one look at a time
	log logTurn
}

type keyPair struct {
	tls.Certificate
	chain, key []byte // as they were read
}

// LoadCertificate reads a certificate. An error of a file is an *fs.PathError.
func LoadCertificate(chainFile, keyFile string) (*Certificate, error) {
	c := &Certificate{chainFile: chainFile, keyFile: keyFile}
	pair, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current.Store(pair)
	return c, nil
}

// NotAfter is when it expires.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// read reads the files; nil: they are what is shown.
func (c *Certificate) read() (*keyPair, error) {
	chain, err := readRegular(c.chainFile)
	if err != nil {
		return nil, err
	}
	key, err := readRegular(c.keyFile)
	if err != nil {
		return nil, err
	}
	if old := c.current.Load(); old != nil && bytes.Equal(chain, old.chain) && bytes.Equal(key, old.key) {
		return nil, nil
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", c.chainFile, c.keyFile, err)
	}
	return &keyPair{cert, chain, key}, nil
}

// readRegular reads a file and refuses what would have to be waited for, a pipe above all.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("is not a regular file")}
	}
	return os.ReadFile(path)
}

// refresh looks at the files.
func (c *Certificate) refresh(logger *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, err := c.read()
	c.failed.Store(err != nil)
	switch {
	case err != nil:
		if more, ok := c.log.turn(time.Now()); ok {
			logger.Error("new certificate refused: the old one is shown on", "error", err, "expires", c.NotAfter(), "since_last_line", more)
		}
	case pair != nil:
		c.current.Store(pair)
		logger.Info("new certificate", "file", c.chainFile, "expires", c.NotAfter())
	}
}

// watch looks at the files until ctx is done.
func (c *Certificate) watch(ctx context.Context, logger *slog.Logger) {
	tick := time.NewTicker(certificateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.refresh(logger)
		}
	}
}

// config is that of a server that speaks these protocols. TLS 1.2 is the least there is (RFC 8996).
func (c *Certificate) config(alpn ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: alpn,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.current.Load().Certificate, nil },
	}
}
