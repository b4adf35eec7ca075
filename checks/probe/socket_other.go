//go:build !linux

package probe

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// newSocket makes a socket that does not block and is not handed to children.
func newSocket(family, typ, protocol int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, typ, protocol)
	if err != nil {
		return -1, voidCall(err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // the error at hand says more
		return -1, voidCall(err)
	}
	return fd, nil
}

// hangUp is not to be had.
func hangUp(int) error { return errors.ErrUnsupported }

// refusal is why a socket did not connect, given what connecting again said: here that may be less.
func refusal(fd int, again error) error {
	if errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && errno != 0 {
		return syscall.Errno(errno)
	}
	return again
}

// isLocalPort reports whether the system may give a socket this port by itself.
func isLocalPort(uint16) bool { return true }

// lateBind does nothing: the system has no such choice.
func lateBind(int) {}

// grantOnly does nothing, as lateBind: the connection will stand for a moment.
func grantOnly(int) {}
