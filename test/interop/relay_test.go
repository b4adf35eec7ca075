package interop

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
)

// A relay passes on what is sent to its address, over UDP and TCP, to a server, and the responses back, and
// keeps all of it: what a tool asks of itself is known only so.
type relay struct {
	addr, to string
	udp      net.PacketConn
	tcp      net.Listener
	serving  sync.WaitGroup

	mu   sync.Mutex // protects seen
	seen []exchange
}

// An exchange is a message and what came back; a nil response is silence.
type exchange struct {
	question
	response []byte
}

// silence is how long a relay waits for a response: a server on loopback that has one does not take as long,
// and dig waits longer.
const silence = 2 * time.Second

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	addr, err := live.Address("")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: addr, to: to}
	if r.tcp, err = live.Listen(addr); err != nil {
		t.Fatal(err)
	}
	if r.udp, err = net.ListenPacket("udp", addr); err != nil {
		_ = r.tcp.Close()
		t.Fatal(err)
	}
	r.serving.Go(r.packets)
	r.serving.Go(r.streams)
	t.Cleanup(func() { r.close() })
	return r
}

// close ends the relay, once whatever it has begun is done, and returns all that passed it.
func (r *relay) close() []exchange {
	_ = r.udp.Close() // ends who reads them, or they are closed already
	_ = r.tcp.Close()
	r.serving.Wait()
	return r.seen
}

func (r *relay) keep(via way, query, response []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, exchange{question{"dig", via, query}, response})
}

func (r *relay) packets() {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := r.udp.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		query := append([]byte(nil), buf[:n]...)
		r.serving.Go(func() {
			response := r.ask(query)
			r.keep(udp, query, response)
			if response != nil {
				_, _ = r.udp.WriteTo(response, from) // dig asks again
			}
		})
	}
}

// ask asks the server over UDP; nil is silence.
func (r *relay) ask(query []byte) []byte {
	conn, err := net.Dial("udp", r.to)
	if err != nil {
		return nil
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(silence)) // of an open socket
	buf := make([]byte, dns.MaxMsgSize)
	if _, err := conn.Write(query); err != nil {
		return nil
	}
	n, err := conn.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

func (r *relay) streams() {
	for {
		conn, err := r.tcp.Accept()
		if err != nil {
			return // closed
		}
		r.serving.Go(func() {
			defer conn.Close()
			r.stream(conn)
		})
	}
}

// stream passes on one query after the other until either side ends the connection.
func (r *relay) stream(client net.Conn) {
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		_ = client.SetDeadline(time.Now().Add(silence)) // of open connections
		query, err := readFramed(client)
		if err != nil {
			return
		}
		_ = server.SetDeadline(time.Now().Add(silence))
		var response []byte
		if err = writeFramed(server, query); err == nil {
			response, err = readFramed(server)
		}
		if err != nil {
			r.keep(stream, query, nil)
			return
		}
		r.keep(stream, query, response)
		if err := writeFramed(client, response); err != nil {
			return
		}
	}
}

func writeFramed(w io.Writer, msg []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
	return err
}
