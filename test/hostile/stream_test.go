package hostile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"vitalns/test/live"
)

// A script is what a client does with one TCP connection.
type script struct {
	chunks  [][]byte
	trickle bool // a little time passes between chunks
	end     ending
	answers int // responses that must come; the rest is up to the node
}

// An ending is how a client leaves.
type ending uint8

const (
	leave  ending = iota // closes, and has read nothing
	reset                // RST
	finish               // sends FIN, and reads to the end
	hold                 // reads until the node closes
	hoard                // asks on and never reads, until the node closes
)

// scripts are the ways in which streams are malformed, and two that only look so: they must be answered.
var scripts = map[string]func(m *mutator) script{
	"length too long": func(m *mutator) script {
		msg := m.query()
		return script{chunks: [][]byte{framedAs(msg, len(msg)+1+m.IntN(65535-len(msg)))}, end: m.ending()}
	},
	"length too short": func(m *mutator) script {
		msg := m.query()
		return script{chunks: [][]byte{framedAs(msg, m.IntN(len(msg)))}, end: m.ending()}
	},
	"empty messages": func(m *mutator) script {
		return script{chunks: [][]byte{make([]byte, m.IntN(4000))}, end: m.ending()}
	},
	"cut": func(m *mutator) script {
		msg := framed(m.query())
		return script{chunks: [][]byte{msg[:m.IntN(len(msg))]}, end: m.ending()}
	},
	"noise": func(m *mutator) script {
		return script{chunks: [][]byte{m.bytes(m.IntN(5000))}, end: m.ending()}
	},
	"mutated": func(m *mutator) script {
		var all []byte
		for range 1 + m.IntN(20) {
			all = append(all, framed(m.next())...)
		}
		return script{chunks: [][]byte{all}, end: m.ending()}
	},
	"unread": func(m *mutator) script {
		var all []byte
		for range 200 + m.IntN(300) {
			all = append(all, framed(m.query())...)
		}
		return script{chunks: [][]byte{all}, end: leave}
	},
	"another protocol": func(m *mutator) script {
		return script{chunks: [][]byte{[]byte([]string{
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "SSH-2.0-x\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c",
		}[m.IntN(4)])}, end: m.ending()}
	},
	"split": func(m *mutator) script {
		msg := framed(m.query())
		at := m.IntN(len(msg))
		return script{chunks: [][]byte{msg[:at], msg[at:]}, end: finish, answers: 1}
	},
	"trickled": func(m *mutator) script {
		s := script{trickle: true, end: finish, answers: 1}
		for msg := framed(m.query()); len(msg) > 0; {
			n := 1 + m.IntN(min(8, len(msg)))
			s.chunks, msg = append(s.chunks, msg[:n]), msg[n:]
		}
		return s
	},
}

// stalled and hoarding are scripts that the node has to end: one waits for the rest of a query, one for the
// client to take its answers.
func stalled(m *mutator) script {
	msg := framed(m.query())
	return script{chunks: [][]byte{msg[:1+m.IntN(len(msg)-1)]}, end: hold}
}

func hoarding(m *mutator) script {
	var all []byte
	for range 500 {
		all = append(all, framed(m.query())...)
	}
	return script{chunks: [][]byte{all}, end: hoard}
}

func (m *mutator) ending() ending { return []ending{leave, reset, finish}[m.IntN(3)] }

// query is a query as it is; one that is answered over TCP.
func (m *mutator) query() []byte { return slices.Clone(m.seeds[m.IntN(len(m.seeds))]) }

func framed(msg []byte) []byte { return framedAs(msg, len(msg)) }

func framedAs(msg []byte, size int) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(size)), msg...)
}

// pour plays scripts of some kinds, some dozens at a time, by some doors and from many addresses: ports of
// one would run out.
func pour(t *testing.T, n *live.Node, kinds []string, ways []door, streams int, m0 mutator) {
	t.Helper()
	const workers = 64
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error {
			m := m0.another(1000 + w)
			for i := w; i < streams; i += workers {
				kind, way := kinds[i%len(kinds)], ways[i/len(kinds)%len(ways)]
				script := scripts[kind](m)
				if way.alpn == "http/1.1" {
					script = requests(m)
				}
				if err := script.play(ctx, way, source(i), m); err != nil {
					return fmt.Errorf("%s, by %+v: %w", kind, way, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("%v; the node says:\n%s", err, n.Proc.Output())
	}
}

// stall plays scripts that the node has to end, all at once, and looks whether it says why it did.
func stall(t *testing.T, n *live.Node, ways []door, m0 mutator) {
	t.Helper()
	const stalls, hoarders = 66, 11 // each hoarder fills megabytes of the system
	var g errgroup.Group
	for i := range stalls {
		g.Go(func() error {
			m, way, script := m0.another(5000+i), ways[i%len(ways)], stalled
			if i%(stalls/hoarders) == 0 {
				script = hoarding
			}
			if err := script(m).play(t.Context(), way, source(60_000+i), m); err != nil {
				return fmt.Errorf("stalled, by %+v: %w", way, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("%v; the node says:\n%s", err, n.Proc.Output())
	}
	now := metrics(t, n)
	for _, reason := range []string{"slow_query", "slow_reader"} {
		if now.sum("vitalns_dns_tcp_connections_closed_total", fmt.Sprintf("reason=%q", reason)) == 0 {
			t.Errorf("no connection was closed because of a %s", reason)
		}
	}
}

// source is the address that a client comes from: one for a few hundred streams.
func source(i int) net.IP { return net.IPv4(127, 77, byte(i/200>>8), byte(i/200)) }

// play does what the script says. What the node has to do is answer, or close: an error says that it did
// neither.
func (s script) play(ctx context.Context, way door, from net.IP, m *mutator) error {
	c, err := way.open(ctx, from, m)
	if err != nil {
		return err
	}
	defer c.raw.Close() // without a farewell
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, chunk := range s.chunks {
		if _, err := c.Write(chunk); err != nil {
			break // the node has closed already: it may
		}
		if s.trickle {
			<-tick.C
		}
	}
	switch s.end {
	case leave:
		return nil
	case reset:
		return c.raw.SetLinger(0)
	case finish:
		c.closeWrite()
	case hoard:
		return s.hoard(c)
	}
	if !way.dns {
		_, err := io.Copy(io.Discard, c)
		return closes(err)
	}
	return s.readAll(c)
}

// hoard asks until the node does not take it any more.
func (s script) hoard(c caller) error {
	for {
		if _, err := c.Write(s.chunks[0]); err != nil {
			return closes(err)
		}
	}
}

// closes returns an error if reading, or writing, to the end did not come to one.
func closes(err error) error {
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		return fmt.Errorf("the node does not close: %w", err)
	}
	return nil // a reset is an end too
}

// readAll reads to the end. What comes must be responses.
func (s script) readAll(c io.Reader) error {
	raw, err := io.ReadAll(c)
	if err := closes(err); err != nil {
		return err
	}
	got := 0
	for len(raw) >= 2 {
		size := int(binary.BigEndian.Uint16(raw))
		if len(raw) < 2+size {
			break // a reset took the rest
		}
		reply := raw[2 : 2+size]
		if size < headerSize || reply[2]&0x80 == 0 {
			return fmt.Errorf("%x is no response", reply)
		}
		if err := new(dns.Msg).Unpack(reply); err != nil {
			return fmt.Errorf("%x: %w", reply, err)
		}
		raw = raw[2+size:]
		got++
	}
	if got < s.answers {
		return fmt.Errorf("%d answers, want %d", got, s.answers)
	}
	return nil
}
