package runner

import (
	"time"
	"unicode/utf8"

	"vitalns/checks"
)

// A subject is one target with all the runner knows of it.
type subject struct {
	watch checks.Watch
	hash  uint64
	rank  Rank

	damper    damper
	doubted   bool // counted in schedule.doubts
	alarm     uint32
	usual     time.Duration // latency of successes, smoothed
	published checks.Observation
	told      bool // published holds something
	since     time.Time
	last      checks.Result
	cert      time.Time

	next      slot
	spent     time.Time // nominal moment of the last slot that is over, or that counts as such
	initial   time.Time // when the first probe is due; zero if it is over
	provoked  time.Time // when a provoked probe is due; zero if none waits
	held      bool      // the next fast probe did not fit: wait for a slot
	lastStart time.Time
	lastEnd   time.Time // of the last probe whose result counted
	freed     time.Time // when the last probe ended, whatever became of its result
	flight    *flight   // the probe that runs

	due   time.Time // when act has something to do
	index int       // in schedule.heap; -1 once the target is gone
}

// A flight is a probe that runs.
type flight struct {
	of        *subject
	target    checks.Target
	prober    checks.Prober
	timeout   time.Duration
	origin    Origin
	due       time.Time // when it should have started
	started   time.Time
	alarmAt   time.Time // when its silence alarms; zero if it does not, or has
	alarmed   bool
	abandoned bool   // its result does not count: the target is gone, or Reset came
	cancel    func() // set before the probe starts
}

// An ending is how a flight ended.
type ending struct {
	flight   *flight
	result   checks.Result
	lag      time.Duration // from due to the start of its goroutine
	timeout  bool
	panicked bool
}

func (s *subject) rule() rule {
	return rule{s.watch.Fall, s.watch.Rise, s.watch.Clear}
}

func (s *subject) pressing() bool { return s.damper.pressing(s.rule()) }

// early reports whether a probe at now would follow the last one too closely: while in doubt, none
// starts sooner than the fast interval after the last start.
func (s *subject) early(now time.Time) bool {
	return s.pressing() && now.Before(s.fastAt())
}

func (s *subject) fastAt() time.Time { return s.lastStart.Add(s.watch.FastInterval) }

// staleAt returns when the observation becomes unknown if no probe finishes; false if it is unknown.
func (s *subject) staleAt() (time.Time, bool) {
	w := s.watch
	return s.lastEnd.Add(w.Interval + w.Timeout + max(w.Interval, time.Second)), s.damper.state != checks.Unknown
}

// nextStart returns when the next probe starts if nothing else asks for one and none runs.
func (s *subject) nextStart() time.Time {
	at := s.next.at
	for _, t := range [...]time.Time{s.initial, s.provoked} {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	if f := s.fastAt(); s.pressing() && !s.held && f.Before(at) {
		at = f
	}
	return at
}

// wake returns when there is something to do next; ok is false if that is only the end of its probe.
func (s *subject) wake() (at time.Time, ok bool) {
	if s.flight == nil {
		at, ok = s.nextStart(), true
	} else if !s.flight.alarmAt.IsZero() {
		at, ok = s.flight.alarmAt, true
	}
	if t, can := s.staleAt(); can && (!ok || t.Before(at)) {
		at, ok = t, true
	}
	return at, ok
}

// aim finds the next slot: the first that is at least half an interval after the last one, so that a
// wheel that is moved, or another interval, neither doubles a probe nor leaves a gap of two. Slots that
// nobody was there for are not made up for.
func (s *subject) aim(base time.Time, seed uint64, now time.Time) {
	w := s.wheel(base, seed)
	if s.spent.Add(2 * w.interval).Before(now) {
		s.spent = now.Add(Jitter(w.interval, w.rank.Of) - w.interval/2)
	}
	s.next = w.from(s.spent.Add(w.interval / 2))
}

// realign finds the next slot after the wheel, the rank or the interval may have changed. However often
// that happens, the slot is at most one and a half intervals after the last one.
func (s *subject) realign(base time.Time, seed uint64, now time.Time) {
	before := s.next
	s.aim(base, seed, now)
	if s.next.nominal.Equal(before.nominal) {
		s.next = before
		return
	}
	if s.next.nominal.Before(now) {
		s.next = s.wheel(base, seed).from(now)
	}
	if limit := s.spent.Add(s.watch.Interval * 3 / 2); s.next.nominal.After(limit) {
		s.next = slot{limit, limit}
	}
	if s.next.at.Before(now) {
		s.next.at = now
	}
}

func (s *subject) wheel(base time.Time, seed uint64) wheel {
	return wheel{base: base, interval: s.watch.Interval, rank: s.rank, hash: s.hash, seed: seed}
}

// learn keeps the usual latency: an eighth of each new one.
func (s *subject) learn(latency time.Duration) {
	if s.usual == 0 {
		s.usual = latency
	} else {
		s.usual += (latency - s.usual) / 8
	}
}

func (s *subject) observation() checks.Observation {
	o := s.damper.observation(s.rule())
	o.Alarm = s.alarm
	o.Latency = s.last.Latency
	return o
}

func (s *subject) report() Report {
	return Report{
		Check:       s.watch.Check,
		Observation: s.observation(),
		Since:       s.since,
		FirstBad:    s.damper.bad,
		Last:        s.last,
		LastStart:   s.lastStart,
		LastEnd:     s.lastEnd,
		Running:     s.flight != nil,
		Next:        s.nextStart(),
		Voids:       s.damper.voids,
		Flap:        max(s.damper.factor, 1),
		CertExpiry:  s.cert,
		Rank:        s.rank,
	}
}

// cut shortens a reason to what may be stored, between characters.
func cut(r checks.Reason) checks.Reason {
	if len(r) <= checks.MaxReason {
		return r
	}
	n := checks.MaxReason
	for n > 0 && !utf8.RuneStart(r[n]) {
		n--
	}
	return r[:n]
}
