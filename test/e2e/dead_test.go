package e2e

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vitalns/test/live"
)

// patient lets a machine that is busy with other things misjudge nothing: a target fails over because it is
// down, and for no other reason.
const patient = `interval      = "1s"
timeout       = "1s"
fast_interval = "100ms"
fall          = 2
rise          = 1`

// An outage is when a target refused connections: from the moment it certainly did, to the moment before
// it no longer did.
type outage struct {
	target   netip.Addr
	from, to time.Time
}

// Once a node's answer has changed, the dead address is never served again until it is up: 100,000 queries
// at 5,000 a second to three nodes, while targets flap. A query that was sent after the changed answer had
// come must not name it.
func TestDeadAddressIsNeverServed(t *testing.T) {
	total, rate := 100_000, 5_000
	if testing.Short() {
		total = 20_000
	}
	bs := backends(t, 4)
	nodes := cluster(t, open(t), 3, zone(bs, patient, `failback = "auto"`))
	answers(t, nodes, names[0], ips(bs)...)
	answers(t, nodes, names[1], bs[0].ip())

	ctx, stop := context.WithCancel(t.Context())
	var flapping, flooding errgroup.Group
	var outages []outage
	flapping.Go(func() error { outages = flap(ctx, t, nodes, bs); return nil })
	floods := make([]*flood, len(nodes))
	for i, n := range nodes {
		floods[i] = &flood{addr: n.DNS, rate: rate / len(nodes), total: total/len(nodes) + 1}
		flooding.Go(func() error { floods[i].run(ctx, t); return nil })
	}
	_ = flooding.Wait() // gives no error
	stop()
	_ = flapping.Wait() // as above

	if len(outages) < 4 {
		t.Errorf("only %d outages", len(outages))
	}
	replies := 0
	for i, f := range floods {
		replies += len(f.replies)
		for k := range names {
			for _, o := range outages {
				f.check(t, nodes[i].Name, k, o)
			}
		}
	}
	if asked := len(floods) * len(floods[0].sent); replies < asked*95/100 {
		t.Errorf("%d replies to %d queries", replies, asked)
	}
	took := floods[0].sent[len(floods[0].sent)-1].Sub(floods[0].sent[0])
	t.Logf("%d replies in %.1f s (%.0f a second), %d outages", replies, took.Seconds(), float64(replies)/took.Seconds(), len(outages))
}

func ips(bs []*backend) []netip.Addr {
	var out []netip.Addr
	for _, b := range bs {
		out = append(out, b.ip())
	}
	return out
}

// flap takes one target after the other down and up again, each once all nodes have noticed, until ctx is
// done.
func flap(ctx context.Context, t *testing.T, nodes []*live.Node, bs []*backend) (outages []outage) {
	polling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	defer func() { stop(); _ = g.Wait() }() // gives no error
	var polls []*live.Poll
	for _, n := range nodes {
		p, err := live.NewPoll(n.DNS, names[0], 10*time.Millisecond)
		if err != nil {
			t.Error(err)
			return nil
		}
		g.Go(func() error { return p.Run(polling) })
		polls = append(polls, p)
	}
	all := func(after time.Time, want func([]netip.Addr) bool) bool {
		waiting, cancel := context.WithTimeout(polling, patience)
		defer cancel()
		for _, p := range polls {
			if _, err := p.Await(waiting, after, want); err != nil {
				t.Error(err)
				return false
			}
		}
		return true
	}
	for i := 0; ctx.Err() == nil; i++ {
		b := bs[i%len(bs)]
		b.close(t)
		o := outage{target: b.ip(), from: time.Now()}
		gone := all(o.from, func(addrs []netip.Addr) bool { return len(addrs) > 0 && !slices.Contains(addrs, b.ip()) })
		pause(ctx, rand.N(300*time.Millisecond))
		o.to = time.Now()
		b.open(t)
		outages = append(outages, o)
		if !gone || !all(o.to, func(addrs []netip.Addr) bool { return len(addrs) == len(bs) }) {
			return outages
		}
		pause(ctx, rand.N(300*time.Millisecond))
	}
	return outages
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// check holds the replies about one name against one outage.
func (f *flood) check(t *testing.T, node string, name int, o outage) {
	t.Helper()
	var changed time.Time // when the first reply without the dead address came
	bad := 0
	for _, r := range f.replies {
		if r.query%2 != name || r.at.Before(o.from) || r.at.After(o.to) {
			continue
		}
		dead := slices.Contains(r.addrs, o.target)
		if !dead && changed.IsZero() {
			changed = r.at
		}
		if dead && !changed.IsZero() && f.sent[r.query].After(changed) {
			if bad == 0 {
				t.Errorf("%s answered %s with %v, down for %s, %s after it had left %s out",
					node, names[name], r.addrs, r.at.Sub(o.from), r.at.Sub(changed), o.target)
			}
			bad++
		}
	}
	if bad > 1 {
		t.Errorf("%s: %d such answers", node, bad)
	}
}
