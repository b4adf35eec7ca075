package probe

import "golang.org/x/sys/unix"

// newSocket makes a socket that does not block and is not handed to children.
func newSocket(family, typ, protocol int) (int, error) {
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, voidCall(err)
	}
	return fd, nil
}

// lateBind leaves the local port to be chosen when connecting, so that probes of different targets from
// one configured source share ports. Kernels before 4.2 do not know it, and run out of ports sooner.
func lateBind(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // as above
}
