package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vitalns/test/bench/blast"
	"vitalns/test/bench/stat"
	"vitalns/test/live"
)

// A guest is one server in one dress that runs beside others and is asked in turn with them.
type guest struct {
	server server
	kind   kind
	*running
	pids  []int // it and all that descend from it
	asker *blast.Blaster
}

// slice is how long one is asked before it is the next one's turn: shorter than the machine keeps a mood. Before
// it a server that has waited for its turn is asked for warmUp, for its memory to come back into the caches.
const (
	slice  = 200 * time.Millisecond
	warmUp = 100 * time.Millisecond
)

// turns measures what a query costs at saturation, or how long it takes at half of it, party by party.
func (b *bench) turns(ctx context.Context, field []server, rounds int, long time.Duration, r *report) error {
	for _, p := range parties {
		if err := b.party(ctx, field, p, rounds, long, r); err != nil {
			return err
		}
	}
	return nil
}

// party has those that some ratios are about stand side by side and asks each for so long in each round, slice by
// slice in turn with the others, so that what the machine does meanwhile meets all of them alike. Whose turn it is
// not is stopped, so that nobody does anything in another's slices: a node would go on checking its targets. What it
// has missed it does while it is asked without being counted; what it does unasked in its own slices counts.
func (b *bench) party(ctx context.Context, field []server, p party, rounds int, long time.Duration, r *report) (err error) {
	p.musts = slices.DeleteFunc(slices.Clone(p.musts), func(m must) bool { return !m.both(field) })
	var guests []*guest
	defer func() {
		for _, g := range guests {
			err = errors.Join(err, g.Kill())
			if g.asker != nil {
				g.asker.Close()
			}
		}
	}()
	for _, s := range field {
		for _, k := range s.kinds() {
			if !slices.ContainsFunc(p.musts, func(m must) bool { return m.about(s, k) }) {
				continue
			}
			started, err := b.start(ctx, s, k)
			if err != nil {
				return err
			}
			guests = append(guests, &guest{server: s, kind: k, running: started})
		}
	}
	if len(guests) == 0 {
		return nil
	}
	if oerr := blast.OnCore(loadCore, func() { err = takeTurns(ctx, p, guests, rounds, long, r) }); oerr != nil {
		return oerr
	}
	return err
}

func takeTurns(ctx context.Context, p party, guests []*guest, rounds int, long time.Duration, r *report) (err error) {
	for _, g := range guests {
		if g.asker, err = newAsker(ctx, g.server, g.kind, g.running); err != nil {
			return fmt.Errorf("%s, %s: %w", g.server.title, g.kind.title, err)
		}
		g.asker.Saturate(long) // caches, and the runtime's own settling
	}
	for _, g := range guests {
		g.pids = tree(g.Pid())
		if err := g.stop(); err != nil {
			return err
		}
	}
	for round := 0; round < rounds && ctx.Err() == nil; round++ {
		ms, others, err := quietRound(ctx, p.paced, guests, int(long/slice))
		if err != nil {
			return err
		}
		r.addTurns(p.musts, guests, ms)
		fmt.Fprintf(os.Stderr, "%2d/%d in turn", round+1, rounds)
		for i, g := range guests {
			fmt.Fprintf(os.Stderr, "  %s %s %.2f us", g.server.title, g.kind.title, ms[i].perQuery)
			if p.paced {
				fmt.Fprintf(os.Stderr, ", p50 %.1f us", halfUs(ms[i]))
			}
		}
		fmt.Fprintln(os.Stderr, measured{disturbed: others}.note())
	}
	return ctx.Err()
}

// stop stops all processes of a server, and resume has them go on.
func (g *guest) stop() error   { return g.signal(unix.SIGSTOP) }
func (g *guest) resume() error { return g.signal(unix.SIGCONT) }

func (g *guest) signal(s unix.Signal) error {
	for _, pid := range g.pids {
		if err := unix.Kill(pid, s); err != nil {
			return fmt.Errorf("%s, process %d: %w", g.server.title, pid, err)
		}
	}
	return nil
}

// quietRound is a round that nobody disturbed, or the quietest of some.
func quietRound(ctx context.Context, paced bool, guests []*guest, n int) (kept []measured, least float64, err error) {
	least = 1e9
	for range tries {
		ms, others, err := oneRound(ctx, paced, guests, n)
		if err != nil {
			return nil, 0, err
		}
		if others < least {
			kept, least = ms, others
		}
		if least <= tolerated || ctx.Err() != nil {
			break
		}
	}
	return kept, least, nil
}

// oneRound gives each guest n turns, and returns what they have shown, and how much of a core others had
// meanwhile.
func oneRound(ctx context.Context, paced bool, guests []*guest, n int) (ms []measured, others float64, err error) {
	seen := make([]turn, len(guests))
	pids := []int{os.Getpid()}
	for _, g := range guests {
		pids = append(pids, g.pids...)
	}
	all, own, began := busy(), live.CPUTime(pids...), time.Now()
	for range max(n, 1) {
		for i, g := range guests {
			if err := g.take(ctx, paced, &seen[i]); err != nil {
				return nil, 0, fmt.Errorf("%s, %s: %w", g.server.title, g.kind.title, err)
			}
		}
	}
	for i, g := range guests {
		m, err := seen[i].measured(paced)
		if err != nil {
			return nil, 0, fmt.Errorf("%s, %s: %w", g.server.title, g.kind.title, err)
		}
		ms = append(ms, m)
	}
	all, own = busy()-all, live.CPUTime(pids...)-own
	return ms, (all - own).Seconds() / time.Since(began).Seconds(), nil
}

// A turn is what the turns of one guest in a round have come to.
type turn struct {
	spent, took time.Duration // by the server, and by the clock, at saturation
	answered    int
	// The p50 of each slice at half of the saturation so far in which the generator kept the rate; none if it is not
	// paced.
	half []time.Duration
}

// take asks a guest, which is stopped before and afterwards, for a slice at saturation and, if it is paced, for one at
// half of it.
func (g *guest) take(ctx context.Context, paced bool, t *turn) error {
	if err := g.resume(); err != nil {
		return err
	}
	g.asker.Saturate(warmUp)
	before := live.CPUTime(g.pids...)
	full := g.asker.Saturate(slice)
	t.spent += live.CPUTime(g.pids...) - before
	t.took += full.Took
	t.answered += full.Answered
	asked := []blast.Count{full}
	if paced {
		rate := float64(t.answered) / t.took.Seconds() / 2
		half := g.asker.Pace(ctx, rate, slice)
		if half.Kept(rate) {
			t.half = append(t.half, half.Percentile(0.5))
		}
		asked = append(asked, half)
	}
	for _, c := range asked {
		if c.Wrong > 0 {
			return fmt.Errorf("%d wrong responses of %d: %s", c.Wrong, c.Sent, c.FirstWrong)
		}
	}
	return g.stop()
}

func (t turn) measured(paced bool) (measured, error) {
	if t.answered == 0 || paced && len(t.half) == 0 {
		return measured{}, errors.New("no response, or never at the rate that was meant")
	}
	m := measured{perQuery: t.spent.Seconds() * 1e6 / float64(t.answered)}
	if len(t.half) > 0 {
		m.half = stat.Median(t.half)
	}
	return m, nil
}
