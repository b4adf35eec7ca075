package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"vitalns/zones"
)

// loopback returns a socket, the listener it is of, and its address.
func loopback(t *testing.T) (*listener, *udpSocket, net.Addr) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr()
	u, err := takeUDP(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() }) // it has no more to write
	return &listener{udp: []*udpSocket{u}}, u, addr
}

func client(t *testing.T, to net.Addr) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, to.(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// batched returns a batch that nobody serves, its socket, and a client of it.
func batched(t *testing.T) (*batch, *udpSocket, *net.UDPConn) {
	t.Helper()
	l, u, addr := loopback(t)
	b, err := newBatch(bareServer(hardTable(t), newFast), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b, u, client(t, addr)
}

// take reads the queries that wait on a socket, so many.
func take(t *testing.T, b *batch, fd uintptr, want int) {
	t.Helper()
	if n, errno := b.receive(fd, false); n != want || errno != 0 {
		t.Fatalf("got %d queries, error %v, want %d", n, errno, want)
	}
}

func send(t *testing.T, c *net.UDPConn, m *dns.Msg) {
	t.Helper()
	if _, err := c.Write(wireOf(t, m)); err != nil {
		t.Fatal(err)
	}
}

// Many clients, each with many questions at once and some that are none: everyone gets the answers to what
// he asked and no other, whether packets are read by batches or one by one.
func TestBurstsOverUDP(t *testing.T) {
	const clients, questions = 20, 3 * batchSize
	for name, way := range map[string]func(*udpSocket, *Server, *listener, <-chan struct{}){
		"batches": (*udpSocket).serve, "packets": (*udpSocket).serveOne,
	} {
		t.Run(name, func(t *testing.T) {
			s := bareServer(hardTable(t), newFast)
			l, u, addr := loopback(t)
			if got := u.setReceiveBuffer(receiveBuffer); got < receiveBuffer {
				t.Skipf("needs the right to receive buffers of %d bytes, the system gives %d", receiveBuffer, got)
			}
			var conns []*net.UDPConn
			for i := range clients {
				c := client(t, addr)
				conns = append(conns, c)
				for id := range questions {
					m := new(dns.Msg).SetQuestion(fmt.Sprintf("c%d.q%d.wild.hard.test.", i, id), dns.TypeA)
					m.Id = uint16(id)
					if id%5 == 0 { // first one that is no question: nothing comes back
						m.Response = true
						send(t, c, m)
						m.Response = false
					}
					send(t, c, m)
				}
			}
			stop, done := make(chan struct{}), make(chan struct{})
			go func() { defer close(done); way(u, s, l, stop) }() // all of it waits by now
			for i, c := range conns {
				seen := map[uint16]bool{}
				buf := make([]byte, 1500)
				for range questions {
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // it is open
					n, err := c.Read(buf)
					if err != nil {
						t.Fatalf("client %d, after %d answers: %v", i, len(seen), err)
					}
					m := parse(t, buf[:n])
					if want := fmt.Sprintf("c%d.q%d.wild.hard.test.", i, m.Id); m.Question[0].Name != want || len(m.Answer) == 0 || m.Answer[0].Header().Name != want || seen[m.Id] {
						t.Fatalf("client %d, wanted %s once: got\n%s", i, want, m)
					}
					seen[m.Id] = true
				}
			}
			close(stop)
			u.interrupt()
			<-done
			if n := s.total().response; n != clients*((questions+4)/5) {
				t.Errorf("counted %d responses that were sent as queries", n)
			}
		})
	}
}

// Where the system does not let batches be read or sent, serve says so, and not before it has tried for a
// while: then packets are read one by one.
func TestBatchForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, err := os.Pipe() // no socket: as far as batches go, a system without them
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		l := &listener{via: TCP}
		b, err := newBatch(bareServer(hardTable(t), newFast), l)
		if err != nil {
			t.Fatal(err)
		}
		defer b.close()
		began := time.Now()
		err = b.serve(r.Fd(), make(chan struct{}))
		if !errors.Is(err, unix.ENOTSOCK) || !strings.Contains(err.Error(), "recvmmsg") {
			t.Errorf("got error %v", err)
		}
		if took := time.Since(began); took != maxFailures*retryPause {
			t.Errorf("gave up after %v", took)
		}
	})
}

