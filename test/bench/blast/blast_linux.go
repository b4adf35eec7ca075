package blast

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockets is how many a Blaster has, each connected to the server.
const Sockets = 16

const (
	window  = 512 // queries under way at saturation, all sockets together
	batch   = 32
	maxWire = 4096
	lostAt  = 200 * time.Millisecond // a query without a response for so long is lost
)

// givenUp stands for the question of a query that is lost.
const givenUp = ^uint32(0)

type mmsghdr struct {
	unix.Msghdr
	n uint32
	_ [4]byte
}

// A Question is a packed query, its id left 0, and what every right response to it has.
type Question struct {
	Wire    []byte
	End     int // of the question section; 0: whatever comes back is right
	Rcode   byte
	Answers uint16
	Least   uint16 // so many also do
}

// A lane is one socket with what is under way on it. Ids are taken in order.
type lane struct {
	fd         int
	jar        []byte          // what ends each query: the cookie of this address; nil: none
	next, last uint16          // the id to come, and the oldest that may be under way
	asked      [1 << 16]uint32 // by id: the question's place, plus 1; 0: answered
	at         [1 << 16]int64  // by id: when it was sent
	out, in    [batch][maxWire]byte
	outHdr     [batch]mmsghdr
	inHdr      [batch]mmsghdr
	outIov     [batch]unix.Iovec
	inIov      [batch]unix.Iovec
	inFlight   int
}

// A Count is what a run has seen. Lost are the queries that had no response within lostAt; Late those of
// them that had one after all. Right came in time, Answered counts those too that came after it, on which a
// server has spent its time as well.
type Count struct {
	Took                    time.Duration
	Sent, Right, Lost, Late int
	Answered                int
	Wrong                   int
	FirstWrong              string  // what was wrong with it
	latencies               []int64 // ns, where they were asked for; sorted
}

// Rate returns the right responses a second.
func (c *Count) Rate() float64 { return float64(c.Right) / c.Took.Seconds() }

// Percentile returns the latency that a share of the queries kept, of those that Pace has sent. One that is lost
// took longer than any other. Without a query it is 0.
func (c *Count) Percentile(q float64) time.Duration {
	n := len(c.latencies) + c.Lost
	if n == 0 {
		return 0
	}
	if i := int(q * float64(n-1)); i < len(c.latencies) {
		return time.Duration(c.latencies[i])
	}
	return lostAt
}

// Kept reports whether Pace was able to keep its rate, to 5 %.
func (c *Count) Kept(rate float64) bool { return float64(c.Sent) >= 0.95*rate*c.Took.Seconds() }

// A Blaster asks one server. It belongs to one goroutine.
type Blaster struct {
	lanes     []*lane
	questions []Question
	at        int // the question to come
	count     Count
}

// Source is the address that a lane sends from: each has a prefix of its own, as resolvers do.
func Source(n int) netip.Addr { return netip.AddrFrom4([4]byte{127, 77, byte(n), 1}) }

// New opens the sockets to a server. The questions are asked in order, again and again; where there are
// jars, one for each socket, the last bytes of each query are those of the socket's jar.
func New(server netip.AddrPort, qs []Question, jars [][]byte) (*Blaster, error) {
	b := &Blaster{questions: qs}
	for n := range Sockets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
		l := &lane{fd: fd}
		if jars != nil {
			l.jar = jars[n]
		}
		b.lanes = append(b.lanes, l)
		// A buffer that is smaller than asked for shows as loss.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: Source(n).As4()}); err != nil {
			b.Close()
			return nil, fmt.Errorf("bind: %w", err)
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}); err != nil {
			b.Close()
			return nil, fmt.Errorf("connect: %w", err)
		}
		for i := range batch {
			l.outIov[i].Base, l.inIov[i].Base = &l.out[i][0], &l.in[i][0]
			l.inIov[i].SetLen(maxWire)
			l.outHdr[i].Iov, l.inHdr[i].Iov = &l.outIov[i], &l.inIov[i]
			l.outHdr[i].SetIovlen(1)
			l.inHdr[i].SetIovlen(1)
		}
	}
	return b, nil
}

// Close closes the sockets.
func (b *Blaster) Close() {
	for _, l := range b.lanes {
		_ = unix.Close(l.fd) // only read from
	}
}

// Saturate keeps the window full for a while.
func (b *Blaster) Saturate(d time.Duration) Count {
	return b.run(context.Background(), d, func(l *lane, now int64) {
		for l.inFlight < window/Sockets {
			if !b.send(l, min(batch, window/Sockets-l.inFlight), now) {
				return
			}
		}
	})
}

// behind is how late Pace may be. What it could not send in time beyond that it does not send: it would ask
// faster than at its rate.
const behind = 2 * time.Millisecond

// Pace sends at an even rate, one query at a time, and keeps latencies: for a while, or until ctx is done.
func (b *Blaster) Pace(ctx context.Context, rate float64, d time.Duration) Count {
	b.count.latencies = make([]int64, 0, int(rate*d.Seconds())+1)
	gap := float64(time.Second) / rate
	due := float64(nanos())
	return b.run(ctx, d, func(l *lane, now int64) {
		if due = max(due, float64(now-int64(behind))); due <= float64(now) && l.inFlight < 1<<15 {
			b.send(l, 1, now)
			due += gap
		}
	})
}

