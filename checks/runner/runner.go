// Package runner decides when to probe, and makes results into the observations of one node: slots on
// the wheel all nodes share, jitter, rise and fall, doubt with its fast interval, hints from other
// nodes, flap damping, and a budget for what is not a slot.
//
// It knows watches, results, and its place among the nodes; it refuses to know how a probe is made,
// what other nodes observe, and what is concluded from it. Its one main call is Runner.Run.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"vitalns/checks"
)

// Config is what a Runner is made of. Observe is required.
type Config struct {
	Seed uint64 // of the jitter; another one on each node
	// Logger gets changes of state at level Debug, and panics of probers. Default: none.
	Logger *slog.Logger
	// History returns what is known of a target by others than this runner: a fresh vote, this node's
	// observation before it started, or a young saved verdict. It is called while there is no
	// observation, from the goroutine of Run, and holds it up. Default: nothing is known.
	History func(checks.Target) (checks.State, bool)
	// MaxInFlight bounds the probes that run at once; one that does not fit is skipped until its next
	// slot, and counted. Default: 16384.
	MaxInFlight int
	// Observe takes each observation that differs from the target's last one in more than its latency,
	// in order, from the goroutine of Run, and holds it up.
	Observe func(checks.Target, checks.Observation)
}

// A Runner probes targets. All its methods may be called from any goroutine, before, during and after
// Run, also from within Observe and History; none waits for a probe or a callback.
type Runner struct {
	cfg   Config
	ended chan ending   // probes wait here for the goroutine of Run, which takes them until all are done
	woken chan struct{} // holds one: the schedule has changed

	resets atomic.Uint64 // calls of Reset

	mu       sync.Mutex // protects schedule; held for computing only
	schedule *schedule
}

// New returns a Runner that watches nothing yet. It is placed as a node by itself, on a wheel that
// stands at 0 now.
func New(cfg Config) *Runner {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.History == nil {
		cfg.History = func(checks.Target) (checks.State, bool) { return checks.Unknown, false }
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = 16384
	}
	return &Runner{
		cfg:      cfg,
		ended:    make(chan ending, 256),
		woken:    make(chan struct{}, 1),
		schedule: newSchedule(cfg.Seed, cfg.MaxInFlight, time.Now()),
	}
}

// Set replaces what is watched. A target that stays keeps streaks, observation and slots, whatever else
// its watch says now; a new one is probed at once. Of two watches of one target the first counts.
func (r *Runner) Set(ws []checks.Watch) {
	for _, w := range ws {
		if err := sane(w); err != nil {
			panic(fmt.Sprintf("runner: internal error: watch of %s %s: %v", w.Check, w.Target.Host, err))
		}
	}
	r.mu.Lock()
	abandoned := r.schedule.set(ws, time.Now())
	stops := cancels(abandoned)
	r.mu.Unlock()
	r.changed(stops)
}

func sane(w checks.Watch) error {
	switch {
	case w.Prober == nil:
		return errors.New("no prober")
	case w.Interval <= 0 || w.Timeout <= 0 || w.FastInterval <= 0:
		return errors.New("a duration is not positive")
	case w.Fall < 1 || w.Rise < 1 || w.Clear < 1:
		return errors.New("a count is less than 1")
	}
	return nil
}

// Place says where this node's slots are. Moves of the wheel too small to matter are not followed.
func (r *Runner) Place(p Placement) {
	r.mu.Lock()
	r.schedule.turn(p, time.Now())
	r.mu.Unlock()
	r.changed(nil)
}

// Hint asks for a probe of t because another node alarms, rank/N of the fast interval from now. It
// reports false if the hint is dropped: there is no such target, or one waits already.
func (r *Runner) Hint(t checks.Target) bool {
	r.mu.Lock()
	ok := r.schedule.hint(t, time.Now())
	r.mu.Unlock()
	r.changed(nil)
	return ok
}

// Reset forgets all observations, flap damping included: they are unknown until probed again, which is
// at once. What probes that run now will find does not count.
func (r *Runner) Reset() {
	r.mu.Lock()
	r.resets.Add(1)
	abandoned := r.schedule.reset(time.Now())
	stops := cancels(abandoned)
	r.mu.Unlock()
	r.changed(stops)
}

func cancels(fs []*flight) []func() {
	stops := make([]func(), len(fs))
	for i, f := range fs {
		stops[i] = f.cancel
	}
	return stops
}

