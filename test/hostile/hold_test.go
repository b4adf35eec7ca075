package hostile

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/bench/stat"
	"vitalns/test/live"
)

// otherAddress is where the client comes from that the crowd is not to harm.
var otherAddress = net.IPv4(127, 55, 0, 1)

// A client asks one question again and again, in one way.
type client struct {
	name string
	open func(addr string) (net.Conn, error)
	once bool // a connection for each question
}

var clients = []client{
	{"UDP", dial("udp"), false},
	{"TCP, one connection", dial("tcp"), false},
	{"TCP, a connection each", dial("tcp"), true},
}

func dial(network string) func(addr string) (net.Conn, error) {
	return func(addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: otherAddress}}
		if network == "udp" {
			d.LocalAddr = &net.UDPAddr{IP: otherAddress}
		}
		return d.Dial(network, addr)
	}
}

// ask asks a number of times, at a pace that leaves the node idle between, and returns how long each answer
// took, in order of length. A question without an answer is an error.
func (c client) ask(addr string, times int) ([]time.Duration, error) {
	query, err := live.Question("mail.hard.test", dns.TypeA)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var conn net.Conn
	var took []time.Duration
	for i := range times {
		<-tick.C
		start := time.Now()
		if conn == nil {
			if conn, err = c.open(addr); err != nil {
				return nil, fmt.Errorf("%s, question %d: %w", c.name, i, err)
			}
		}
		binary.BigEndian.PutUint16(query, uint16(i))
		if err := exchange(conn, query); err != nil {
			return nil, fmt.Errorf("%s, question %d: %w", c.name, i, err)
		}
		took = append(took, time.Since(start))
		if c.once {
			_ = conn.(*net.TCPConn).SetLinger(0) // no port waits
			if err := conn.Close(); err != nil {
				return nil, err
			}
			conn = nil
		}
	}
	if conn != nil {
		_ = conn.Close() // nothing is under way
	}
	slices.Sort(took)
	return took, nil
}

// exchange sends a query and reads its answer.
func exchange(conn net.Conn, query []byte) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	buf := make([]byte, dns.MaxMsgSize)
	if _, stream := conn.(*net.TCPConn); !stream {
		if _, err := conn.Write(query); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		return answers(buf[:n], query)
	}
	if _, err := conn.Write(framed(query)); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, buf[:2]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint16(buf)
	if _, err := io.ReadFull(conn, buf[:n]); err != nil {
		return err
	}
	return answers(buf[:n], query)
}

// answers reports what is wrong with the answer to a query.
func answers(reply, query []byte) error {
	if len(reply) < headerSize || binary.BigEndian.Uint16(reply) != binary.BigEndian.Uint16(query) {
		return fmt.Errorf("%x does not answer %x", reply, query)
	}
	if _, addrs, err := live.Addresses(reply); err != nil || len(addrs) != 1 {
		return fmt.Errorf("answered with %v: %v", addrs, err)
	}
	return nil
}

// A crowd has more TCP connections than the node has room for, in every manner. Others are answered
// meanwhile, over UDP and TCP, every time; what the node refused is counted, and it recovers.
func TestCrowd(t *testing.T) {
	for _, m := range manners {
		t.Run(string(m), func(t *testing.T) {
			members := 1500
			if m == many {
				members = 5000 // more than there may be in all
			}
			s, n := newNode(t)
			start(t, n, n.Start)
			othersAreAnswered(t, s, n, m, members)
		})
	}
}

