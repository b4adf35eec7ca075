package checks

import "time"

// Hear takes in a heartbeat that came from its node directly.
func (l *Ledger) Hear(h Heartbeat, now time.Time) {
	l.refresh(now)
	if h.Incarnation > maxIncarnation {
		l.stats.Refused++
		return
	}
	if h.Node == l.cfg.Node {
		l.hearSelf(h, now)
		return
	}
	o := l.ownerOf(h.Node, now)
	if o == nil {
		return
	}
	switch {
	case h.Incarnation < o.incarnation:
		o.contested = now // it lost count: hearsay will tell it
		return
	case h.Incarnation > o.incarnation:
		l.renew(o, h.Incarnation, now)
	}
	if o.instance == 0 {
		o.instance = h.Instance
	}
	if h.Instance != o.instance {
		if !o.cloned {
			o.cloned = true
			l.alarm("two nodes call themselves " + h.Node)
		}
		if !o.fresh { // the other has gone: hearsay will tell this one to begin anew
			l.renew(o, o.incarnation+1, now)
			o.contested = now
		}
		return
	}
	l.Merge(h.Recent, now)
	if h.Counter <= o.direct {
		return // a replay is no sign of life
	}
	o.direct, o.heardDirect = h.Counter, now
	current := h.Counter >= o.counter
	l.advance(o, h.Counter, now)
	for _, s := range h.Heard {
		l.hearsay(s, now)
	}
	if !current {
		return // hearsay was faster, and what this claims is old
	}
	l.flags(o, h.Starting, h.Abstains)
	if o.zones != h.Zones {
		o.zones = h.Zones
		if h.Zones != l.zones && l.configured {
			l.alarm("node " + o.name + " serves other zone content")
		}
	}
	o.claimed, o.claimedShared, o.whole = h.Own, h.Shared, h.All
	l.compare(o, h, now)
}

// advance notes a sign of life.
func (l *Ledger) advance(o *owner, counter uint64, now time.Time) {
	if counter <= o.counter {
		return
	}
	o.counter, o.heard = counter, now
	l.lastPeer = now
	if !o.fresh {
		o.fresh = true
		l.lapse = time.Time{}
		l.nodesNews = true
		l.beatSoon(now) // so that it need not wait for our next
	}
	if l.offline {
		l.endOffline(now)
	}
}

func (l *Ledger) flags(o *owner, starting, abstains bool) {
	o.starting = starting
	if o.abstains != abstains {
		o.abstains = abstains
		l.touchAll(o)
	}
}

// hearsay takes in what a peer has heard of another node.
func (l *Ledger) hearsay(s Hearsay, now time.Time) {
	if s.Incarnation > maxIncarnation {
		l.stats.Refused++
		return
	}
	if s.Node == l.cfg.Node {
		if s.Incarnation > l.self.incarnation || s.Incarnation == l.self.incarnation && s.Counter > l.beats {
			l.outbid(s.Incarnation, now)
		}
		return
	}
	o := l.ownerOf(s.Node, now)
	if o == nil || s.Incarnation < o.incarnation || s.Counter == 0 {
		return
	}
	if s.Incarnation > o.incarnation {
		l.renew(o, s.Incarnation, now)
	}
	if s.Counter > o.counter {
		l.stats.HearsayOnly++
		l.advance(o, s.Counter, now)
		l.flags(o, s.Starting, s.Abstains)
	}
}

// compare holds what a heartbeat claims against what is here, and asks for what is missing.
func (l *Ledger) compare(o *owner, h Heartbeat, now time.Time) {
	if o.had(h.Own, now) {
		l.agree(o)
		if !h.Starting {
			l.forgetFormer(o) // what it has not replaced it no longer says
		}
	} else {
		if o.disagrees.IsZero() {
			o.disagrees, o.pulls = now, 0
			l.lapse = time.Time{}
		}
		l.pull(l.whomToAsk(o), o.name)
		o.pulls++
	}
	l.compareShared(o, h)
	if !l.answered || l.starting && !l.takenBack {
		l.pull(o.name, l.cfg.Node)
	}
	l.noteExchange()
	l.compareOthers(o, h, now)
}

// agree notes that our copy of a peer's registers is complete.
func (l *Ledger) agree(o *owner) {
	o.disagrees, o.pulls = time.Time{}, 0
	if !o.vouched {
		o.vouched = true
		l.touchAll(o)
	}
}

// noteExchange notes that there is a peer of which we have everything, and which has told what we were.
func (l *Ledger) noteExchange() {
	for _, o := range l.order {
		if l.answered && !l.exchanged && o != l.self && o.votes() && o.claimedShared == l.shared.digest {
			l.exchanged = true
		}
	}
}

// whomToAsk returns whom to ask for the registers of o: itself first, then by turns itself and a node
// whose ledger is the same as its own.
func (l *Ledger) whomToAsk(o *owner) string {
	if o.pulls%2 == 1 {
		for _, other := range l.order {
			if other != o && other != l.self && other.votes() && other.whole == o.whole {
				return other.name
			}
		}
	}
	return o.name
}

// sharedWaitMost bounds how rarely a peer is asked that keeps differing: one with registers that this
// version refuses, for example.
const sharedWaitMost = 60

func (l *Ledger) compareShared(o *owner, h Heartbeat) {
	switch {
	case h.Shared == l.shared.digest:
		o.sharedWait, o.sharedSkip = 0, 0
	case o.sharedSkip > 0:
		o.sharedSkip--
	default:
		l.pull(o.name, "")
		o.sharedSkip = o.sharedWait
		o.sharedWait = min(2*o.sharedWait+1, sharedWaitMost)
	}
}

// compareOthers looks after the nodes that are known by hearsay only, as is one whose messages are lost
// on the way to us alone. The whole ledger of the peer o vouches for them; if it differs from ours while
// the same nodes vote, o is asked for their registers.
func (l *Ledger) compareOthers(o *owner, h Heartbeat, now time.Time) {
	var unheard, missing []*owner
	for _, x := range l.order {
		if x != l.self && x != o && x.fresh && now.Sub(x.heardDirect) >= 2*beatInterval {
			unheard = append(unheard, x)
			if !x.vouched {
				missing = append(missing, x)
			}
		}
	}
	if len(unheard) == 0 || !o.votes() {
		return
	}
	fresh, all := l.digests()
	if h.Fresh == fresh {
		if h.All != all {
			for _, x := range unheard {
				l.pullOf(o, x, now)
			}
		}
		return
	}
	for _, x := range missing {
		fresh += digestOfName(x.name)
		all += x.current + x.former
	}
	if h.Fresh != fresh {
		return
	}
	for _, x := range missing {
		if h.All == all {
			l.agree(x)
			if !x.starting {
				l.forgetFormer(x)
			}
		} else {
			l.pullOf(o, x, now)
		}
	}
}

// pullOf asks o for the registers of another node; as everyone vouches, everyone would be asked.
func (l *Ledger) pullOf(o, x *owner, now time.Time) {
	if now.Sub(x.asked) >= 2*beatInterval {
		x.asked = now
		l.pull(o.name, x.name)
	}
}

// digests returns those of the set of nodes that vote, or would if they did not abstain, and of the
// whole ledger.
func (l *Ledger) digests() (fresh, all Digest) {
	all = l.shared.digest
	for _, o := range l.order {
		if o.votes() {
			fresh += digestOfName(o.name)
			all += o.current + o.former
		}
	}
	return fresh, all
}
