package gossip

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 5 * time.Second // two halves of a partition find each other within it and one dial
	tries      = 3               // addresses tried side by side: one of the other half is enough
	// An address that answers, again and again, and that no member has is left alone for a while: it is
	// a node that tells its peers another address, or one of our own name. More than one answer is
	// needed after a partition, as each side first has to refute that it is dead.
	answersEnough = 4
	settled       = time.Minute
	// announceEvery is the pause between exchanges with a member: to announce ourselves while another
	// node has our name, or to be told of nodes that only it knows.
	announceEvery = 2 * time.Second
	// Join addresses given by name are looked up again this often, and whenever that failed.
	resolveEvery   = 30 * time.Second
	resolveTimeout = 2 * time.Second
)

// A joiner knows where to look for members.
type joiner struct {
	names    []hostPort // of the configuration, those that are no addresses
	fixed    []string   // those that are
	resolved time.Time

	mu    sync.Mutex // protects the fields below
	addrs []string   // all, as addresses
	own   int        // names that stand for this node
}

// A hostPort is a join address given by name. It stands for this node if one of the addresses it had last is
// ours, and there is one of a family: a name of many addresses stands for many nodes.
type hostPort struct {
	host, port string
	own        bool
}

func newJoiner(join []string, self string) (*joiner, error) {
	j := &joiner{}
	for _, s := range join {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			return nil, err
		}
		if ap, err := netip.ParseAddrPort(s); err == nil {
			if addr := ap.String(); addr != self && !slices.Contains(j.fixed, addr) {
				j.fixed = append(j.fixed, addr)
			}
			continue
		}
		j.names = append(j.names, hostPort{host: host, port: port})
	}
	j.addrs = j.fixed
	return j, nil
}

func (j *joiner) list() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.addrs
}

// resolve looks the names up when it is time to, and says of each that could not be looked up why. What a name had is
// kept meanwhile.
func (j *joiner) resolve(ctx context.Context, self string, now time.Time) (failed []string) {
	if len(j.names) == 0 || !j.resolved.IsZero() && now.Sub(j.resolved) < resolveEvery {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs := slices.Clone(j.fixed)
	for i, n := range j.names {
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", n.host)
		if err != nil {
			failed = append(failed, lookupProblem(n.host, err))
			continue
		}
		found := make([]string, 0, len(ips))
		v4 := 0
		for _, ip := range ips {
			if ip = ip.Unmap(); ip.Is4() {
				v4++
			}
			addr := net.JoinHostPort(ip.String(), n.port)
			found = append(found, addr)
			if addr != self && !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
		j.names[i].own = max(v4, len(ips)-v4) == 1 && slices.Contains(found, self)
	}
	if failed != nil {
		for _, addr := range j.list() {
			if !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	} else {
		j.resolved = now
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.addrs, j.own = addrs, 0
	for _, n := range j.names {
		if n.own {
			j.own++
		}
	}
	return failed
}

// JoinsSelf returns how many names among the addresses to join have turned out to be this node's own.
func (m *Mesh) JoinsSelf() int {
	m.join.mu.Lock()
	defer m.join.mu.Unlock()
	return m.join.own
}

// joinLoop exchanges states with every address to join that no member has and every member that failed,
// for as long as ctx lasts: memberlist forgets the dead, and two halves of a long partition would never
// find each other again. Until its name is settled a node asks everyone it knows of; one that knows nobody
// has it for itself.
func (m *Mesh) joinLoop(ctx context.Context) {
	rng := rand.New(rand.NewPCG(m.cfg.Seed, 1))
	answers := make(map[string]int) // by address that answered and is still absent
	var last time.Time              // when answers began to count
	backoff := minBackoff
	unknown := "" // the names among the addresses to join that were last not found
	for {
		now := time.Now()
		failed := m.join.resolve(ctx, m.Addr(), now)
		if text := strings.Join(failed, ", "); text != unknown && ctx.Err() == nil { // it is tried again and again, and said when it changes
			if unknown = text; text != "" {
				m.note(slog.LevelWarn, "cannot look up what to join, trying on", "cause", text)
			}
		}
		absent := m.peers.absent(m.join.list())
		if now.Sub(last) > settled || len(absent) == 0 {
			clear(answers)
			last = now
		}
		var addrs []string
		if m.named() {
			addrs = slices.DeleteFunc(absent, func(a string) bool { return answers[a] >= answersEnough })
		} else {
			addrs = append(absent, m.peers.present()...)
		}
		rng.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		addrs = addrs[:min(len(addrs), tries)]
		wait := time.Duration(0)
		switch {
		case len(addrs) > 0:
		case m.named():
			addrs, wait = m.announce(now)
		case failed == nil:
			m.claimName()
		}
		answered := m.exchange(addrs)
		for _, addr := range answered {
			answers[addr]++
		}
		if !m.named() && now.Sub(m.started) >= unanswered && len(m.peers.namesakes(now.Add(-unanswered))) == 0 {
			m.claimName()
		}
		if len(addrs) == 0 || len(answered) > 0 || !m.named() {
			backoff = minBackoff
		} else {
			backoff = min(2*backoff, maxBackoff)
		}
		if !pause(ctx, wait+backoff-time.Duration(rng.Int64N(int64(backoff/4)))) {
			return
		}
	}
}

// announce returns a member to exchange with although all are there, if there is a reason, and how long to
// wait afterwards.
func (m *Mesh) announce(now time.Time) (addrs []string, wait time.Duration) {
	addr, ok := m.peers.introduce()
	if !ok {
		addr, ok = m.peers.rival(now)
	}
	if !ok {
		return nil, 0
	}
	return []string{addr}, announceEvery
}

// exchange joins addresses side by side and returns those that answered. The first answer may settle our name:
// an address where nobody answers is not waited for.
func (m *Mesh) exchange(addrs []string) (answered []string) {
	type result struct {
		addr string
		err  error
	}
	since := time.Now()
	results := make(chan result, len(addrs))
	for _, addr := range addrs {
		go func() {
			_, err := m.list.Join([]string{addr})
			results <- result{addr, err}
		}()
	}
	for range addrs {
		r := <-results
		addr := r.addr
		if r.err == nil {
			m.counts.joins.Add(1)
			m.peers.forgive(addr)
			answered = append(answered, addr)
			if !m.named() {
				m.settleName(since)
			}
			continue
		}
		m.counts.joinFailures.Add(1)
		cause := joinProblem(r.err)
		if m.peers.blame(addr, problem{text: cause, at: time.Now(), join: true}) {
			m.note(slog.LevelWarn, "cannot join", "addr", addr, "cause", cause)
		}
	}
	return answered
}

// pause waits for d and reports whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
