package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Addresses returns what a response names, sorted, and the response's id. It fails for what is no response, or
// an rcode other than NOERROR.
func Addresses(raw []byte) (id uint16, addrs []netip.Addr, err error) {
	var m dns.Msg
	if err := m.Unpack(raw); err != nil {
		return 0, nil, err
	}
	if m.Rcode != dns.RcodeSuccess {
		return m.Id, nil, fmt.Errorf("rcode %s", dns.RcodeToString[m.Rcode])
	}
	for _, rr := range m.Answer {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			continue
		}
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return m.Id, addrs, nil
}

// Question returns a packed query; its id, the first two bytes, is 0.
func Question(qname string, qtype uint16) ([]byte, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(qname), qtype)
	m.Id, m.RecursionDesired = 0, false
	return m.Pack()
}

// A Change is an answer and when it was first received. Nil addresses: none has come yet.
type Change struct {
	At    time.Time
	Addrs []netip.Addr
}

// A Poll asks one server the same question at a fixed pace, whether or not it answers, and keeps when the
// addresses in the answers changed.
type Poll struct {
	conn  net.Conn
	query []byte
	every time.Duration
	sent  atomic.Uint64

	mu      sync.Mutex // protects changes
	changes []Change
	news    chan struct{} // has room for one; signals a change
}

// NewPoll opens a socket for a Poll; Run asks, and closes it.
func NewPoll(addr, qname string, every time.Duration) (*Poll, error) {
	query, err := Question(qname, dns.TypeA)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return nil, err
	}
	return &Poll{conn: conn, query: query, every: every, changes: []Change{{}}, news: make(chan struct{}, 1)}, nil
}

// Run asks until ctx is done.
func (p *Poll) Run(ctx context.Context) error {
	heard := make(chan struct{})
	go func() { defer close(heard); p.hear() }()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		binary.BigEndian.PutUint16(p.query, uint16(p.sent.Add(1)))
		_, _ = p.conn.Write(p.query) // nobody listens there at present: that is for the caller to see
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	_ = p.conn.Close() // ends hear
	<-heard
	return nil
}

// hear reads until the socket is closed.
func (p *Poll) hear() {
	buf := make([]byte, 4096)
	for {
		n, err := p.conn.Read(buf)
		now := time.Now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // refused: nobody listens there at present
		}
		_, addrs, err := Addresses(buf[:n])
		if err != nil {
			continue
		}
		p.mu.Lock()
		last := p.changes[len(p.changes)-1]
		changed := last.At.IsZero() || !slices.Equal(last.Addrs, addrs)
		if changed {
			p.changes = append(p.changes, Change{now, addrs})
		}
		p.mu.Unlock()
		if changed {
			select {
			case p.news <- struct{}{}:
			default: // who waits looks at everything anyway
			}
		}
	}
}

// Last is the answer at present.
func (p *Poll) Last() Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes[len(p.changes)-1]
}

// Forget drops all changes but the last: a long run keeps no more than it looks at.
func (p *Poll) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = slices.Clone(p.changes[len(p.changes)-1:])
}

// Await waits for an answer that is as wanted and was first received after a moment, and returns when.
func (p *Poll) Await(ctx context.Context, after time.Time, want func([]netip.Addr) bool) (time.Time, error) {
	for {
		p.mu.Lock()
		for _, c := range p.changes {
			if c.At.After(after) && want(c.Addrs) {
				p.mu.Unlock()
				return c.At, nil
			}
		}
		last := p.changes[len(p.changes)-1]
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%s answers %s: %w", p.conn.RemoteAddr(), list(last.Addrs), ctx.Err())
		}
	}
}

func list(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "nothing"
	}
	s := make([]string, len(addrs))
	for i, a := range addrs {
		s[i] = a.String()
	}
	return strings.Join(s, ",")
}
