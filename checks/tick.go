package checks

import (
	"cmp"
	"time"
)

// Times after which things are forgotten.
const (
	tombstoneAge = 10 * time.Minute // a removed target of our own
	ownerAge     = 15 * time.Minute // a node that is silent
	sweepEvery   = time.Minute
	youngVerdict = 60 * time.Second // a verdict on disk younger than this is as good as a vote of our own
)

// Tick does what is due by the clock alone. Call it at NextExpiry at the latest; a call that comes more
// than VoteExpiry late is taken for the end of a suspend.
func (l *Ledger) Tick(now time.Time) {
	if !l.ticked.IsZero() && now.Sub(l.ticked) > beatInterval+l.cfg.VoteExpiry {
		l.Woke(now)
	}
	l.ticked = now
	l.refresh(now)
	l.checkOffline(now)
	l.endStart(now)
	for _, r := range l.shared.expire(now) {
		l.out.persist = true
		l.send(r.Kind, r.Key, now)
	}
	if now.Sub(l.swept) >= sweepEvery {
		l.swept = now
		l.sweep(now)
	}
}

// NextExpiry returns when Tick is next due; it is never later than the next heartbeat.
func (l *Ledger) NextExpiry() time.Time {
	next := l.beatAt
	at := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	at(l.lapse)
	at(l.shared.deadline)
	if l.starting {
		at(l.started.Add(l.cfg.StartGrace))
	}
	return next
}

// sweep forgets what is long gone.
func (l *Ledger) sweep(now time.Time) {
	l.shared.forget(now)
	for key, e := range l.self.regs {
		if e.reg.Gone && now.Sub(e.since) >= tombstoneAge {
			l.self.drop(key) // peers find out by the digest
		}
	}
	kept := l.order[:0:0]
	for _, o := range l.order {
		last := o.heard
		if o.created.After(last) {
			last = o.created
		}
		if o == l.self || o.fresh || now.Sub(last) < ownerAge {
			kept = append(kept, o)
			continue
		}
		l.touchAll(o)
		delete(l.owners, o.name)
	}
	l.order = kept
}

// endStart ends the start once every target is observed, or its time has run out. From then on our
// registers are all that we say.
func (l *Ledger) endStart(now time.Time) {
	if !l.starting || (l.unseen > 0 || !l.configured) && now.Sub(l.started) < l.cfg.StartGrace {
		return
	}
	l.starting = false
	for _, h := range l.list {
		if h.late != Unknown {
			h.reached = cmp.Or(h.reached, h.late)
			l.touch(h)
		}
		l.publishOwn(h, now)
	}
	l.forgetFormer(l.self)
	l.beatNow(now)
}

// Starting reports whether the node still waits for observations; at most StartGrace after its start.
func (l *Ledger) Starting(now time.Time) bool {
	return l.starting && now.Sub(l.started) < l.cfg.StartGrace
}

// Exchanged reports whether the first exchange with a peer is complete: all of one peer's registers are
// here, those with many writers, and what this node said before it was restarted. A node without peers
// to join has nothing to wait for.
func (l *Ledger) Exchanged() bool { return l.exchanged }

// Restore takes in what Saved returned, as it was read from disk, and the time since it was written by
// the node's own clock; a negative time says that the clock cannot be trusted. Call it before Configure.
func (l *Ledger) Restore(saved []Register, off time.Duration, now time.Time) {
	trusted := off >= 0
	off = max(off, 0)
	for _, r := range saved {
		r.Age = max(r.Age, 0) + off
		if r.Kind == KindObservation {
			if !trusted {
				r.Age = max(r.Age, youngVerdict)
			}
			l.restoreVerdict(r, now)
			continue
		}
		if r.Left > 0 {
			r.Left = max(r.Left-off, 1) // what ran out meanwhile expires at once
		}
		if len(r.Key) > MaxKey || len(r.Payload) > MaxPayload {
			l.stats.Refused++
			continue
		}
		l.mergeShared(r, now)
	}
	l.out.persist = false
}

func (l *Ledger) restoreVerdict(r Register, now time.Time) {
	t, err := ParseTargetKey(r.Key)
	if err != nil {
		l.stats.Refused++
		return
	}
	o, err := DecodeObservation(r.Payload)
	if err != nil || r.Gone || o.Reached == Unknown || len(l.saved) >= maxPerOwner {
		return
	}
	l.saved[t] = saved{o.Reached, r.Age < youngVerdict, now.Add(-r.Age)}
}

// Inherit has the target to begin with the verdict of the target from, stale: the probe of an address
// changed, not the address. Call it before the Configure that brings the new one.
func (l *Ledger) Inherit(to, from Target) {
	if h := l.targets[from]; h != nil && h.verdict.State != Unknown {
		l.saved[to] = saved{h.verdict.State, true, h.lapsed}
	} else if h != nil && h.late != Unknown {
		l.saved[to] = saved{h.late, false, h.lapsed}
	} else if s, ok := l.saved[from]; ok {
		l.saved[to] = s
	}
}

// Saved returns what is to be on disk: the registers with many writers, and the verdict on every target
// as an observation of our own, whose age is the time since votes last made it.
func (l *Ledger) Saved(now time.Time) []Register {
	out := l.shared.registers(now)
	for _, h := range l.list {
		obs := h.obs
		if obs.Reached = cmp.Or(h.reached, h.late); obs.Reached == Unknown {
			continue
		}
		r := Register{Kind: KindObservation, Key: h.key, Writer: l.cfg.Node,
			Version: Version{l.self.incarnation, 0}, Payload: EncodeObservation(obs)}
		if !h.lapsed.IsZero() {
			r.Age = max(now.Sub(h.lapsed), 0)
		}
		out = append(out, r)
	}
	return out
}
