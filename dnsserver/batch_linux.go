package dnsserver

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many queries one system call takes in, and how many responses one sends.
const batchSize = 32

// slotSize is what a batch has for each query: the longest datagram there is, and so much that the slots
// do not compete for the same lines of a core's cache.
const slotSize = 64<<10 + 3*64

// A message is the kernel's struct mmsghdr.
type message struct {
	unix.Msghdr
	size uint32
}

// A pktinfo holds a control message that says to which address of this host a query was sent, or from
// which a response leaves (IP_PKTINFO, RFC 3542 §6.1).
type pktinfo [5]uint64

// A batch is the memory that queries are read into and responses are sent from, handed to the kernel as it
// stands. It belongs to one goroutine, and to one socket.
type batch struct {
	*worker
	l    *listener
	slot []byte // batchSize slots of queries
	out  []byte // and of responses
	size int    // of one slot of out
	made int    // responses that are to be sent

	queries, replies [batchSize]message
	from             [batchSize]unix.RawSockaddrInet6 // or an Inet4
	control          [batchSize]pktinfo
	read, written    [batchSize]unix.Iovec
}

func newBatch(s *Server, l *listener) (*batch, error) {
	// Most of it is never touched: memory of the kernel costs nothing then, and the collector does not
	// count on it.
	slots, err := unix.Mmap(-1, 0, batchSize*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for queries: %w", err)
	}
	size := s.udpSpace()
	b := &batch{worker: s.newWorker(), l: l, slot: slots, out: make([]byte, batchSize*size), size: size}
	for i := range batchSize {
		b.read[i].Base = &slots[i*slotSize]
		b.read[i].SetLen(maxPacket)
		m := &b.queries[i]
		m.Name, m.Iov = (*byte)(unsafe.Pointer(&b.from[i])), &b.read[i]
		m.SetIovlen(1)
		if l.wildcard {
			m.Control = (*byte)(unsafe.Pointer(&b.control[i]))
		}
		b.replies[i].Iov = &b.written[i]
		b.replies[i].SetIovlen(1)
	}
	return b, nil
}

func (b *batch) close() { _ = unix.Munmap(b.slot) } // it is a mapping of this program

// tenure is how long a reader goes on before it gives way, though nobody may want its place. Of one that stays
// for 10 ms the scheduler takes the place away, each time that it waits, which costs a tenth of a core.
const tenure = 8 * time.Millisecond

// serve answers the queries that come to a socket until stop, many for each system call, without memory of
// their own. An error says that this system does not let it: it has no such calls, or forbids them.
func (b *batch) serve(fd uintptr, stop <-chan struct{}) error {
	yielded, failures := time.Now(), 0
	for wait := true; ; {
		if b.since.Sub(yielded) > tenure {
			runtime.Gosched()
			yielded = b.since
		}
		n, errno := b.receive(fd, wait)
		select {
		case <-stop:
			_ = b.answer(fd, b.filled(n)) // the last ones
			return nil
		default:
		}
		switch {
		case errno == 0:
			failures = 0
			if err := b.answer(fd, n); err != nil {
				return err
			}
			wait = n < batchSize
		case errno == unix.EAGAIN:
			wait = true
		case errno == unix.EINTR:
		case errors.Is(errno, errors.ErrUnsupported) || failures == maxFailures:
			return os.NewSyscallError("recvmmsg", errno)
		default:
			failures++
			<-time.After(retryPause)
		}
	}
}

// receive reads what has arrived, or waits for something. Who waits does so in the kernel, which wakes this
// thread alone; the runtime's poller would have another thread woken for each packet, also while this one is
// busy with those before it. What does not wait the scheduler need not be told of.
func (b *batch) receive(fd uintptr, wait bool) (n int, errno syscall.Errno) {
	for i := range b.queries {
		m := &b.queries[i]
		m.Namelen = unix.SizeofSockaddrInet6
		if b.l.wildcard {
			m.SetControllen(int(unsafe.Sizeof(b.control[i])))
		}
	}
	var r uintptr
	if wait {
		r, _, errno = syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.queries)), batchSize, unix.MSG_WAITFORONE, 0, 0)
	} else {
		r, _, errno = syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.queries)), batchSize, unix.MSG_DONTWAIT, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// filled returns how many of n queries came before the socket was shut down, which gives any number of empty