// Bursts take no allocation, and of a socket that has nothing more a batch says so at once.
func TestBatchAllocs(t *testing.T) {
	b, u, c := batched(t)
	const bursts = 5
	for range (bursts + 1) * batchSize {
		send(t, c, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
	}
	_ = u.control(func(fd uintptr) {
		allocs := testing.AllocsPerRun(bursts, func() {
			take(t, b, fd, batchSize)
			_ = b.answer(fd, batchSize) // it can be sent
		})
		if allocs != 0 {
			t.Errorf("a burst takes %v allocations", allocs)
		}
		if n, errno := b.receive(fd, false); errno != unix.EAGAIN {
			t.Errorf("after all were read: got %d, error %v", n, errno)
		}
	})
}

// A response that the kernel does not take is counted, and those after it are sent.
func TestBatchSendsOn(t *testing.T) {
	b, u, c := batched(t)
	for range 3 {
		send(t, c, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
	}
	_ = u.control(func(fd uintptr) {
		take(t, b, fd, 3)
		(*unix.RawSockaddrInet4)(unsafe.Pointer(&b.from[1])).Port = 0 // nobody can be sent anything there
		_ = b.answer(fd, 3)                                           // the call is there
	})
	buf := make([]byte, 1500)
	for range 2 {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // it is open
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.stats.unsent.Load(); n != 1 {
		t.Errorf("counted %d unsent", n)
	}
}

// A query that makes the program panic is told so, and those after it in the batch are answered.
func TestBatchSurvives(t *testing.T) {
	b, u, c := batched(t)
	b.cfg.Explain = func(zones.Name) string { panic("boom") }
	for _, class := range []uint16{dns.ClassINET, dns.ClassCHAOS, dns.ClassINET, dns.ClassCHAOS} {
		m := new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeTXT)
		m.Question[0].Qclass = class
		send(t, c, m)
	}
	_ = u.control(func(fd uintptr) {
		take(t, b, fd, 4)
		_ = b.answer(fd, 4) // as above
	})
	buf := make([]byte, 1500)
	for i, want := range []int{dns.RcodeSuccess, dns.RcodeServerFailure, dns.RcodeSuccess, dns.RcodeServerFailure} {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // it is open
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if m := parse(t, buf[:n]); m.Rcode != want {
			t.Errorf("query %d: got %s, want %s", i, dns.RcodeToString[m.Rcode], dns.RcodeToString[want])
		}
	}
	if n := b.stats.panics.Load(); n != 2 {
		t.Errorf("counted %d panics", n)
	}
}

// All sockets of an address answer, and nobody else gets to share it.
func TestSocketsPerAddress(t *testing.T) {
	if socketsPerAddress() < 2 {
		t.Skip("needs two cores")
	}
	table := hardTable(t)
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Table: func() *zones.Table { return table }, Fast: newFast})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	// Each client is given to one of them by chance.
	clients := 40 * socketsPerAddress()
	buf := make([]byte, 1500)
	for range clients {
		c := client(t, net.UDPAddrFromAddrPort(s.Addrs()[0]))
		send(t, c, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // it is open
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	alone := net.ListenConfig{}
	if c, err := alone.ListenPacket(t.Context(), "udp4", s.Addrs()[0].String()); err == nil {
		_ = c.Close()
		t.Error("somebody else could bind the address")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for i, w := range s.workers {
		n := 0
		for _, c := range w.counters.sizes[UDP].counts {
			n += int(c)
		}
		if n == 0 {
			t.Errorf("socket %d of %d has answered nothing", i, len(s.workers))
		}
	}
}

// An address that another program would share is not taken: half of the queries would be his.
func TestSharesWithNobody(t *testing.T) {
	shared := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return share(raw) }}
	c, err := shared.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s, err := New(Config{Listen: []string{c.LocalAddr().String()}}); err == nil {
		_ = s.Close()
		t.Error("bound an address that another socket has")
	}
}

// Packets that find a full buffer are counted.
func TestOverflow(t *testing.T) {
	l, u, addr := loopback(t)
	u.setReceiveBuffer(1)
	c := client(t, addr)
	const sent = 200
	for range sent {
		send(t, c, new(dns.Msg).SetQuestion("mail.hard.test.", dns.TypeA))
	}
	s := &Server{listeners: []*listener{l}}
	if n := s.overflowed(); n == 0 || n >= sent {
		t.Errorf("%d of %d are counted as lost", n, sent)
	}
	if got := u.setReceiveBuffer(100_000); got < 100_000 {
		t.Errorf("asked for 100,000 bytes, got %d", got)
	}
}

// What the kernel says of a query's destination becomes the source of the response.
func TestPktinfo(t *testing.T) {
	six := func(addr string, index uint32) *pktinfo {
		c := new(pktinfo)
		h := (*unix.Cmsghdr)(unsafe.Pointer(c))
		h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		*(*unix.Inet6Pktinfo)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))) = unix.Inet6Pktinfo{Addr: netip.MustParseAddr(addr).As16(), Ifindex: index}
		return c
	}
	for _, tt := range []struct {
		addr  string
		n     int
		index uint32
	}{
		{"2001:db8::1", unix.CmsgSpace(unix.SizeofInet6Pktinfo), 0},
		{"fe80::1", unix.CmsgSpace(unix.SizeofInet6Pktinfo), 7}, // it means something on its link alone
		{"ff02::1", 0, 7},
	} {
		c := six(tt.addr, 7)
		n := c.turn(unix.CmsgSpace(unix.SizeofInet6Pktinfo))
		info := (*unix.Inet6Pktinfo)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0)))
		if n != tt.n || info.Ifindex != tt.index || netip.AddrFrom16(info.Addr).String() != tt.addr {
			t.Errorf("%s: got %d bytes, %+v", tt.addr, n, info)
		}
	}
	if n := new(pktinfo).turn(0); n != 0 {
		t.Errorf("nothing: got %d bytes", n)
	}
	if n := six("2001:db8::1", 7).turn(unix.CmsgLen(4)); n != 0 {
		t.Errorf("cut off: got %d bytes", n)
	}
}