// The same, where the system lets the node have hardly more descriptors than it needs for itself.
func TestFewDescriptors(t *testing.T) {
	const descriptors = 100
	s, n := newNode(t)
	start(t, n, func() (err error) {
		n.Proc, err = s.Start("/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" run -c "$1"`, descriptors), program, n.File)
		return err
	})
	othersAreAnswered(t, s, n, many, 500)
}

func othersAreAnswered(t *testing.T, s *live.Stage, n *live.Node, m manner, members int) {
	t.Helper()
	const questions = 60
	then, memory := metrics(t, n), rss(t, n)
	c := gather(t, s, n, m, members)
	for _, client := range clients {
		if _, err := client.ask(n.DNS, questions); err != nil {
			t.Errorf("while there is a crowd: %v", err)
		}
	}
	held, made := c.leave(t)
	now := metrics(t, n)
	refused := now.sum("vitalns_dns_tcp_connections_closed_total", `reason="client_limit"`) + now.sum("vitalns_dns_tcp_connections_closed_total", `reason="overload"`)
	if m != storm && refused == 0 {
		t.Error("no connection was counted as refused")
	}
	t.Logf("%d connections made, %d held at the end, %.0f refused; memory %s, %s before", made, held, refused, mib(rss(t, n)), mib(memory))
	if panics := now.sum("vitalns_panics_total"); panics != 0 {
		t.Errorf("%.0f panics:\n%s", panics, n.Proc.Output())
	}
	live.Eventually(t, patience, func() string { return stays(metrics(t, n), then) })
}

// A crowd has 10,000 TCP connections. Another's answers take no longer than twice as long, in the middle and
// at the 90th percentile. Each run with the crowd is held against those without before and after it, since
// what else the machine does changes; the median of these ratios counts. A crowd that comes and goes keeps
// the processors busy by itself, here on the same machine: its runs are held against those in which it is
// another node that it comes to.
func TestCrowdLatency(t *testing.T) {
	if !soak() {
		t.Skip("VITALNS_SOAK=1 runs it: it takes minutes, and wants a quiet machine")
	}
	const rounds = 5
	for _, m := range manners {
		t.Run(string(m), func(t *testing.T) {
			s, n := newNode(t)
			start(t, n, n.Start)
			others, other := newNode(t)
			start(t, other, other.Start)
			without, elsewhere, with := []figures{measure(t, n)}, []figures(nil), []figures(nil)
			comesAndGoes := m == storm || m == many
			if comesAndGoes {
				elsewhere = append(elsewhere, crowded(t, others, other, n, m))
			}
			for range rounds {
				with = append(with, crowded(t, s, n, n, m))
				without = append(without, measure(t, n))
				if comesAndGoes {
					elsewhere = append(elsewhere, crowded(t, others, other, n, m))
				}
			}
			for i, client := range clients {
				for _, q := range []struct {
					name string
					of   func(figures) time.Duration
				}{{"p50", func(f figures) time.Duration { return f[i].p50 }}, {"p90", func(f figures) time.Duration { return f[i].p90 }}} {
					what := client.name + ", " + q.name
					compare(t, what, "without", without, with, q.of, !comesAndGoes)
					if comesAndGoes {
						compare(t, what, "elsewhere", elsewhere, with, q.of, true)
					}
				}
			}
		})
	}
}

// crowded measures a node while a crowd is at a node, that one or another.
func crowded(t *testing.T, s *live.Stage, at, of *live.Node, m manner) figures {
	t.Helper()
	const members = 10_000
	c := gather(t, s, at, m, members)
	f := measure(t, of)
	now := metrics(t, at)
	held, made := c.leave(t)
	if at == of {
		t.Logf("%d connections made, %d held at the end, %.0f at the node, memory %s", made, held, now.sum("vitalns_dns_tcp_connections"), mib(rss(t, at)))
	}
	return f
}

// compare holds one figure of the runs with a crowd against that of the runs before and after each.
func compare(t *testing.T, what, than string, base, with []figures, of func(figures) time.Duration, strict bool) {
	t.Helper()
	const noise = 200 * time.Microsecond // less than this more is nobody's loss, and any scheduler's whim
	var was, is, ratios, more []float64
	for i, f := range with {
		b, c := float64(of(base[i])+of(base[i+1]))/2, float64(of(f))
		was, is, ratios, more = append(was, b), append(is, c), append(ratios, c/b), append(more, c-b)
	}
	t.Logf("%-27s %8s with the crowd, %8s %s: %.2f times", what, time.Duration(stat.Median(is)).Round(time.Microsecond), time.Duration(stat.Median(was)).Round(time.Microsecond), than, stat.Median(ratios))
	if strict && stat.Median(ratios) > 2 && stat.Median(more) > float64(noise) {
		t.Errorf("%s: %.2f times as long", what, stat.Median(ratios))
	}
}

// Figures are what each client measured.
type figures [3]struct{ p50, p90 time.Duration }

func measure(t *testing.T, n *live.Node) (r figures) {
	t.Helper()
	const questions = 500
	for i, client := range clients {
		took, err := client.ask(n.DNS, questions)
		if err != nil {
			t.Fatalf("not answered: %v", err)
		}
		r[i].p50, r[i].p90 = took[len(took)/2], took[len(took)*9/10]
	}
	return r
}
