//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	pools = 10_000
	words = 100 // of an operator, each on another pool: a choice that was just made stands for a while
	// mustFlat is how much longer a change may take among all names than among few; 5 % would be noise of
	// a quiet machine, and this is a path through HTTP.
	mustFlat = 1.5
)

// verdicts measures the time from an operator's word on a target to the changed answer on the wire: the way
// of a verdict from the loop on, beside a thousand names and beside all of them.
func (b *bench) verdicts(ctx context.Context) error {
	few, err := b.write("few.zone", 1000)
	if err != nil {
		return err
	}
	var p50 []time.Duration
	for _, c := range []struct {
		zone  string
		names int
	}{{few, 1000}, {b.zone, b.names}} {
		all, err := b.change(ctx, c.zone)
		if err != nil {
			return err
		}
		p50 = append(p50, median(all))
		fmt.Printf("  word to changed answer beside %d names and %d pools: p50 %v, p90 %v\n", c.names, pools,
			median(all).Round(time.Microsecond), all[len(all)*9/10].Round(time.Microsecond))
	}
	ratio := float64(p50[1]) / float64(p50[0])
	fmt.Printf("    flat in names: %.2f x: %s\n", ratio, b.must(ratio <= mustFlat, "%.2f x as long to change an answer", ratio))
	return nil
}

// change returns how long each change took, in ascending order.
func (b *bench) change(ctx context.Context, zone string) (took []time.Duration, err error) {
	s := servers[0]
	var text strings.Builder
	text.WriteString(s.files["zone.toml"])
	for i := range pools {
		fmt.Fprintf(&text, "[pools.p%d]\npolicy = \"failover\"\ntargets = [{ name = \"a\", address = \"192.0.2.1\" }, { name = \"b\", address = \"192.0.2.2\", priority = 1 }]\n[records.p%d]\npool = \"p%d\"\n", i, i, i)
	}
	s.files = map[string]string{"node.toml": s.files["node.toml"], "zone.toml": text.String()}
	r, err := b.start(ctx, s, zone, fmt.Sprintf("p%d.%s", pools-1, origin))
	if err != nil {
		return nil, err
	}
	if _, _, err := r.rest(ctx); err != nil {
		return nil, err
	}
	for i := range words {
		one, err := r.changed(ctx, i*(pools/words), "192.0.2.2")
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	slices.Sort(took)
	return took, r.Kill()
}

// changed says that the first target of a pool is down, and asks until the answer is the other.
func (r *running) changed(ctx context.Context, pool int, want string) (time.Duration, error) {
	conn, err := dns.DialTimeout("udp", r.addr, patience)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	ask := new(dns.Msg).SetQuestion(fmt.Sprintf("p%d.%s", pool, origin), dns.TypeA)
	said := make(chan error, 1)
	began := time.Now()
	go func() {
		said <- r.post(ctx, "/api/v1/overrides", fmt.Sprintf(`{"target": "%sp%d/a", "state": "down", "reason": "bench"}`, strings.TrimSuffix(origin, ".")+"/", pool))
	}()
	for {
		if err := conn.WriteMsg(ask); err != nil {
			return 0, errors.Join(err, <-said)
		}
		m, err := conn.ReadMsg()
		if err != nil {
			return 0, errors.Join(err, <-said)
		}
		if len(m.Answer) == 1 && m.Answer[0].(*dns.A).A.String() == want {
			return time.Since(began), <-said
		}
		select {
		case err := <-said:
			if err != nil {
				return 0, err
			}
			said <- nil
		default:
		}
	}
}
