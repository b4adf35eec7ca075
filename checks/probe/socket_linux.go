package probe

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

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

// hangUp resets the connection of a TCP socket, which can connect anew then: connect(2), AF_UNSPEC.
func hangUp(fd int) error {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return errno
	}
	return nil
}

// grantOnly has a TCP socket that connects not confirm what it was granted, until data is sent or some time has
// gone by: tcp_rcv_synsent_state_process heeds what tcp(7) has for listeners only. A kernel that does not, confirms.
func grantOnly(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 1) // as above
}

// refusal is why a socket did not connect, given what connecting again said: here that is the same.
func refusal(_ int, again error) error { return again }

// isLocalPort reports whether the system may give a socket this port by itself.
func isLocalPort(port uint16) bool {
	low, high := localPorts()
	return low <= port && port <= high
}

// localPorts is the range of those ports: all, where it is not known.
var localPorts = sync.OnceValues(func() (low, high uint16) {
	const all = 1<<16 - 1
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, all
	}
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil {
		return 0, all
	}
	return low, high
})
