package checks

import (
	"maps"
	"slices"
	"time"
)

// beatInterval is the time between two heartbeats; beatLeast that between one and the next where
// something is to be known at once.
const (
	beatInterval = time.Second
	beatLeast    = 200 * time.Millisecond
)

// Limits of what a heartbeat repeats of the registers just written: it is to fit a datagram.
const (
	recentTime  = 2 * time.Second
	recentBytes = 600
	maxRecent   = 256 // remembered
)

// maxAlarms bounds the alarms of one Ready; more are counted as lost.
const maxAlarms = 16

// Ready is what is to be sent and done.
type Ready struct {
	Publish   []Register // fan out now
	Heartbeat *Heartbeat // due: send to all, with Wheel filled in
	Pulls     []Pull
	Hints     []Target   // probe these: a peer's Alarm grew
	Persist   bool       // registers with many writers changed
	Reset     bool       // own observations start again from unknown: tell the runner
	Duplicate *Duplicate // another node has this one's name
	Outbid    uint64     // the new incarnation to save before publishing; 0: none
	Alarms    []string   // for the log
}

// A Duplicate is another node of our name that goes on although it was outbid.
type Duplicate struct {
	Incarnation uint64
	Instance    uint64
	Fatal       bool // we are the one that was started later: exit
}

// outbox gathers what Ready will return.
type outbox struct {
	unsent    map[string]struct{} // keys of own observations
	shared    []cellKey           // own writes of registers with many writers
	pulls     []Pull
	hints     []Target
	persist   bool
	reset     bool
	duplicate *Duplicate
	outbid    uint64
	alarms    []string
}

// recent is a register of our own writing that heartbeats repeat for a while.
type recent struct {
	cell cellKey
	when time.Time
}

// Ready returns what is to be sent and done since it was last called. Call Verdicts before: verdicts
// reached are part of what a node says.
func (l *Ledger) Ready(now time.Time) Ready {
	l.refresh(now)
	r := Ready{Pulls: l.out.pulls, Hints: l.out.hints, Persist: l.out.persist, Reset: l.out.reset,
		Duplicate: l.out.duplicate, Outbid: l.out.outbid, Alarms: l.out.alarms}
	for _, key := range slices.Sorted(maps.Keys(l.out.unsent)) {
		if e := l.self.regs[key]; e != nil {
			r.Publish = append(r.Publish, e.register(now))
		}
	}
	slices.SortFunc(l.out.shared, compareCells)
	for _, key := range slices.Compact(l.out.shared) {
		r.Publish = append(r.Publish, l.current(key, now)...)
	}
	l.stats.PullsSent += uint64(len(r.Pulls))
	l.out = outbox{unsent: map[string]struct{}{}}
	if !now.Before(l.beatAt) {
		r.Heartbeat = l.heartbeat(now)
		l.beaten = now
		l.beatAt = l.beatAt.Add(beatInterval)
		if !l.beatAt.After(now) || l.beatAt.Sub(now) > beatInterval {
			l.beatAt = now.Add(beatInterval)
		}
	}
	return r
}

// beatNow makes a heartbeat due at once; beatSoon as soon as it does no harm when many ask for one.
func (l *Ledger) beatNow(now time.Time) { l.beatAt = now }

func (l *Ledger) beatSoon(now time.Time) {
	soon := l.beaten.Add(beatLeast)
	if soon.Before(now) {
		soon = now
	}
	if soon.Before(l.beatAt) {
		l.beatAt = soon
	}
}

// heartbeat makes the next heartbeat.
func (l *Ledger) heartbeat(now time.Time) *Heartbeat {
	l.beats++
	h := &Heartbeat{
		Node: l.cfg.Node, Incarnation: l.self.incarnation, Instance: l.cfg.Instance, Counter: l.beats,
		Starting: l.starting, Abstains: l.abstains,
		Own: l.self.current, Shared: l.shared.digest, Zones: l.zones,
		Recent: l.repeat(now),
	}
	h.Fresh, h.All = l.digests()
	for _, o := range l.order {
		switch {
		case o == l.self:
		case now.Sub(o.contested) < 2*beatInterval:
			h.Heard = append(h.Heard, Hearsay{Node: o.name, Incarnation: o.incarnation})
		case o.fresh:
			h.Heard = append(h.Heard, Hearsay{Node: o.name, Incarnation: o.incarnation, Counter: o.counter,
				Starting: o.starting, Abstains: o.abstains})
		}
	}
	return h
}

// repeat returns the latest registers of our own writing, as many as fit.
func (l *Ledger) repeat(now time.Time) (rs []Register) {
	l.recent = slices.DeleteFunc(l.recent, func(r recent) bool { return now.Sub(r.when) > recentTime })
	seen, size := map[cellKey]bool{}, 0
	for _, item := range slices.Backward(l.recent) {
		if seen[item.cell] {
			continue
		}
		seen[item.cell] = true
		for _, r := range l.current(item.cell, now) {
			if size += len(r.Key) + len(r.Payload) + len(r.Writer); size > recentBytes {
				return rs
			}
			rs = append(rs, r)
		}
	}
	return rs
}

// current returns what stands of a register of our own writing.
func (l *Ledger) current(key cellKey, now time.Time) (rs []Register) {
	if key.kind == KindObservation {
		if e := l.self.regs[key.key]; e != nil {
			rs = append(rs, e.register(now))
		}
		return rs
	}
	if c := l.shared.cells[key]; c != nil {
		for _, v := range c.versions {
			rs = append(rs, v.register(now))
		}
	}
	return rs
}

// send has a register of our own writing published.
func (l *Ledger) send(kind Kind, key string, now time.Time) {
	cell := cellKey{kind: kind, key: key}
	if kind == KindObservation {
		l.out.unsent[key] = struct{}{}
	} else {
		l.out.shared = append(l.out.shared, cell)
	}
	if len(l.recent) == maxRecent {
		l.recent = append(l.recent[:0], l.recent[maxRecent/2:]...) // the latest matter most
	}
	l.recent = append(l.recent, recent{cell, now})
}

func (l *Ledger) pull(from, owner string) {
	p := Pull{From: from, Owner: owner}
	if !slices.Contains(l.out.pulls, p) && len(l.out.pulls) < 2*maxOwners {
		l.out.pulls = append(l.out.pulls, p)
	}
}

// hint asks for a probe of a target that a peer has trouble with.
func (l *Ledger) hint(o *owner, key string) {
	h := l.keys[key]
	if h != nil && o.votes() && !o.abstains && len(l.out.hints) < len(l.list) {
		l.out.hints = append(l.out.hints, h.target)
	}
}

func (l *Ledger) alarm(text string) {
	switch {
	case slices.Contains(l.out.alarms, text):
	case len(l.out.alarms) >= maxAlarms:
		l.stats.AlarmsLost++
	default:
		l.out.alarms = append(l.out.alarms, text)
	}
}
