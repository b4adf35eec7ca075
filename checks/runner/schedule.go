package runner

import (
	"container/heap"
	"maps"
	"time"

	"vitalns/checks"
)

// A schedule says when which target is probed, and what follows from the results. It is a plain state
// machine: no clock, no goroutine, no callback; it hands out flights and changes, which somebody else
// carries out. All its work is bounded by a heap over one moment per target.
type schedule struct {
	seed    uint64
	place   Placement
	targets map[checks.Target]*subject
	heap    byDue
	doubts  int // targets that are doubted

	inFlight, most int
	allowance      allowance
	tally          tally
	changes        []change // since the last take
}

// A change is an observation to publish.
type change struct {
	target      checks.Target
	observation checks.Observation
}

func newSchedule(seed uint64, most int, base time.Time) *schedule {
	s := &schedule{
		seed:    seed,
		place:   Placement{Base: base},
		targets: map[checks.Target]*subject{},
		most:    most,
		tally:   newTally(),
	}
	s.allowance.resize(0)
	return s
}

// set replaces what is watched. A target that stays keeps all its state. It returns the flights that
// are abandoned.
func (s *schedule) set(ws []checks.Watch, now time.Time) (abandoned []*flight) {
	keep := make(map[checks.Target]bool, len(ws))
	labels := map[string]bool{}
	var added []*subject
	quiet := 0.0
	for _, w := range ws {
		if keep[w.Target] {
			continue // the first counts
		}
		keep[w.Target], labels[w.Check] = true, true
		quiet += 1 / w.Interval.Seconds()
		sub := s.targets[w.Target]
		if sub == nil {
			sub = &subject{watch: w, hash: w.Target.Hash(), rank: s.place.rank(w.Target)}
			s.targets[w.Target] = sub
			heap.Push(&s.heap, sub)
			added = append(added, sub)
		}
		sub.watch = w
		s.recount(sub)
		sub.realign(s.place.Base, s.seed, now)
		s.fix(sub)
	}
	for t, sub := range s.targets {
		if keep[t] {
			continue
		}
		if f := sub.flight; f != nil {
			f.abandoned = true
			abandoned = append(abandoned, f)
		}
		if sub.doubted {
			s.doubts--
		}
		heap.Remove(&s.heap, sub.index)
		delete(s.targets, t)
	}
	s.spread(added, now)
	s.allowance.resize(quiet)
	s.tally.keep(labels)
	return abandoned
}

// spread makes first probes due, evenly over min(1 s, interval).
func (s *schedule) spread(subs []*subject, now time.Time) {
	for i, sub := range subs {
		window := min(time.Second, sub.watch.Interval)
		sub.initial = now.Add(share(window, Rank{i, len(subs)}))
		s.fix(sub)
	}
}

// begin makes first probes and slots due anew that were due before there was anyone to start them.
func (s *schedule) begin(now time.Time) {
	var fresh []*subject
	for _, sub := range s.heap {
		if !sub.initial.IsZero() {
			sub.spent = time.Time{}
			sub.aim(s.place.Base, s.seed, now)
			fresh = append(fresh, sub)
		}
	}
	s.spread(fresh, now)
}

// slop is how far the wheel may be off before it is followed: heartbeats do not travel evenly.
const slop = 2 * time.Millisecond

// turn moves this node's slots to p.
func (s *schedule) turn(p Placement, now time.Time) {
	if d := p.Base.Sub(s.place.Base); d.Abs() < slop && p.Others == s.place.Others && maps.Equal(p.Ranks, s.place.Ranks) {
		return
	}
	s.place = p
	for t, sub := range s.targets {
		sub.rank = p.rank(t)
		sub.realign(p.Base, s.seed, now)
		s.fix(sub)
	}
}

