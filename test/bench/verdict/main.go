// Command verdict measures the time from a verdict to the changed answer on the wire: a node with 10,000
// pools under tcp checks, and beside them a thousand static names, a hundred thousand and a million. A client
// asks for the name of a pool as fast as it is answered while the pool's target goes down.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/bench/stat"
	"vitalns/test/live"
)

// What the issue of the fastest server asks for.
const (
	mustP50 = 200 * time.Microsecond
	mustP90 = time.Millisecond
	// mustFlat is how much longer the median may be among the most names than among the fewest: 5 % would be
	// noise on a quiet machine, and this is one of processes that share it.
	mustFlat = 1.5
)

// patience is how long anything may take.
const patience = time.Minute

func main() {
	binary := flag.String("vitalns", "./vitalns", "the binary to measure")
	most := flag.Int("names", 1_000_000, "names beside the pools, at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *binary, *most)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-verdict:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, most int) (err error) {
	stage, err := live.Open(binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	ts, err := openTargets()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ts.Close()) }()
	load, _ := os.ReadFile("/proc/loadavg") // for people who wonder
	fmt.Printf("%d pools, each with a target that is checked, %d of which go down; %d CPUs, %s, load %s\n", pools, watched, runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(load)))
	fmt.Printf("%-10s %-42s %s\n", "", "from the verdict: p50, p90, max", "from the target's response that decides: p50, p90, max")
	var sizes []took
	for names := 1000; names <= most; names *= 10 {
		if names == 10_000 {
			continue
		}
		t, err := measure(ctx, stage, ts, names)
		if err != nil {
			return fmt.Errorf("beside %d names: %w", names, err)
		}
		fmt.Printf("%-10d %-42s %s\n", names, draw(t.verdict), draw(t.response))
		sizes = append(sizes, t)
	}
	return judge(sizes)
}

// took is how long changes took, in ascending order: since the node reached the verdict, and since the target
// responded for the first time as it does when it is down.
type took struct{ verdict, response []time.Duration }

func draw(all []time.Duration) string {
	return fmt.Sprintf("%v, %v, %v", stat.At(all, 0.5).Round(time.Microsecond), stat.At(all, 0.9).Round(time.Microsecond), stat.At(all, 1).Round(time.Microsecond))
}

// judge says which values were reached.
func judge(sizes []took) error {
	if len(sizes) == 0 {
		return errors.New("there are no fewer than 1000 names to measure")
	}
	last := sizes[len(sizes)-1].verdict
	flat := float64(stat.At(last, 0.5)) / float64(stat.At(sizes[0].verdict, 0.5))
	var missed []string
	for _, m := range []struct {
		title string
		ok    bool
	}{
		{fmt.Sprintf("p50 %v, must be <= %v", stat.At(last, 0.5).Round(time.Microsecond), mustP50), stat.At(last, 0.5) <= mustP50},
		{fmt.Sprintf("p90 %v, must be <= %v", stat.At(last, 0.9).Round(time.Microsecond), mustP90), stat.At(last, 0.9) <= mustP90},
		{fmt.Sprintf("flat in names: p50 %.2f x, must be <= %.1f x", flat, mustFlat), flat <= mustFlat},
	} {
		verdict := "ok"
		if !m.ok {
			verdict, missed = "MISSED", append(missed, m.title)
		}
		fmt.Printf("%s: %s\n", m.title, verdict)
	}
	if len(missed) > 0 {
		return fmt.Errorf("MISSED: %s", strings.Join(missed, "; "))
	}
	return nil
}

// measure runs a node with so many names, and lets one target after the other go down.
func measure(ctx context.Context, stage *live.Stage, ts *targets, names int) (t took, err error) {
	zone, err := writeZone(stage.Dir, ts, names)
	if err != nil {
		return t, err
	}
	nodes, err := stage.Nodes(fmt.Sprintf("n%d-", names), live.Setup{Zones: []string{zone}, Nodes: 1, Grace: patience.String()})
	if err != nil {
		return t, err
	}
	n := nodes[0]
	ts.up()
	if err := n.Start(); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, n.Proc.Kill()) }()
	ready, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := n.Ready(ready); err != nil {
		return t, err
	}
	changed := map[string]time.Time{}
	for i := range watched {
		at, err := ask(n.DNS, i, ts.own[i].down)
		if err != nil {
			return t, fmt.Errorf("pool %d: %w", i, err)
		}
		changed[poolName(i)] = at
		t.response = append(t.response, at.Sub(ts.own[i].responded()))
	}
	if t.verdict, err = sinceVerdict(ctx, n, changed); err != nil {
		return t, err
	}
	slices.Sort(t.verdict)
	slices.Sort(t.response)
	return t, nil
}

// ask asks for a pool's name as fast as it is answered, calls begin once it has been, and returns when the
// answer was another one.
func ask(server string, pool int, begin func()) (changed time.Time, err error) {
	question, err := live.Question(poolName(pool)+"."+origin, dns.TypeA)
	if err != nil {
		return changed, err
	}
	c, err := connect(server)
	if err != nil {
		return changed, err
	}
	defer c.close()
	for begun := false; ; {
		answer, err := c.exchange(question)
		now := time.Now()
		if err != nil {
			return changed, err
		}
		_, addrs, err := live.Addresses(answer)
		switch {
		case err != nil:
			return changed, err
		case begun && slices.Equal(addrs, []netip.Addr{second}):
			return now, nil
		case !slices.Equal(addrs, []netip.Addr{first(pool)}):
			return changed, fmt.Errorf("an answer of %v", addrs)
		case !begun:
			begin()
			begun = true
		}
	}
}

// sinceVerdict returns how long after their verdicts answers changed, as the node dates these: by when it
// took up the news that led to them, before it judged.
func sinceVerdict(ctx context.Context, n *live.Node, changed map[string]time.Time) (took []time.Duration, err error) {
	var events struct {
		Events []struct {
			Time       time.Time
			Kind, Pool string
		}
	}
	if err := n.Get(ctx, "/api/v1/events", &events); err != nil {
		return nil, err
	}
	for _, e := range events.Events {
		if at, ok := changed[e.Pool]; ok && e.Kind == "answer" {
			took = append(took, at.Round(0).Sub(e.Time)) // by the clock on the wall, which the node's events have
			delete(changed, e.Pool)
		}
	}
	if len(changed) > 0 {
		return nil, fmt.Errorf("%d changes have no event", len(changed))
	}
	return took, nil
}
