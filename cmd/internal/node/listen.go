package node

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ListenHTTP binds the admin address.
func ListenHTTP(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &Advice{Err: fmt.Errorf("admin HTTP on %s: the port is taken", addr), Hint: "is it another vitalns? choose another port with --http or [http] listen"}
	}
	if err != nil {
		return nil, fmt.Errorf("admin HTTP: %w", err)
	}
	return l, nil
}

// ListenControl makes the unix socket for commands, for this user and group alone. One left behind by a
// process that died is replaced; one that is answered is not.
func ListenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, &Advice{Err: fmt.Errorf("control socket: %w", err), Hint: "make the directory for the user that runs vitalns, or choose another with [control] socket"}
	}
	if err := guardedDir(filepath.Dir(path)); err != nil {
		return nil, &Advice{Err: fmt.Errorf("control socket: %w", err), Hint: "whoever can replace the socket gets the commands: choose another directory with [control] socket"}
	}
	if answered(path) {
		return nil, &Advice{Err: fmt.Errorf("control socket %s: another daemon answers there", path),
			Hint: "stop the other one, or give this one its own: [control] socket in the node file"}
	}
	if err := removeSocket(path); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close() // the error to report is the other
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// answered reports whether a daemon accepts connections there.
func answered(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close() // only asked whether anyone is there
	return true
}

// guardedDir refuses a directory in which a stranger could put another socket in the place of ours: one
// that is neither ours nor root's, or that others may write to without the sticky bit.
func guardedDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d", dir, st.Uid)
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0 {
		return fmt.Errorf("%s may be written by everyone", dir)
	}
	return nil
}

// OwnSocket reports whether path is a socket of this user, whose commands may be trusted to it.
func OwnSocket(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) == os.Geteuid()
}

// removeSocket removes what a daemon that died left behind. It removes nothing that is no socket: a path
// may be mistyped.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	return os.Remove(path)
}

// limit returns a listener that accepts at most n connections at a time; others wait in the kernel.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n), done: make(chan struct{})}
}

type limited struct {
	net.Listener
	slots chan struct{}
	once  sync.Once
	done  chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	free func()
}

func (c *limitedConn) Close() error {
	c.free()
	return c.Conn.Close()
}