// reset forgets all observations; every target is probed at once. It returns the flights that are
// abandoned: what began before does not count.
func (s *schedule) reset(now time.Time) (abandoned []*flight) {
	s.changes = nil // not told yet, and over
	all := make([]*subject, 0, len(s.heap))
	for _, sub := range s.heap {
		sub.damper, sub.provoked, sub.held = damper{}, time.Time{}, false
		if f := sub.flight; f != nil {
			f.abandoned, f.alarmAt = true, time.Time{}
			abandoned = append(abandoned, f)
		}
		all = append(all, sub)
	}
	for _, sub := range all {
		s.settle(sub, now)
	}
	s.spread(all, now)
	return abandoned
}

// hint makes a probe due that another node asks for. At most one waits per target. It reports false
// where it drops the hint; one for a target whose fast probe comes anyway, or that is known to be
// down, has nothing to add and is taken.
func (s *schedule) hint(t checks.Target, now time.Time) bool {
	s.tally.hints++
	sub := s.targets[t]
	if sub == nil || !sub.provoked.IsZero() {
		s.tally.hintsDropped++
		return false
	}
	if sub.damper.state == checks.Down || sub.pressing() && !sub.held {
		return true
	}
	sub.provoked = now.Add(share(sub.watch.FastInterval, sub.rank))
	s.fix(sub)
	return true
}

// advance does what is due and returns the probes to start.
func (s *schedule) advance(now time.Time) (start []*flight) {
	for len(s.heap) > 0 && !s.heap[0].due.After(now) {
		sub := s.heap[0]
		if f := s.act(sub, now); f != nil {
			start = append(start, f)
		}
		s.settle(sub, now)
	}
	return start
}

// next returns when advance has something to do; false if nothing but an ending can bring it.
func (s *schedule) next() (time.Time, bool) {
	if len(s.heap) == 0 || s.heap[0].due.Equal(never) {
		return time.Time{}, false
	}
	return s.heap[0].due, true
}

// take returns the changes since the last take, in order.
func (s *schedule) take() []change {
	c := s.changes
	s.changes = nil
	return c
}

// act does what is due for one target and returns the probe to start, if any.
func (s *schedule) act(sub *subject, now time.Time) *flight {
	if at, can := sub.staleAt(); can && !at.After(now) {
		sub.damper.lapse("no result")
	}
	if f := sub.flight; f != nil {
		if !f.alarmAt.IsZero() && !f.alarmAt.After(now) {
			f.alarmAt, f.alarmed = time.Time{}, true
			s.raise(sub)
		}
		return nil
	}
	origin, due, ok := s.choose(sub, now)
	if !ok {
		return nil
	}
	if s.inFlight >= s.most {
		s.tally.check(sub.watch.Check).Skipped++
		sub.held = true
		return nil
	}
	return s.start(sub, origin, due, now)
}

// choose takes what is due off the target and returns what becomes of it: at most one probe.
func (s *schedule) choose(sub *subject, now time.Time) (origin Origin, due time.Time, ok bool) {
	early := sub.early(now)
	if at := sub.next.at; !at.After(now) {
		sub.spent = sub.next.nominal
		sub.aim(s.place.Base, s.seed, now)
		if !early {
			return Slot, at, true
		}
	}
	if at := sub.initial; !at.IsZero() && !at.After(now) {
		sub.initial = time.Time{}
		if !early {
			return Initial, at, true
		}
	}
	switch at := sub.provoked; {
	case !at.IsZero() && !at.After(now):
		sub.provoked = time.Time{}
		origin, due = Provoked, at
	case sub.pressing() && !sub.held:
		origin, due = Fast, sub.fastAt()
	default:
		return 0, time.Time{}, false
	}
	if early {
		return 0, time.Time{}, false
	}
	if !s.allowance.take(now) {
		s.tally.overBudget++
		sub.held = true
		return 0, time.Time{}, false
	}
	return origin, due, true
}

