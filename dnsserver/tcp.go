package dnsserver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// streamTimes are the times of a stream (RFC 7766 §6.2.3).
type streamTimes struct {
	idle   time.Duration // between two queries
	secret time.Duration // the same, where it took a handshake to come here
	busy   time.Duration // the same for all, when more than half of the room is taken
	query  time.Duration // for a query that has begun; for a PROXY header; for a handshake
	write  time.Duration // for a client to take responses
	life   time.Duration // of the whole connection
	grace  time.Duration // for what is on its way when the server drains
}

var defaultTimes = streamTimes{
	idle: 10 * time.Second, secret: 30 * time.Second, busy: 2 * time.Second,
	query: 5 * time.Second, write: 5 * time.Second, life: DefaultLifetime, grace: 100 * time.Millisecond,
}

// DefaultLifetime is how long a connection lasts at most. One that asks all the time is no burden; but one
// that lasted for ever would show its client an old certificate for ever, and hold it to one node of many.
const DefaultLifetime = time.Hour

const (
	inputSize  = 4 << 10       // what is read at once; an idle stream holds no more
	maxFramed  = 2 + 1<<16 - 1 // a message with its length
	outputSize = 16 << 10      // when there are so many bytes of responses they are written, whatever else waits
)

// A framed is the input of a stream: messages, each with its length before it (RFC 1035 §4.2.2). It holds
// inputSize, or at most twice what the client has sent of a message, whatever length is claimed.
type framed struct {
	buf      []byte
	from, to int // what is read and not taken
}

// empty reports whether no message has begun.
func (f *framed) empty() bool { return f.from == f.to }

// end is where the first message ends; beyond what has been read where it is not whole.
func (f *framed) end() int {
	if f.to-f.from < 2 {
		return f.to + 1
	}
	return f.from + 2 + int(binary.BigEndian.Uint16(f.buf[f.from:]))
}

func (f *framed) whole() bool { return f.end() <= f.to }

// next takes a message that is whole; nil: there is none. It is good until the next fill.
func (f *framed) next() []byte {
	if !f.whole() {
		return nil
	}
	wire := f.buf[f.from+2 : f.end()]
	f.from = f.end()
	return wire
}

// fill reads once. The message that begins what is held is not whole.
func (f *framed) fill(r io.Reader) error {
	held, space := f.buf[f.from:f.to], f.buf
	switch {
	case len(held) == len(f.buf): // the first, or a message that is longer
		space = make([]byte, min(max(2*len(held), inputSize), maxFramed))
	case len(f.buf) > max(inputSize, 2*len(held)): // a long message has been taken
		space = make([]byte, max(2*len(held), inputSize))
	}
	if f.from > 0 || len(space) != len(f.buf) {
		copy(space, held)
	}
	n, err := r.Read(space[len(held):])
	f.buf, f.from, f.to = space, 0, len(held)+n
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// outputs are buffers for responses: a stream has one only while it answers.
var outputs = sync.Pool{New: func() any { return new([]byte) }}

// converse answers the queries of a stream until the client is done, idles, or the server drains. conn is
// what carries the messages: the stream, or TLS over it.
//
// Answers are made without waiting for anything, so the order in which queries arrive is the order in
// which their answers are ready; any other (RFC 7766 §6.2.1.1) would only delay some. Queries that came
// together are answered together, with one write. A client that does not read its responses is not read
// from, and holds up nobody else.
func (s *Server) converse(st *stream, conn net.Conn) {
	why := s.answerAll(st, conn)
	st.because(why)
	switch why {
	case endLife:
		s.farewell(st, conn)
	case endClient, endIdle, endDrain:
		_ = conn.Close() // TLS says farewell, if the client takes it
	}
	_ = st.Close() // there is nobody to tell
}

func (s *Server) answerAll(st *stream, conn net.Conn) ending {
	var in framed
	for {
		idle := s.idle(st)
		if idle <= 0 {
			return endLife
		}
		if why, ok := s.await(st, conn, &in, idle); !ok {
			return why
		}
		s.crowd.use(st)
		if why, ok := s.answerHeld(conn, &in, packet{client: st.client, via: st.via, keepalive: idle}); !ok {
			return why
		}
	}
}

// farewell ends a stream that may still be asking: what was answered arrives, since the client sees the end
// before what it asked since then is thrown away. It asks that again elsewhere (RFC 7766 §6.2.4).
func (s *Server) farewell(st *stream, conn net.Conn) {
	for _, c := range []net.Conn{conn, st.Conn} { // TLS, and what is below
		if c, ok := c.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite() // or it is gone already
		}
	}
	s.crowd.patience(st, s.times.busy)
	_, _ = io.Copy(io.Discard, st) // until it has gone as well, or its time is over
}

// idle is how long a stream may wait for its next query; not at all where it has lasted long enough.
func (s *Server) idle(st *stream) time.Duration {
	d := s.times.idle
	switch _, busy := s.crowd.by(); {
	case busy:
		d = s.times.busy
	case st.via.encrypted():
		d = s.times.secret
	}
	return min(d, time.Until(st.ends))
}

// await reads until a message is whole: its first byte within idle, all of it within the time for that.
func (s *Server) await(st *stream, conn net.Conn, in *framed, idle time.Duration) (ending, bool) {
	if in.empty() {
		s.crowd.patience(st, idle)
		if err := in.fill(conn); err != nil {
			late := endIdle
			if st.old() {
				late = endLife
			}
			return s.readEnding(err, late), false
		}
	}
	if in.whole() {
		return 0, true
	}
	s.crowd.patience(st, s.times.query)
	for !in.whole() {
		if err := in.fill(conn); err != nil {
			return s.readEnding(err, endSlowQuery), false
		}
	}
	return 0, true
}

// readEnding is why a stream ends that could not be read; late is for when it was given enough time.
func (s *Server) readEnding(err error, late ending) ending {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && s.crowd.draining():
		return endDrain
	case errors.Is(err, os.ErrDeadlineExceeded):
		return late
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return endClient
	}
	return endBroken
}

// answerHeld answers every message that is whole.
func (s *Server) answerHeld(conn net.Conn, in *framed, p packet) (ending, bool) {
	buf := outputs.Get().(*[]byte)
	defer outputs.Put(buf)
	for {
		p.wire = in.next()
		if p.wire == nil {
			return s.write(conn, buf)
		}
		reply := s.handle(p)
		if reply == nil { // what is no query has no place on a stream: who knows where the next message begins
			_, _ = s.write(conn, buf) // it is over either way
			return endNoQuery, false
		}
		*buf = append(binary.BigEndian.AppendUint16(*buf, uint16(len(reply))), reply...)
		if len(*buf) < outputSize {
			continue
		}
		if why, ok := s.write(conn, buf); !ok {
			return why, false
		}
	}
}

// write empties a buffer of responses. The client has to take them in the time for that.
func (s *Server) write(conn net.Conn, buf *[]byte) (ending, bool) {
	out := *buf
	*buf = out[:0]
	if len(out) == 0 {
		return 0, true
	}
	_ = conn.SetWriteDeadline(time.Now().Add(s.times.write)) // a closed connection shows in the write
	switch _, err := conn.Write(out); {
	case err == nil:
		return 0, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return endSlowRead, false
	}
	return endBroken, false
}
