package checks

import (
	"cmp"
	"slices"
	"time"
)

// A rival is another node of our name, as far as it was heard.
type rival struct {
	instance    uint64
	incarnation uint64
	counter     uint64
	advances    int // since we outbid it
	outbidden   bool
	heard       time.Time
	muted       bool // it goes on, and has the greater incarnation: we do not vote
}

// rivalBeats is how often a rival that was outbid must be heard to be alive.
const rivalBeats = 3

// hearSelf takes in a heartbeat with our own name.
func (l *Ledger) hearSelf(h Heartbeat, now time.Time) {
	if h.Instance == l.cfg.Instance {
		return
	}
	v := &l.rival
	if v.instance != h.Instance {
		muted := v.muted
		*v = rival{instance: h.Instance, muted: muted}
	}
	if h.Incarnation < v.incarnation || h.Incarnation == v.incarnation && h.Counter <= v.counter {
		return
	}
	v.incarnation, v.counter, v.heard = h.Incarnation, h.Counter, now
	switch {
	case h.Incarnation >= l.self.incarnation && !v.outbidden:
		v.outbidden = true
		l.outbid(h.Incarnation, now)
		return
	case h.Incarnation < l.self.incarnation:
		v.outbidden = true // it will hear us and give way, or outbid us
	}
	v.advances++
	if v.advances < rivalBeats {
		return
	}
	lesser := l.self.incarnation < h.Incarnation || l.self.incarnation == h.Incarnation && l.cfg.Instance < h.Instance
	fatal := now.Sub(l.started) < l.cfg.StartGrace+2*l.cfg.VoteExpiry && l.younger(h)
	l.out.duplicate = &Duplicate{Incarnation: h.Incarnation, Instance: h.Instance, Fatal: fatal}
	if lesser && !v.muted {
		v.muted = true
		l.alarm("another node is called " + l.cfg.Node + ": this one does not vote")
		l.setAbstains(now)
	}
}

// younger reports whether this node was started after the rival: it has sent fewer heartbeats. Of two that
// were started together each must come to the same end, so there the instance decides.
func (l *Ledger) younger(h Heartbeat) bool {
	if l.beats+rivalBeats >= h.Counter && h.Counter+rivalBeats >= l.beats {
		return l.cfg.Instance < h.Instance
	}
	return l.beats < h.Counter
}

// refreshRival ends the silence of this node when the rival has gone.
func (l *Ledger) refreshRival(now time.Time) {
	if l.rival.instance == 0 || now.Sub(l.rival.heard) < l.cfg.VoteExpiry {
		return
	}
	muted, incarnation := l.rival.muted, l.rival.incarnation
	l.rival = rival{}
	if muted {
		l.outbid(incarnation, now)
		l.setAbstains(now)
	}
}

// outbid takes an incarnation above another one of our name and writes everything anew.
func (l *Ledger) outbid(incarnation uint64, now time.Time) {
	if l.rival.muted || incarnation < l.self.incarnation {
		return
	}
	l.stats.Outbids++
	var again []*entry
	for _, e := range l.self.regs {
		if !l.self.isFormer(e) {
			again = append(again, e)
		}
	}
	slices.SortFunc(again, func(a, b *entry) int { return cmp.Compare(a.reg.Version.Seq, b.reg.Version.Seq) })
	l.self.renew(incarnation + 1)
	l.self.instance = l.cfg.Instance
	for _, e := range again {
		l.write(e.reg, e.obs, e.since, now)
	}
	l.out.outbid = l.self.incarnation
	l.touchAll(l.self)
	l.beatNow(now)
}