func (s *schedule) start(sub *subject, origin Origin, due, now time.Time) *flight {
	if due.Before(sub.freed) {
		due = sub.freed // it waited for the one before to end
	}
	f := &flight{
		of:      sub,
		target:  sub.watch.Target,
		prober:  sub.watch.Prober,
		timeout: sub.watch.Timeout,
		origin:  origin,
		due:     due,
		started: now,
	}
	silence := max(sub.watch.FastInterval, 3*sub.usual)
	if origin == Slot && sub.damper.state != checks.Down && silence < f.timeout {
		f.alarmAt = now.Add(silence)
	}
	sub.flight, sub.lastStart = f, now
	sub.initial, sub.provoked, sub.held = time.Time{}, time.Time{}, false
	s.inFlight++
	s.tally.origins[origin]++
	return f
}

// undecided reports whether finishing f depends on what others know of its target.
func (s *schedule) undecided(f *flight) bool {
	return !f.abandoned && f.of.damper.was == checks.Unknown
}

// finish takes the end of a probe. history is what others know of the target, if it is undecided.
func (s *schedule) finish(e ending, history checks.State, now time.Time) {
	f, sub := e.flight, e.flight.of
	s.inFlight--
	sub.flight, sub.freed = nil, now
	if f.abandoned {
		if sub.index >= 0 {
			s.fix(sub)
		}
		return
	}
	e.result.Reason = cut(e.result.Reason)
	s.tally.finished(sub.watch.Check, e)
	before := sub.damper.state
	sub.damper.apply(e.result, f.started, sub.rule(), history, now)
	sub.last, sub.lastEnd = e.result, now
	if e.result.Kind == checks.OK {
		sub.learn(e.result.Latency)
	}
	if !e.result.CertNotAfter.IsZero() {
		sub.cert = e.result.CertNotAfter
	}
	if f.origin == Slot && e.result.Kind == checks.Failed && !f.alarmed && before != checks.Down {
		s.raise(sub)
	}
	s.settle(sub, now)
	s.tell(sub, now)
}

// raise asks the other nodes to probe the target too, unless this node doubts so many of its targets
// that the trouble is rather its own.
func (s *schedule) raise(sub *subject) {
	s.recount(sub)
	if s.doubts >= 3 && 3*s.doubts > len(s.targets) {
		s.tally.alarmsHeld++
		return
	}
	s.tally.alarms++
	sub.alarm++
}

// recount keeps the number of doubted targets.
func (s *schedule) recount(sub *subject) {
	doubted := sub.pressing() || sub.flight != nil && sub.flight.alarmed && !sub.flight.abandoned
	switch {
	case doubted && !sub.doubted:
		s.doubts++
	case !doubted && sub.doubted:
		s.doubts--
	}
	sub.doubted = doubted
}

// settle makes everything that follows from the target's state follow.
func (s *schedule) settle(sub *subject, now time.Time) {
	s.recount(sub)
	if sub.told {
		s.tell(sub, now)
	}
	s.fix(sub)
}

// tell publishes the observation if it differs from the last one in more than the latency. The first
// is told with the first result.
func (s *schedule) tell(sub *subject, now time.Time) {
	o := sub.observation()
	same := o
	same.Latency = sub.published.Latency
	if sub.told && same == sub.published {
		return
	}
	if o.State != sub.published.State {
		sub.since = now
	}
	sub.published, sub.told = o, true
	s.changes = append(s.changes, change{sub.watch.Target, o})
}

// fix puts the target where it belongs in the heap.
func (s *schedule) fix(sub *subject) {
	at, ok := sub.wake()
	if !ok {
		at = never
	}
	sub.due = at
	heap.Fix(&s.heap, sub.index)
}

// never is the due moment of a target that waits for nothing but the end of its probe.
var never = time.Unix(1<<40, 0)

// byDue is a heap of subjects, the one that is due first on top.
type byDue []*subject

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *byDue) Push(x any) {
	sub := x.(*subject)
	sub.index = len(*h)
	*h = append(*h, sub)
}

// Pop implements heap.Interface.
func (h *byDue) Pop() any {
	old := *h
	sub := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	sub.index = -1
	return sub
}
