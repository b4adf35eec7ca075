package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vitalns/test/live"
)

// A flood asks one node for the two names in turn, at a fixed rate, and keeps everything.
type flood struct {
	addr    string
	rate    int // a second
	total   int // at most 65536: the id of a query is its number
	sent    []time.Time
	replies []reply
}

// A reply is one response: what it was asked, when it came, and what it names.
type reply struct {
	query int
	at    time.Time
	addrs []netip.Addr
}

// names are those that a flood asks for: the one of an even query, and of an odd one.
var names = [2]string{"www.e2e.test", "first.e2e.test"}

// run asks until all is asked or ctx is done, and listens a little longer.
func (f *flood) run(ctx context.Context, t *testing.T) {
	var questions [2][]byte
	for i, name := range names {
		q, err := live.Question(name, 1)
		if err != nil {
			t.Error(err)
			return
		}
		questions[i] = q
	}
	conn, err := net.Dial("udp", f.addr)
	if err != nil {
		t.Error(err)
		return
	}
	if err := conn.(*net.UDPConn).SetReadBuffer(4 << 20); err != nil {
		t.Error(err)
	}
	f.total = min(f.total, math.MaxUint16+1)
	f.sent = make([]time.Time, 0, f.total)
	var g errgroup.Group
	g.Go(func() error { f.listen(conn); return nil })
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for len(f.sent) < f.total && ctx.Err() == nil {
		due := int(time.Since(began).Seconds() * float64(f.rate))
		for len(f.sent) < min(due, f.total) {
			n := len(f.sent)
			q := questions[n%2]
			binary.BigEndian.PutUint16(q, uint16(n))
			f.sent = append(f.sent, time.Now())
			_, _ = conn.Write(q) // a node that is down at present does not answer
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	_ = g.Wait() // gives no error
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func (f *flood) listen(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		now := time.Now()
		if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			return
		}
		if err != nil {
			continue // refused: nobody listens there at present
		}
		if id, addrs, err := live.Addresses(buf[:n]); err == nil {
			f.replies = append(f.replies, reply{query: int(id), at: now, addrs: addrs})
		}
	}
}
