package node_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"vitalns/cmd/internal/node"
)

// The socket of a daemon that died is replaced. A file, a link or a directory in its place stays: the
// path may be mistyped.
func TestListenControlReplacesSocketsAlone(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	control, err := node.ListenControl(dead)
	if err != nil {
		t.Fatalf("a dead socket: %v", err)
	}
	if err := control.Close(); err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, empty} {
		if l, err := node.ListenControl(path); err == nil {
			_ = l.Close() // the failure is reported below
			t.Errorf("%s was replaced by a socket", path)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}