// run drives all lanes for a while, or until ctx is done; feed sends what is due on one. What is still under way at the end
// is waited for.
func (b *Blaster) run(ctx context.Context, d time.Duration, feed func(*lane, int64)) Count {
	b.count = Count{latencies: b.count.latencies}
	began := nanos()
	for now := began; now-began < int64(d) && ctx.Err() == nil; {
		for _, l := range b.lanes {
			if l.inFlight > 0 {
				b.receive(l)
			}
			now = nanos()
			b.expire(l, now)
			feed(l, now)
		}
	}
	b.count.Took = time.Duration(nanos() - began)
	sent := b.count
	for end := nanos(); b.underWay() > 0 && nanos()-end < int64(2*lostAt); {
		for _, l := range b.lanes {
			b.receive(l)
			b.expire(l, nanos())
		}
	}
	sent.Answered = b.count.Right
	sent.Lost, sent.Late, sent.Wrong, sent.FirstWrong = b.count.Lost, b.count.Late, b.count.Wrong, b.count.FirstWrong // those that came after the end are no loss
	slices.Sort(sent.latencies)
	b.count.latencies = nil
	return sent
}

func (b *Blaster) underWay() int {
	n := 0
	for _, l := range b.lanes {
		n += l.inFlight
	}
	return n
}

// send sends n queries on one lane. It reports false where the kernel took none.
func (b *Blaster) send(l *lane, n int, now int64) bool {
	for i := range n {
		q := &b.questions[b.at]
		id := l.next + uint16(i)
		copy(l.out[i][:], q.Wire)
		copy(l.out[i][len(q.Wire)-len(l.jar):], l.jar)
		binary.BigEndian.PutUint16(l.out[i][:], id)
		l.outIov[i].SetLen(len(q.Wire))
		l.asked[id], l.at[id] = uint32(b.at)+1, now
		if b.at++; b.at == len(b.questions) {
			b.at = 0
		}
	}
	took, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&l.outHdr[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		took = 0
	}
	for i := int(took); i < n; i++ {
		l.asked[l.next+uint16(i)] = 0
	}
	l.next += uint16(took)
	l.inFlight += int(took)
	b.count.Sent += int(took)
	return took > 0
}

// receive takes what has come on one lane.
func (b *Blaster) receive(l *lane) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&l.inHdr[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return
	}
	var now int64
	if b.count.latencies != nil {
		now = nanos()
	}
	for i := range int(n) {
		wire := l.in[i][:l.inHdr[i].n]
		if len(wire) < 12 {
			b.fault("%d bytes", len(wire))
			continue
		}
		id := binary.BigEndian.Uint16(wire)
		place := l.asked[id]
		if place == givenUp {
			l.asked[id] = 0
			b.count.Late++ // it was counted as lost
			continue
		}
		if place == 0 {
			b.fault("a response to nothing that is under way")
			continue
		}
		l.asked[id] = 0
		l.inFlight--
		if b.count.latencies != nil {
			b.count.latencies = append(b.count.latencies, now-l.at[id])
		}
		b.judge(&b.questions[place-1], wire)
	}
}

// judge looks at one response: rcode, number of answers, TC, and the question as it was asked.
func (b *Blaster) judge(q *Question, wire []byte) {
	n := binary.BigEndian.Uint16(wire[6:])
	switch {
	case q.End == 0: // an echo
	case wire[2]&0x82 != 0x80:
		b.fault("%x is truncated or no response", wire)
		return
	case wire[3]&15 != q.Rcode:
		b.fault("%x has another rcode than %d", wire, q.Rcode)
		return
	case n != q.Answers && n != q.Least:
		b.fault("%x has not %d answers", wire, q.Answers)
		return
	case len(wire) < q.End || !bytes.Equal(wire[12:q.End], q.Wire[12:q.End]):
		b.fault("%x is to another question than %x", wire, q.Wire)
		return
	}
	b.count.Right++
}

func (b *Blaster) fault(format string, args ...any) {
	if b.count.Wrong++; b.count.Wrong == 1 {
		b.count.FirstWrong = fmt.Sprintf(format, args...)
	}
}

// expire gives up what has been under way for too long.
func (b *Blaster) expire(l *lane, now int64) {
	for l.last != l.next && (l.asked[l.last] == 0 || now-l.at[l.last] > int64(lostAt)) {
		if l.asked[l.last] != 0 {
			l.asked[l.last] = givenUp
			l.inFlight--
			b.count.Lost++
		}
		l.last++
	}
}

var epoch = time.Now()

// nanos reads the monotonic clock.
func nanos() int64 { return int64(time.Since(epoch)) }

// OnCore runs f on a thread of its own that is bound to one core.
func OnCore(core int, f func()) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var set unix.CPUSet
		set.Set(core)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			done <- fmt.Errorf("bind to core %d: %w", core, err)
			return
		}
		f()
		done <- nil
	}()
	return <-done
}
