package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vitalns/checks"
	"vitalns/checks/runner"
	"vitalns/test/live"
)

// How often each server is asked: it bounds how exactly a change is timed. PowerDNS takes many times the
// CPU for an answer, and rivals take seconds to change theirs.
const (
	nodeEvery  = 2 * time.Millisecond
	fastEvery  = 4 * time.Millisecond
	rivalEvery = 5 * time.Millisecond
)

const (
	nodes    = 3
	backends = 8                // as many addresses as an answer has at most by default
	patience = 90 * time.Second // until everything is steady; a server that flapped takes its time to trust
	longest  = 20 * time.Second // until an answer has changed

	steadyEvery = 100 * time.Millisecond // how often it is looked whether everything is steady
)

// A system is a name server, or a cluster of them, that is measured: one row of the table per fault.
type system struct {
	title    string
	settings map[string]string       // fault -> how it checks
	polls    map[string][]*live.Poll // fault -> one for each node
	bound    map[string]time.Duration
	nodes    []*live.Node // of vitalns
	rival    bool
}

// A field is everything that runs.
type field struct {
	stage    *live.Stage
	port     uint16 // of all backends
	backends []*backend
	systems  []*system // vitalns at 1 s first, then the rivals that are there, then vitalns at 100 ms
	missing  []string
	others   []*live.Process
	pulse    *pulse
}

func newField(stage *live.Stage) (*field, error) {
	f := &field{stage: stage, pulse: newPulse()}
	addrs, err := live.Loopback(backends)
	if err != nil {
		return nil, err
	}
	f.port = addrs[0].Port()
	for _, a := range addrs {
		f.backends = append(f.backends, &backend{addr: a, stage: stage})
	}
	for _, name := range rivals {
		if _, err := live.Find(name.program); err != nil {
			f.missing = append(f.missing, fmt.Sprintf("%s: not installed (Debian: %s)", name.title, name.pkg))
		}
	}
	return f, nil
}

// A timing is how a cluster of vitalns probes.
type timing struct {
	title, interval, timeout, fast string
	every                          time.Duration
}

var (
	ordinary = timing{title: "vitalns at 1 s", interval: "1s", timeout: "500ms", fast: "200ms", every: nodeEvery}
	fastest  = timing{title: "vitalns at 100 ms", interval: "100ms", timeout: "100ms", fast: "100ms", every: fastEvery}
)

const fall = 2

// open starts everything.
func (f *field) open(ctx context.Context) error {
	for _, b := range f.backends {
		if err := b.start(ctx); err != nil {
			return err
		}
	}
	if err := f.addNodes(ctx, "ns", ordinary); err != nil {
		return err
	}
	if err := f.addRivals(ctx); err != nil {
		return err
	}
	return f.addNodes(ctx, "fast", fastest)
}

// addNodes starts a cluster of vitalns.
func (f *field) addNodes(ctx context.Context, prefix string, t timing) error {
	zone := filepath.Join(f.stage.Dir, prefix+".toml")
	if err := os.WriteFile(zone, []byte(f.zone(t)), 0o644); err != nil {
		return err
	}
	cluster, err := f.stage.Nodes(prefix, live.Setup{Zones: []string{zone}, Nodes: nodes})
	if err != nil {
		return err
	}
	words := fmt.Sprintf("%d nodes; http, interval %s, fall %d, fast_interval %s, timeout %s", nodes, t.interval, fall, t.fast, t.timeout)
	s := &system{title: t.title, nodes: cluster, polls: map[string][]*live.Poll{},
		settings: map[string]string{"refuse": words, "hang": words}, bound: t.bounds()}
	for _, n := range cluster {
		if err := n.Start(); err != nil {
			return err
		}
		p, err := live.NewPoll(n.DNS, "www.bench.example", t.every)
		if err != nil {
			return err
		}
		for _, fault := range faults {
			s.polls[fault.name] = append(s.polls[fault.name], p)
		}
	}
	for _, n := range cluster {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	f.systems = append(f.systems, s)
	return nil
}

func (f *field) zone(t timing) string {
	return fmt.Sprintf(`zone = "bench.example"
ns   = { ns1 = "192.0.2.53" }

[checks.web]
type          = "http"
port          = %d
host          = "www.bench.example"
interval      = %q
timeout       = %q
fast_interval = %q
fall          = %d
rise          = 1

[pools.web]
policy  = "all"
check   = "web"
ttl     = "1s"
targets = [
  %s
]

[records.www]
pool = "web"
`, f.port, t.interval, t.timeout, t.fast, fall, f.addresses(`{ name = "t#", address = "@" },`, "\n  "))
}

// bounds are the longest times from a fault to the verdict, by the product's own reckoning.
func (t timing) bounds() map[string]time.Duration {
	w := checks.Watch{Fall: fall}
	for _, d := range []struct {
		to   *time.Duration
		text string
	}{{&w.Interval, t.interval}, {&w.Timeout, t.timeout}, {&w.FastInterval, t.fast}} {
		*d.to, _ = time.ParseDuration(d.text) // written above
	}
	refuse, hang := runner.Budget(w, nodes)
	return map[string]time.Duration{"refuse": refuse, "hang": hang}
}

// watch asks every server until ctx is done; wait waits for that.
func (f *field) watch(ctx context.Context) (wait func()) {
	var g errgroup.Group
	for _, s := range f.systems {
		seen := map[*live.Poll]bool{}
		for _, polls := range s.polls {
			for _, p := range polls {
				if !seen[p] {
					seen[p] = true
					g.Go(func() error { return p.Run(ctx) })
				}
			}
		}
	}
	g.Go(func() error { f.pulse.run(ctx); return nil })
	return func() { _ = g.Wait() } // none gives an error
}

// steady waits until every server answers all addresses and no node of vitalns doubts anything.
func (f *field) steady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		why := f.unsteady(ctx)
		if why == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not steady after %s: %s", patience, why)
		case <-time.After(steadyEvery):
		}
	}
}

