package probe

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// idleSockets are TCP sockets that have hung up and can connect again: to make and to close one costs as much
// as the rest of a probe that only connects. They hold nothing of the targets that they were connected to, nor
// of this node: none is bound to an address, which might not be its own the next time. The zero value has none.
type idleSockets struct {
	mu        sync.Mutex // protects the rest
	four, six []int      // at most maxIdle each; what finds no room is closed
}

// maxIdle is more than the probes that are under way at once where they take no longer than their system calls.
const maxIdle = 4

// take returns a socket for targets of a family, -1 if there is none.
func (i *idleSockets) take(to netip.Addr) (fd int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	of := i.of(to)
	n := len(*of)
	if n == 0 {
		return -1
	}
	fd = (*of)[n-1]
	*of = (*of)[:n-1]
	return fd
}

// put hangs up and keeps the socket, or closes it. Nothing was written that could be lost.
func (i *idleSockets) put(s *socket) {
	if hangUp(s.fd) != nil {
		_ = unix.Close(s.fd)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	of := i.of(s.to.Addr())
	if len(*of) == maxIdle {
		_ = unix.Close(s.fd)
		return
	}
	*of = append(*of, s.fd)
}

func (i *idleSockets) of(to netip.Addr) *[]int {
	if to.Is4() {
		return &i.four
	}
	return &i.six
}
