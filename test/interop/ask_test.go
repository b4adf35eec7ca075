package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A way is how a question is sent. The zero way is UDP.
type way uint8

const (
	udp    way = iota
	stream     // one of many on a TCP connection
	alone      // on a TCP connection of its own: what a server may hang up on
)

func (w way) String() string { return [...]string{"UDP", "TCP", "TCP alone"}[w] }

// A question is a message to send. Its id, the first two octets, is written when it is sent.
type question struct {
	kind string // says in a word why it is asked
	via  way
	wire []byte
}

// asked returns the question section of a message that has a question that can be read.
func (q question) asked() string {
	if len(q.wire) < headerSize {
		return ""
	}
	_, end, err := expandName(q.wire, headerSize)
	if err != nil || end+4 > len(q.wire) {
		return ""
	}
	return string(q.wire[headerSize : end+4])
}

// mostUDP is what every server is told to send over UDP at most.
const mostUDP = 1232

// room is the most octets that a response may have. Of a message that cannot be read to its end the client's
// size counts as far as it can.
func (q question) room() int {
	if q.via != udp {
		return dns.MaxMsgSize - 1
	}
	at := headerSize + len(q.asked())
	for at > headerSize {
		rr, end, err := readRecord(q.wire, at)
		if err != nil {
			break
		}
		if rr.typ == dns.TypeOPT {
			return int(min(max(rr.class, dns.MinMsgSize), mostUDP))
		}
		at = end
	}
	return dns.MinMsgSize
}

// An asker asks one server. It returns a response for each question, nil where none comes.
type asker struct {
	addr   string
	qs     []question
	out    [][]byte
	nextID uint16
}

func askAll(addr string, qs []question) ([][]byte, error) {
	a := asker{addr: addr, qs: qs, out: make([][]byte, len(qs))}
	var open [3][]int
	for i, q := range qs {
		open[q.via] = append(open[q.via], i)
	}
	if err := a.udp(open[udp]); err != nil {
		return nil, fmt.Errorf("ask %s over UDP: %w", addr, err)
	}
	if err := a.stream(open[stream]); err != nil {
		return nil, fmt.Errorf("ask %s over TCP: %w", addr, err)
	}
	if err := a.alone(open[alone]); err != nil {
		return nil, fmt.Errorf("ask %s over a TCP connection each: %w", addr, err)
	}
	return a.out, nil
}

// id returns the next id; it is never 0.
func (a *asker) id() uint16 {
	if a.nextID++; a.nextID == sentinelID {
		a.nextID = 1
	}
	return a.nextID
}

func (a *asker) unanswered(of []int) (left []int) {
	for _, i := range of {
		if a.out[i] == nil {
			left = append(left, i)
		}
	}
	return left
}

// udp asks in windows that fit into a socket's buffer. What stays without an answer is asked again, each
// time more patiently: a datagram may be lost, silence is kept up.
func (a *asker) udp(open []int) error {
	conn, err := net.Dial("udp", a.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, grace := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 700 * time.Millisecond} {
		for rest := open; len(rest) > 0; {
			n := a.fill(rest)
			if err := a.window(conn, rest[:n], grace); err != nil {
				return err
			}
			rest = rest[n:]
		}
		open = a.unanswered(open)
	}
	return nil
}

// fill returns how many of the questions go into one window.
func (a *asker) fill(open []int) (n int) {
	const most, octets = 64, 30000
	for size := 0; n < min(most, len(open)); n++ {
		if size += len(a.qs[open[n]].wire); size > octets && n > 0 {
			break
		}
	}
	return n
}

