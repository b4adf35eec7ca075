package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// watchEvery is the time between two questions to one node: it bounds how exactly a change is timed.
const watchEvery = 2 * time.Millisecond

// A watcher asks one node the same question again and again and keeps when the answer changed.
type watcher struct {
	addr string
	done chan struct{}

	mu      sync.Mutex // protects changes
	changes []change
}

// A change is an answer, and when it was first received. A node that does not answer has "".
type change struct {
	at     time.Time
	answer string
}

// newWatcher asks until ctx is done.
func newWatcher(ctx context.Context, addr, name string) *watcher {
	w := &watcher{addr: addr, done: make(chan struct{}), changes: []change{{at: time.Now()}}}
	go func() {
		defer close(w.done)
		w.run(ctx, name)
	}()
	return w
}

func (w *watcher) wait() { <-w.done }

func (w *watcher) run(ctx context.Context, name string) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	q.RecursionDesired = false
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		answer := ask(q, w.addr)
		w.mu.Lock()
		if last := w.changes[len(w.changes)-1]; last.answer != answer {
			w.changes = append(w.changes, change{time.Now(), answer})
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask returns the addresses of one answer, sorted; "" where none comes within 200 ms.
func ask(q *dns.Msg, addr string) string {
	m := q.Copy()
	m.Id = dns.Id()
	c, err := net.DialTimeout("udp", addr, time.Second)
	if err != nil {
		return ""
	}
	client := dns.Client{Timeout: 200 * time.Millisecond}
	r, _, err := client.ExchangeWithConn(m, &dns.Conn{Conn: c})
	_ = c.Close() // a question more or less
	if err != nil {
		return ""
	}
	var addrs []string
	for _, rr := range r.Answer {
		if a, ok := rr.(*dns.A); ok {
			addrs = append(addrs, a.A.String())
		}
	}
	slices.Sort(addrs)
	return strings.Join(addrs, ",")
}

// since returns the changes after t, of a node that answered.
func (w *watcher) since(t time.Time) []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := len(w.changes)
	for i > 0 && w.changes[i-1].at.After(t) {
		i--
	}
	return slices.Clone(w.changes[i:])
}

// await waits until each of the nodes answers want, and returns when each began to, after t.
func await(ctx context.Context, nodes []*demoNode, want string, within time.Duration) ([]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		times, missing := make([]time.Time, len(nodes)), ""
		for i, n := range nodes {
			n.watcher.mu.Lock()
			last := n.watcher.changes[len(n.watcher.changes)-1]
			n.watcher.mu.Unlock()
			if last.answer != want {
				missing = fmt.Sprintf("%s answers %q, not %q", n.name, last.answer, want)
			}
			times[i] = last.at
		}
		if missing == "" {
			return times, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("after %s %s", within, missing)
		}
	}
}
