//go:build !linux

package probe

import (
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

// lateBind does nothing: the system has no such choice.
func lateBind(int) {}