// changed stops probes that are abandoned and wakes Run.
func (r *Runner) changed(stops []func()) {
	for _, stop := range stops {
		stop()
	}
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run probes until ctx is done, then waits for the probes that run, whose results no longer count, and
// returns nil. It is called once.
func (r *Runner) Run(ctx context.Context) error {
	r.mu.Lock()
	r.schedule.begin(time.Now())
	r.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.mu.Lock()
		for _, f := range r.schedule.advance(time.Now()) {
			fctx, cancel := context.WithCancel(ctx)
			f.cancel = cancel
			go r.probe(fctx, f)
		}
		changes, resets := r.schedule.take(), r.resets.Load()
		next, any := r.schedule.next()
		r.mu.Unlock()
		for _, c := range changes {
			if r.resets.Load() != resets {
				break // found before, and told no more
			}
			r.cfg.Logger.Debug("observation", "host", c.target.Host, "port", c.target.Port, "state", c.observation.State, "reason", c.observation.Reason)
			r.cfg.Observe(c.target, c.observation)
		}
		var due <-chan time.Time
		if any {
			timer.Reset(time.Until(next))
			due = timer.C
		}
		select {
		case <-ctx.Done():
			r.drain(ctx)
			return nil
		case e := <-r.ended:
			r.finish(ctx, e)
		case <-due:
		case <-r.woken:
		}
	}
}

// probe runs one probe in its own goroutine. The timeout begins here, so that a late start does not
// shorten it.
func (r *Runner) probe(ctx context.Context, f *flight) {
	e := ending{flight: f, lag: time.Since(f.due)}
	defer f.cancel()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	start := time.Now()
	func() {
		defer func() {
			if p := recover(); p != nil {
				r.cfg.Logger.Error("prober panics", "type", f.target.Probe.Type, "panic", p, "stack", string(debug.Stack()))
				e.panicked = true
				e.result = checks.Result{Kind: checks.Void, Reason: "internal error"}
			}
		}()
		e.result = f.prober.Probe(ctx, f.target)
	}()
	if e.result.Latency <= 0 {
		e.result.Latency = time.Since(start)
	}
	e.timeout = e.result.Kind == checks.Failed && errors.Is(ctx.Err(), context.DeadlineExceeded)
	r.ended <- e
}

// finish takes e and what else has ended by now, up to a bound.
func (r *Runner) finish(ctx context.Context, e ending) {
	r.conclude(ctx, e)
	for range cap(r.ended) {
		select {
		case e := <-r.ended:
			r.conclude(ctx, e)
		default:
			return
		}
	}
}

// conclude takes the end of one probe. Once ctx is done that may be its cause, and it does not count.
func (r *Runner) conclude(ctx context.Context, e ending) {
	r.mu.Lock()
	e.flight.abandoned = e.flight.abandoned || ctx.Err() != nil
	undecided := r.schedule.undecided(e.flight)
	r.mu.Unlock()
	history := checks.Unknown
	if undecided {
		if h, ok := r.cfg.History(e.flight.target); ok {
			history = h
		}
	}
	r.mu.Lock()
	r.schedule.finish(e, history, time.Now())
	r.mu.Unlock()
}

// drain waits for the probes that run. ctx is done, and so are theirs.
func (r *Runner) drain(ctx context.Context) {
	for {
		r.mu.Lock()
		left := r.schedule.inFlight
		r.mu.Unlock()
		if left == 0 {
			return
		}
		r.conclude(ctx, <-r.ended)
	}
}

// Stats returns what has been counted.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.schedule
	byCheck := make(map[string]CheckStats, len(s.tally.checks))
	for l, c := range s.tally.checks {
		copied := *c
		copied.Duration = c.Duration.clone()
		byCheck[l] = copied
	}
	return Stats{
		Targets:      len(s.targets),
		Doubted:      s.doubts,
		InFlight:     s.inFlight,
		Checks:       byCheck,
		Origins:      s.tally.origins,
		Lag:          s.tally.lag.clone(),
		Alarms:       s.tally.alarms,
		AlarmsHeld:   s.tally.alarmsHeld,
		Hints:        s.tally.hints,
		HintsDropped: s.tally.hintsDropped,
		OverBudget:   s.tally.overBudget,
		Panics:       s.tally.panics,
	}
}

// Report returns what is known of one target; false if it is not watched.
func (r *Runner) Report(t checks.Target) (Report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sub := r.schedule.targets[t]
	if sub == nil {
		return Report{}, false
	}
	return sub.report(), true
}

// Reports returns what is known of every target.
func (r *Runner) Reports() map[checks.Target]Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[checks.Target]Report, len(r.schedule.targets))
	for t, sub := range r.schedule.targets {
		all[t] = sub.report()
	}
	return all
}