// ones.
func (b *batch) filled(n int) int {
	i := slices.IndexFunc(b.queries[:n], func(m message) bool { return m.size == 0 })
	if i < 0 {
		return n
	}
	return i
}

// answer answers the first n queries.
func (b *batch) answer(fd uintptr, n int) error {
	b.begin(time.Now())
	b.made = 0
	for i := 0; i < n; {
		i = b.answerFrom(i, n)
	}
	b.end(time.Now())
	return b.send(fd, b.made)
}

// answerFrom answers the queries from the i-th to the one before the n-th, or to the first that makes the
// program panic, and returns which is next.
func (b *batch) answerFrom(i, n int) (next int) {
	var p packet
	defer func() {
		if cause := recover(); cause != nil {
			b.put(next, b.survive(&p, cause))
			next++
		}
	}()
	for next = i; next < n; next++ {
		p.wire, p.client = b.slot[next*slotSize:][:b.queries[next].size], clientOf(&b.from[next])
		if b.l.proxied {
			var ok bool
			if p.wire, p.client, ok = b.unwrap(p.wire, p.client); !ok {
				continue
			}
		}
		b.put(next, b.attempt(&p, b.out[b.made*b.size:][:b.size:b.size]))
	}
	return next
}

// put adds the response to the i-th query to those that are to be sent, unless it is empty.
func (b *batch) put(i int, wire []byte) {
	if len(wire) == 0 {
		return
	}
	b.written[b.made].Base = &wire[0]
	b.written[b.made].SetLen(len(wire))
	q, r := &b.queries[i], &b.replies[b.made]
	r.Name, r.Namelen = q.Name, q.Namelen
	if b.l.wildcard {
		r.Control = q.Control
		r.SetControllen(b.control[i].turn(int(q.Controllen)))
	}
	b.made++
}

// send sends the first n responses. One that the kernel does not take, for want of a route or of room in
// the socket's buffer, is counted and lost, as it would be on the way. The error says that this system has no
// such call.
func (b *batch) send(fd uintptr, n int) error {
	for sent := 0; sent < n; {
		r, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.replies[sent])), uintptr(n-sent), unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			if errors.Is(errno, errors.ErrUnsupported) {
				b.stats.unsent.Add(uint64(n - sent))
				return os.NewSyscallError("sendmmsg", errno)
			}
			b.stats.unsent.Add(1)
			r = 1
		}
		sent += int(r)
	}
	return nil
}

// clientOf returns the address of a sender.
func clientOf(from *unix.RawSockaddrInet6) netip.Addr {
	if from.Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(from)).Addr)
	}
	return netip.AddrFrom16(from.Addr).Unmap()
}

// turn makes of the first n bytes, which say where a query was sent to, what lets its response leave from
// there, and returns its length; 0: the kernel chooses.
func (c *pktinfo) turn(n int) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(c))
	data := unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))
	switch {
	case n >= unix.CmsgLen(unix.SizeofInet4Pktinfo) && h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO:
		// Spec_dst is the host's own address, also where the query went to a broadcast address.
		(*unix.Inet4Pktinfo)(data).Ifindex = 0
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	case n >= unix.CmsgLen(unix.SizeofInet6Pktinfo) && h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO:
		info := (*unix.Inet6Pktinfo)(data)
		addr := netip.AddrFrom16(info.Addr)
		if addr.IsMulticast() {
			return 0
		}
		if !addr.IsLinkLocalUnicast() {
			info.Ifindex = 0
		}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return 0
}
