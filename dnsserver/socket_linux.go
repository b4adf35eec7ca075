package dnsserver

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketsPerAddress is how many sockets an address has over UDP, each with a reader of its own: the kernel
// spreads clients over them (SO_REUSEPORT).
func socketsPerAddress() int { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) }

func readersPerSocket() int { return 1 }

// share lets further sockets have the address of a socket: one that is bound, or is about to be.
func share(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}

// setReceiveBuffer sizes the buffer of a socket and returns what it has then. Without the right to more
// (CAP_NET_ADMIN) net.core.rmem_max bounds it.
func setReceiveBuffer(conn *net.UDPConn, size int) (got int) {
	control(conn, func(s int) {
		if unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, size) // what it gives is read now
		}
		if n, err := unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			got = n / 2 // the kernel doubles it for its own bookkeeping
		}
	})
	return got
}

// overflowed returns how many packets found the buffer of a socket full.
func overflowed(conn *net.UDPConn) uint64 {
	var info [unix.SK_MEMINFO_VARS]uint32
	control(conn, func(s int) {
		size := uint32(unsafe.Sizeof(info))
		// An error, of an older kernel, leaves zeros.
		_, _, _ = syscall.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[unix.SK_MEMINFO_DROPS])
}

// control hands out the descriptor of a socket, if it is open.
func control(conn *net.UDPConn, f func(s int)) {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