// window asks some questions together, and then one that any server answers. Once that is answered, what
// else comes has a time of grace.
func (a *asker) window(conn net.Conn, open []int, grace time.Duration) error {
	asked := map[uint16]int{}
	for _, i := range open {
		msg := append([]byte(nil), a.qs[i].wire...)
		if len(msg) >= 2 {
			id := a.id()
			asked[id] = i
			binary.BigEndian.PutUint16(msg, id)
		}
		if _, err := conn.Write(msg); err != nil {
			return err
		}
	}
	if _, err := conn.Write(sentinel); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	buf := make([]byte, dns.MaxMsgSize)
	for left := len(open); left > 0; {
		n, err := conn.Read(buf)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return nil
		}
		if err != nil {
			return err
		}
		if a.take(buf[:n], asked) {
			left--
		}
		if isSentinel(buf[:n]) {
			if err := conn.SetReadDeadline(time.Now().Add(grace)); err != nil {
				return err
			}
		}
	}
	return nil
}

// take keeps a response, and reports whether it is the first to an open question.
func (a *asker) take(msg []byte, asked map[uint16]int) bool {
	if len(msg) < 2 {
		return false
	}
	i, ok := asked[binary.BigEndian.Uint16(msg)]
	if !ok || a.out[i] != nil {
		return false
	}
	a.out[i] = slices.Clone(msg)
	return true
}

// stream asks many questions on one connection without waiting. A server may answer in any order, and end
// a connection; then the rest is asked on the next one. The first of those that a server answers none of is
// what it hangs up on.
func (a *asker) stream(open []int) error {
	const most = 2000 // on one connection: ids are not to repeat
	for len(open) > 0 {
		part := open[:min(most, len(open))]
		if err := a.pipeline(part); err != nil {
			return err
		}
		left := a.unanswered(part)
		if len(left) == len(part) {
			if err := a.alone(left[:1]); err != nil {
				return err
			}
			left = left[1:]
		}
		open = append(left, open[len(part):]...)
	}
	return nil
}

func (a *asker) pipeline(open []int) error {
	conn, err := net.Dial("tcp", a.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	asked := map[uint16]int{}
	var batch []byte
	for _, i := range open {
		id := a.id()
		asked[id] = i
		batch = appendFramed(batch, id, a.qs[i].wire)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _, _ = conn.Write(batch) }) // a server that hangs up shows in what is read
	for left := len(open); left > 0; {
		msg, err := readFramed(conn)
		if err != nil {
			_ = conn.Close() // ends the writer
			return nil       // who is unanswered is asked again
		}
		if a.take(msg, asked) {
			left--
		}
	}
	return nil
}

// alone asks each question on its own connection, followed by one that any server answers: when that is
// answered, or the server has hung up, silence is certain.
func (a *asker) alone(open []int) error {
	const atOnce = 16
	var wg sync.WaitGroup
	errs := make([]error, atOnce)
	for w := range atOnce {
		wg.Go(func() {
			for at := w; at < len(open) && errs[w] == nil; at += atOnce {
				errs[w] = a.lonely(open[at])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sentinel is a query that every server answers.
const sentinelID = 0xffff

var sentinel = append([]byte{sentinelID >> 8, sentinelID & 0xff}, message{question: entry(".", dns.TypeSOA, dns.ClassINET)}.wire()[2:]...)

func isSentinel(msg []byte) bool {
	return len(msg) >= 2 && binary.BigEndian.Uint16(msg) == sentinelID
}

func (a *asker) lonely(i int) error {
	conn, err := net.Dial("tcp", a.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	const id, grace = 1, 100 * time.Millisecond
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, _ = conn.Write(appendFramed(appendFramed(nil, id, a.qs[i].wire), sentinelID, sentinel)) // as above
	asked := map[uint16]int{id: i}
	for {
		msg, err := readFramed(conn)
		if err != nil || a.take(msg, asked) {
			return nil
		}
		if isSentinel(msg) {
			if err := conn.SetDeadline(time.Now().Add(grace)); err != nil {
				return err
			}
		}
	}
}

func appendFramed(b []byte, id uint16, msg []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(msg)))
	at := len(b)
	b = append(b, msg...)
	if len(msg) >= 2 {
		binary.BigEndian.PutUint16(b[at:], id)
	}
	return b
}

func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}