// unsteady says what is not as it should be before a fault; "" if nothing.
func (f *field) unsteady(ctx context.Context) string {
	if why := f.incomplete(); why != "" {
		return why
	}
	for _, s := range f.systems {
		for _, n := range s.nodes {
			st, err := n.Status(ctx)
			if err != nil {
				return err.Error()
			}
			if !st.Steady(nodes) {
				return n.Name + " doubts a target, or lacks a vote"
			}
		}
	}
	return ""
}

// incomplete says which server does not answer all addresses; "" if none.
func (f *field) incomplete() string {
	for _, s := range f.systems {
		for fault, polls := range s.polls {
			for _, p := range polls {
				if n := len(p.Last().Addrs); n != backends {
					return fmt.Sprintf("%s (%s) answers %d of %d addresses", s.title, fault, n, backends)
				}
			}
		}
	}
	return ""
}

// settle waits for steadiness and then for a moment that no server can foresee.
func (f *field) settle(ctx context.Context) error {
	for {
		if err := f.steady(ctx); err != nil {
			return err
		}
		select {
		case <-time.After(rand.N(2 * time.Second)): // the longest interval of all
		case <-ctx.Done():
			return ctx.Err()
		}
		if f.incomplete() == "" {
			return nil
		}
	}
}

// measure makes a fault again and again.
func (f *field) measure(ctx context.Context, ft fault, runs int) (result, error) {
	r := newResult(len(f.systems))
	for i := range runs {
		progress("%s %d of %d", ft.name, i+1, runs)
		if err := f.settle(ctx); err != nil {
			return r, err
		}
		if err := f.once(ctx, ft, f.backends[i%backends], &r); err != nil {
			return r, err
		}
	}
	progress("")
	return r, nil
}

// once makes a fault, times every server's answer, and ends it.
func (f *field) once(ctx context.Context, ft fault, b *backend, r *result) error {
	for _, s := range f.systems {
		for _, p := range s.polls[ft.name] {
			p.Forget()
		}
	}
	gone := func(addrs []netip.Addr) bool { return len(addrs) > 0 && !slices.Contains(addrs, b.addr.Addr()) }
	waiting, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	times := make([][]time.Time, len(f.systems))
	g, waiting := errgroup.WithContext(waiting)
	began := time.Now()
	if err := ft.begin(b); err != nil {
		return err
	}
	for i, s := range f.systems {
		times[i] = make([]time.Time, len(s.polls[ft.name]))
		for k, p := range s.polls[ft.name] {
			g.Go(func() (err error) {
				times[i][k], err = p.Await(waiting, began, gone)
				if err != nil {
					err = fmt.Errorf("%s: %s: %w", s.title, ft.name, err)
				}
				return err
			})
		}
	}
	err := g.Wait()
	if err != nil {
		return err
	}
	f.pulse.mark(began, time.Now())
	for i := range f.systems {
		first, last := slices.MinFunc(times[i], time.Time.Compare), slices.MaxFunc(times[i], time.Time.Compare)
		r.changed[i] = append(r.changed[i], last.Sub(began))
		r.spread[i] = append(r.spread[i], last.Sub(first))
	}
	return ft.end(ctx, b)
}
