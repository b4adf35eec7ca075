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

// turns measures what a query costs at saturation, party by party.
func (b *bench) turns(ctx context.Context, field []server, rounds int, long time.Duration, r *report) error {
	for _, party := range parties {
		if err := b.party(ctx, field, party, rounds, long, r); err != nil {
			return err
		}
	}
	return nil
}

// party has those that some ratios are about stand side by side and asks each for so long in each round, slice by
// slice in turn with the others, so that what the machine does meanwhile meets all of them alike. Whose turn it is
// not is stopped, so that nobody does anything in another's slices: a node would go on checking its targets. What it
// has missed it does while it is asked without being counted; what it does unasked in its own slices counts.
func (b *bench) party(ctx context.Context, field []server, party []must, rounds int, long time.Duration, r *report) (err error) {
	party = slices.DeleteFunc(slices.Clone(party), func(m must) bool { return !m.both(field) })
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
			if !slices.ContainsFunc(party, func(m must) bool { return m.about(s, k) }) {
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
	if oerr := blast.OnCore(loadCore, func() { err = takeTurns(ctx, party, guests, rounds, long, r) }); oerr != nil {
		return oerr
	}
	return err
}

func takeTurns(ctx context.Context, party []must, guests []*guest, rounds int, long time.Duration, r *report) (err error) {
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
		costs, others, err := quietRound(ctx, guests, int(long/slice))
		if err != nil {
			return err
		}
		r.addTurns(party, guests, costs)
		fmt.Fprintf(os.Stderr, "%2d/%d in turn", round+1, rounds)
		for i, g := range guests {
			fmt.Fprintf(os.Stderr, "  %s %s %.2f us", g.server.title, g.kind.title, costs[i])
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
func quietRound(ctx context.Context, guests []*guest, n int) (kept []float64, least float64, err error) {
	least = 1e9
	for range tries {
		costs, others, err := oneRound(guests, n)
		if err != nil {
			return nil, 0, err
		}
		if others < least {
			kept, least = costs, others
		}
		if least <= tolerated || ctx.Err() != nil {
			break
		}
	}
	return kept, least, nil
}

// oneRound asks each guest for n slices and returns the CPU time that a query cost it, in us, and how much
// of a core others had meanwhile.
func oneRound(guests []*guest, n int) (costs []float64, others float64, err error) {
	spent, right := make([]time.Duration, len(guests)), make([]int, len(guests))
	pids := []int{os.Getpid()}
	for _, g := range guests {
		pids = append(pids, g.pids...)
	}
	all, own, began := busy(), live.CPUTime(pids...), time.Now()
	for range max(n, 1) {
		for i, g := range guests {
			if err := g.resume(); err != nil {
				return nil, 0, err
			}
			g.asker.Saturate(warmUp)
			before := live.CPUTime(g.pids...)
			c := g.asker.Saturate(slice)
			spent[i] += live.CPUTime(g.pids...) - before
			right[i] += c.Answered
			if err := g.stop(); err != nil {
				return nil, 0, err
			}
			if c.Wrong > 0 {
				return nil, 0, fmt.Errorf("%s, %s: %d wrong responses of %d: %s", g.server.title, g.kind.title, c.Wrong, c.Sent, c.FirstWrong)
			}
		}
	}
	for i, g := range guests {
		if right[i] == 0 {
			return nil, 0, fmt.Errorf("%s, %s: no response", g.server.title, g.kind.title)
		}
		costs = append(costs, spent[i].Seconds()*1e6/float64(right[i]))
	}
	all, own = busy()-all, live.CPUTime(pids...)-own
	return costs, (all - own).Seconds() / time.Since(began).Seconds(), nil
}
