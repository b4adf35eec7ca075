package hostile

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vitalns/test/live"
)

// A manner is what a crowd does with its connections.
type manner string

const (
	idle    manner = "idle"    // says nothing, and comes back some seconds after the node closes
	trickle manner = "trickle" // the same, and sends one byte a second of a query that never ends
	storm   manner = "storm"   // leaves as soon as it is in, and comes back soon
	many    manner = "many"    // as idle, but each of its members is another client
)

var manners = []manner{idle, trickle, storm, many}

// A crowd is one client with many TCP connections, in a process of its own.
type crowd struct{ proc *live.Process }

// gather starts a crowd and waits until each of its members has tried to connect.
func gather(t *testing.T, s *live.Stage, n *live.Node, m manner, members int) crowd {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	const more = 200 // descriptors that a process has besides
	if limit.Max < uint64(members+more) {
		t.Skipf("%d connections need a limit of %d open files (ulimit -Hn), and it is %d", members, members+more, limit.Max)
	}
	proc, err := s.Start(os.Args[0], beCrowd, string(m), n.DNS, strconv.Itoa(members))
	if err != nil {
		t.Fatal(err)
	}
	live.Eventually(t, patience, func() string {
		select {
		case <-proc.Done():
			t.Fatalf("the crowd ended:\n%s", proc.Output())
		default:
		}
		var tried int
		if out := proc.Output(); !lastLine(out, "tried %d", &tried) || tried < members {
			return "the crowd is not there:\n" + out
		}
		return ""
	})
	return crowd{proc}
}

// leave ends the crowd: the kernel closes what it holds. It returns how many connections were held at last,
// and how many were made in all.
func (c crowd) leave(t *testing.T) (held, made int) {
	t.Helper()
	if err := c.proc.Kill(); err != nil {
		t.Error(err)
	}
	if out := c.proc.Output(); !lastLine(out, "tried %d held %d made %d", new(int), &held, &made) {
		t.Errorf("the crowd says:\n%s", out)
	}
	return held, made
}

// lastLine reads the last whole line of a text that has a form.
func lastLine(text, form string, into ...any) (found bool) {
	for line := range strings.Lines(text) {
		if _, err := fmt.Sscanf(line, form, into...); err == nil {
			found = true
		}
	}
	return found
}

// beCrowd as the first argument makes a crowd of this program.
const beCrowd = "be-a-crowd"

// crowdMain is the process of a crowd: its arguments are the manner, the node's address and how many.
func crowdMain(args []string) int {
	members, err := strconv.Atoi(args[2])
	if err != nil {
		fmt.Println(err)
		return 2
	}
	h := horde{manner: manner(args[0]), addr: args[1]}
	if h.manner == storm {
		members = min(members, stormers)
	}
	for i := range members {
		from := net.IPv4(127, 66, 0, 1)
		if h.manner == many {
			from = net.IPv4(127, 66, byte(1+i>>8), byte(i))
		}
		go h.member(from) // ends with the process
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for { // until it is killed
		<-tick.C
		fmt.Printf("tried %d held %d made %d\n", h.tried.Load(), h.held.Load(), h.made.Load())
	}
}

// A storm is of so many that come so often each: 2000 connections a second. More would be a test of who gets
// the processor.
const (
	stormers  = 64
	stormEach = 32 * time.Millisecond
)

// A horde is what a crowd is inside its process.
type horde struct {
	manner            manner
	addr              string
	tried, held, made atomic.Int64
}

// member connects from an address, again and again.
func (h *horde) member(from net.IP) {
	const comesBack = 10 * time.Second
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	for first := true; ; first = false {
		conn, err := d.Dial("tcp", h.addr)
		if first || h.manner == storm {
			h.tried.Add(1)
		}
		if err == nil {
			h.made.Add(1)
			h.held.Add(1)
			h.stay(conn.(*net.TCPConn))
			h.held.Add(-1)
		}
		back := comesBack
		if h.manner == storm && err == nil {
			back = stormEach
		}
		<-time.After(back/2 + rand.N(back))
	}
}

// stay holds one connection until the node closes it.
func (h *horde) stay(c *net.TCPConn) {
	defer c.Close()
	_ = c.SetLinger(0) // no port waits for what may still come
	switch h.manner {
	case storm:
		return
	case trickle:
		go func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for range tick.C {
				if _, err := c.Write([]byte{1}); err != nil {
					return
				}
			}
		}()
	}
	_, _ = io.Copy(io.Discard, c) // ends when the node closes
}
