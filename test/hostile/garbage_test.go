package hostile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"vitalns/test/live"
)

// seed of everything random; VITALNS_SEED sets another one.
func seed(t *testing.T) uint64 {
	n := rand.Uint64()
	if s := os.Getenv("VITALNS_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("VITALNS_SEED=%d", n)
	return n
}

// A node that was sent garbage, over UDP and TCP, answers as before; it has the memory and the goroutines
// that it had, counted no panic, and said next to nothing. Its metrics show that it read what was sent.
func TestGarbage(t *testing.T) {
	_, n := newNode(t)
	d := addDoors(t, n)
	start(t, n, n.Start)
	first, asked := mutator{seed: seed(t), seeds: queries(t)}, questions(t)
	messages, streams := share(1_000_000, 40_000), share(50_000, 2_000)

	// What a node needs for so much traffic it keeps; so the measure is taken after ordinary traffic.
	before := ask(t, n, asked)
	flood(t, n.DNS, share(200_000, 20_000), nil, func(worker int) func() []byte { return first.another(worker).query })
	pour(t, n, []string{"split", "unread"}, doorsOf(n, d), share(5_000, 500), first)
	live.Eventually(t, patience, func() string { return stays(metrics(t, n), sheet{"go_goroutines": math.Inf(1)}) })
	memory, then := rss(t, n), metrics(t, n)

	for _, way := range []struct {
		name, addr string
		messages   int
		header     func(*mutator) []byte
	}{{"UDP", n.DNS, messages, nil}, {"UDP behind a proxy", d.proxied, messages / 10, proxyHeader}} {
		began, was := time.Now(), metrics(t, n)
		got := flood(t, way.addr, way.messages, way.header, func(worker int) func() []byte {
			return first.another(100 + worker).next
		})
		took, read := time.Since(began), metrics(t, n).read("udp")-was.read("udp")
		t.Logf("%s: %d garbage messages and %d fences in %s (%.0f/s): %.0f read, %d answered", way.name, got.sent, got.fences,
			took.Round(time.Millisecond), float64(got.sent)/took.Seconds(), read, got.answered)
		if want := float64(got.sent + got.fences); read < 0.999*want {
			t.Errorf("the node read %.0f of %.0f messages", read, want)
		}
	}

	began := time.Now()
	pour(t, n, slices.Sorted(maps.Keys(scripts)), doorsOf(n, d), streams, first)
	stall(t, n, doorsOf(n, d), first)
	now := metrics(t, n)
	t.Logf("%d malformed streams in %s: %.0f queries over TCP, %.0f over TLS, %.0f over HTTPS", streams, time.Since(began).Round(time.Millisecond),
		now.read("tcp")-then.read("tcp"), now.read("dot")-then.read("dot"), now.read("doh")-then.read("doh"))

	recovers(t, n, memory, then)
	sameAnswers(t, before, ask(t, n, asked))
}

// recovers waits until the node has the connections, the goroutines and the memory that it had.
func recovers(t *testing.T, n *live.Node, memory int, then sheet) {
	t.Helper()
	var now sheet
	defer func() { // also where it never recovers
		if panics := now.sum("vitalns_panics_total"); panics != 0 {
			t.Errorf("%.0f panics:\n%s", panics, n.Proc.Output())
		}
	}()
	live.Eventually(t, patience, func() string {
		now = metrics(t, n)
		return stays(now, then)
	})
	most := memory
	// The runtime gives memory back in its own time: a collection comes by itself every two minutes.
	within := memory / share(10, 2) // a share of the garbage is not worth the wait
	live.Eventually(t, 4*time.Minute, func() string {
		has := rss(t, n)
		most = max(most, has)
		if has > memory+within {
			return fmt.Sprintf("%s of memory, %s before", mib(has), mib(memory))
		}
		return ""
	})
	const log = 64 << 10
	said := len(n.Proc.Output())
	if said > log {
		t.Errorf("%d bytes of log", said)
	}
	t.Logf("memory: %s before, %s at most, %s after; goroutines: %.0f before, %.0f after; %d bytes of log",
		mib(memory), mib(most), mib(rss(t, n)), then.sum("go_goroutines"), now.sum("go_goroutines"), said)
}

// stays says what a node still has of connections and goroutines that it had not before; "" if nothing.
func stays(now, then sheet) string {
	open, runs, ran := now.sum("vitalns_dns_tcp_connections"), now.sum("go_goroutines"), then.sum("go_goroutines")
	if open > 0 || runs > ran {
		return fmt.Sprintf("%.0f connections are open, %.0f goroutines run, %.0f before", open, runs, ran)
	}
	return ""
}

// A tally counts what was sent over UDP and what came back.
type tally struct {
	sent, fences, answered int
	ids                    map[uint16]int // what was sent with each id, last; from 1

	m      *mutator
	header func(*mutator) []byte // of a proxy, over TCP; nil: none
}

// wrap puts a proxy's header before a message.
func (y *tally) wrap(msg []byte, header func(*mutator) []byte) []byte {
	if header == nil {
		return msg
	}
	h := header(y.m)
	if len(h) > 13 && h[13] == 0x11 {
		h[13] = 0x12 // UDP
	}
	return append(h, msg...)
}

// flood sends messages over UDP from some workers, each with messages of its own, and no faster than they
// are read: a worker sends a few, and then a fence, a query whose answer it waits for. Whatever is answered
// must be a response, well formed, and to an id that was sent of late. Where a header is to precede a
// message, some of them are bad.
func flood(t *testing.T, addr string, messages int, header func(*mutator) []byte, source func(worker int) func() []byte) (sum tally) {
	t.Helper()
	const workers = 4
	tallies := make([]tally, workers)
	var g errgroup.Group
	for w := range workers {
		next := source(w)
		y := &tallies[w]
		if header != nil {
			y.m, y.header = new(mutator).another(w), header
		}
		g.Go(func() error { return y.send(addr, messages/workers, next) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, one := range tallies {
		sum.sent += one.sent
		sum.fences += one.fences
		sum.answered += one.answered
	}
	return sum
}

func (y *tally) send(addr string, messages int, next func() []byte) error {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	const batch = 24 // what a socket has room for, even if each is as long as can be
	y.ids = map[uint16]int{}
	for y.sent < messages {
		for range min(batch, messages-y.sent) {
			msg := next()
			y.sent++
			if len(msg) >= 2 {
				y.ids[binary.BigEndian.Uint16(msg)] = y.sent
			}
			header := y.header
			if header != nil && y.sent%10 == 0 {
				header = badHeader
			}
			if _, err := conn.Write(y.wrap(msg, header)); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		if err := y.fence(conn); err != nil {
			return err
		}
	}
	return nil
}

// fence asks one query and reads until its answer is there.
func (y *tally) fence(conn net.Conn) error {
	const tries = 20
	query, err := live.Question(fmt.Sprintf("fence%d.hard.test", y.fences), dns.TypeA)
	if err != nil {
		return err
	}
	buf := make([]byte, dns.MaxMsgSize)
	for range tries {
		if _, err := conn.Write(y.wrap(query, y.header)); err != nil {
			return err
		}
		y.fences++
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		for {
			size, err := conn.Read(buf)
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				break // a fence was lost: the next one
			}
			if err != nil {
				return fmt.Errorf("receive: %w", err)
			}
			reply := buf[:size]
			if size >= len(query) && bytes.Equal(reply[headerSize:len(query)], query[headerSize:]) {
				return nil // this one, or one that was given up
			}
			if err := y.plausible(reply); err != nil {
				return err
			}
			y.answered++
		}
	}
	return fmt.Errorf("no answer to %d fences", tries)
}

// plausible holds a response to garbage against what any response must be.
func (y *tally) plausible(reply []byte) error {
	const late = 4096 // the node answers from several goroutines: some answers are overtaken
	if len(reply) < headerSize || reply[2]&0x80 == 0 {
		return fmt.Errorf("%x is no response", reply)
	}
	// Behind a header whose length lies a message begins elsewhere.
	if id := binary.BigEndian.Uint16(reply); y.header == nil && (y.ids[id] == 0 || y.ids[id] < y.sent-late) {
		return fmt.Errorf("%x: nobody asked with id %d", reply, id)
	}
	if len(reply) > 1232 {
		return fmt.Errorf("%d bytes over UDP", len(reply))
	}
	if err := new(dns.Msg).Unpack(reply); err != nil {
		return fmt.Errorf("%x: %w", reply, err)
	}
	return nil
}
