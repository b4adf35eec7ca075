package checks

import "time"

// absence is what a ledger knows about its own node being cut off.
type absence struct {
	offline  bool
	abstains bool      // as the heartbeat says it
	lastPeer time.Time // when a peer was last heard; zero: never, or before a suspend
}

// refresh brings up to now what depends on time alone: who is fresh, and who may vote. It is the first
// thing that every method does.
func (l *Ledger) refresh(now time.Time) {
	l.refreshRival(now)
	if now.Before(l.lapse) {
		return
	}
	l.checkOffline(now) // before votes are expired
	l.lapse = now.Add(l.cfg.VoteExpiry)
	for _, o := range l.order {
		switch {
		case o == l.self || !o.fresh:
			continue
		case now.Sub(o.heard) >= l.cfg.VoteExpiry:
			l.silence(o)
			continue
		case o.vouched && !o.disagrees.IsZero() && now.Sub(o.disagrees) >= disagreeTime:
			o.vouched = false
			l.stats.Disagreed++
			l.alarm("registers of node " + o.name + " differ from what it says: it does not vote here")
			l.touchAll(o)
		case o.vouched && !o.disagrees.IsZero():
			l.lapseBy(o.disagrees.Add(disagreeTime))
		}
		l.lapseBy(o.heard.Add(l.cfg.VoteExpiry))
	}
}

func (l *Ledger) lapseBy(t time.Time) {
	if t.Before(l.lapse) {
		l.lapse = t
	}
}

// silence takes the vote of a node that is not heard any more. What it said before it restarts does not
// come back.
func (l *Ledger) silence(o *owner) {
	o.fresh, o.vouched, o.disagrees = false, false, time.Time{}
	l.forgetFormer(o)
	l.touchAll(o)
}

// checkOffline finds out whether this node has lost its network: it had peers, the last fell silent, and
// no target outside this host works any more, all within 2 x VoteExpiry and the longest interval.
// Targets that had failed long before say nothing.
func (l *Ledger) checkOffline(now time.Time) {
	if l.offline || l.remote > 0 || l.lastPeer.IsZero() || now.Sub(l.lastPeer) < l.cfg.VoteExpiry {
		return
	}
	window := 2*l.cfg.VoteExpiry + l.interval
	if now.Sub(l.lastPeer) > window+l.cfg.VoteExpiry {
		return // it lost them earlier
	}
	first, last, failed := l.lastPeer, l.lastPeer, 0
	for _, h := range l.list {
		if h.local || h.failing.IsZero() || l.lastPeer.Sub(h.failing) > window {
			continue
		}
		failed++
		if h.failing.Before(first) {
			first = h.failing
		}
		if h.failing.After(last) {
			last = h.failing
		}
	}
	if failed > 0 && last.Sub(first) <= window {
		l.offline = true
		l.alarm("offline: no peer is heard and no target outside this host works; this node abstains")
		l.setAbstains(now)
	}
}

// endOffline begins anew with every observation unknown.
func (l *Ledger) endOffline(now time.Time) {
	l.offline = false
	l.alarm("online again")
	l.forgetOwn("was offline", now)
	l.setAbstains(now)
}

// forgetOwn makes every own observation unknown and tells the runner so. The verdicts last reached stay.
func (l *Ledger) forgetOwn(why Reason, now time.Time) {
	for _, h := range l.list {
		l.setWorks(h, false)
		h.failing = time.Time{}
		h.obs = Observation{Reason: why, Alarm: h.obs.Alarm}
		l.publishOwn(h, now)
	}
	l.out.reset = true
}

// setAbstains brings the flag of the heartbeat up to date.
func (l *Ledger) setAbstains(now time.Time) {
	abstains := l.offline || l.rival.muted || l.alone >= aloneLeast && 2*l.alone > len(l.list)
	if abstains == l.abstains {
		return
	}
	l.abstains, l.self.abstains = abstains, abstains
	l.touchAll(l.self)
	l.beatNow(now)
}

// aloneLeast is the least number of targets that a node must be alone in seeing down.
const aloneLeast = 3

// Woke says that this node was suspended: its own observations are old, and no peer is fresh until it is
// heard. Answers stay meanwhile, as what was last reached stays.
func (l *Ledger) Woke(now time.Time) {
	l.ticked = now
	l.offline, l.lastPeer = false, time.Time{}
	for _, o := range l.order {
		if o != l.self && o.fresh {
			l.silence(o)
		}
	}
	l.forgetOwn("woke from a suspend", now)
	l.setAbstains(now)
	l.lapse = time.Time{}
	l.refresh(now)
}
