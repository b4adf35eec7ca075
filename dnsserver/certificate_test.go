package dnsserver

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitalns/test/live"

	"golang.org/x/sys/unix"
)

// writeCertificate makes a certificate for a name and writes the pair into dir.
func writeCertificate(t testing.TB, dir, name string) (chainFile, keyFile string) {
	t.Helper()
	chainFile, keyFile, err := live.WriteCertificate(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return chainFile, keyFile
}

func testCertificate(t testing.TB, name string) *Certificate {
	t.Helper()
	c, err := LoadCertificate(writeCertificate(t, t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The files change: a good pair is taken up, any other refused until it is good, and the old one kept.
func TestCertificateRefresh(t *testing.T) {
	dir := t.TempDir()
	chain, key := writeCertificate(t, dir, "one.test")
	c, err := LoadCertificate(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string { return c.current.Load().Leaf.Subject.CommonName }
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, step := range []struct {
		what   string
		change func() error
		shown  string
		failed bool
	}{
		{"nothing", func() error { return nil }, "one.test", false},
		{"another pair", func() error { writeCertificate(t, dir, "two.test"); return nil }, "two.test", false},
		{"a chain without its key", func() error {
			other, _ := writeCertificate(t, t.TempDir(), "three.test")
			return os.Rename(other, chain)
		}, "two.test", true},
		{"a chain written by half", func() error { return os.Truncate(chain, 100) }, "two.test", true},
		{"an empty key", func() error { return os.Truncate(key, 0) }, "two.test", true},
		{"no chain", func() error { return os.Remove(chain) }, "two.test", true},
		{"a pipe", func() error { return unix.Mkfifo(chain, 0o600) }, "two.test", true},
		{"no pipe", func() error { return os.Remove(chain) }, "two.test", true},
		{"a good pair", func() error { writeCertificate(t, dir, "four.test"); return nil }, "four.test", false},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		c.refresh(logger)
		if shown() != step.shown || c.failed.Load() != step.failed {
			t.Errorf("%s: shows %s, failed %v", step.what, shown(), c.failed.Load())
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors logged within a minute, want 1", n)
	}
}

func TestLoadCertificateErrors(t *testing.T) {
	dir := t.TempDir()
	chain, key := writeCertificate(t, dir, "one.test")
	_, other := writeCertificate(t, t.TempDir(), "two.test")
	for _, tt := range []struct{ what, chain, key, want string }{
		{"the key of another", chain, other, "private key does not match public key"},
		{"the two exchanged", key, chain, "certificate"},
		{"no certificate", key, key, "certificate"},
	} {
		if _, err := LoadCertificate(tt.chain, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.chain) {
			t.Errorf("%s: got %v", tt.what, err)
		}
	}
	if _, err := LoadCertificate(filepath.Join(dir, "none.pem"), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
