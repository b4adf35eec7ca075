package checks

import (
	"cmp"
	"slices"
	"time"
)

// A LedgerConfig says whose ledger it is.
type LedgerConfig struct {
	Node        string
	Incarnation uint64
	Instance    uint64 // random, not zero
	VoteExpiry  time.Duration
	StartGrace  time.Duration
	Nodes       int  // expected size of the cluster, at least 1
	Joining     bool // it has peers to hear from before it is complete
}

// A Ledger merges registers and yields verdicts. It is a plain state machine in the manner of
// raft.RawNode: no lock, no goroutine, no clock; one goroutine owns it, and now never goes back.
//
// Whoever drives it calls the method that fits what happened (Observe, Merge, Hear, Full, Put, Tick at
// NextExpiry), then Verdicts for the consequences, then Ready for what is to be sent and done.
type Ledger struct {
	cfg     LedgerConfig
	zones   Digest
	started time.Time

	self   *owner
	owners map[string]*owner
	order  []*owner  // by name
	lapse  time.Time // no peer ceases to vote before; zero: look

	targets  map[Target]*held
	list     []*held // the same, in the order of the configuration
	keys     map[string]*held
	interval time.Duration // the longest of any target
	remote   int           // targets not on this host whose last result was a success
	unseen   int           // targets without an observation since the start
	alone    int           // targets that we alone say are down
	saved    map[Target]saved
	shared   shared

	configured bool
	starting   bool
	answered   bool // a peer has told what we were, if anything
	takenBack  bool // one that was here all the time has
	exchanged  bool
	rival      rival
	absence

	seq    uint64
	beats  uint64 // the counter of our last heartbeat
	beatAt time.Time
	beaten time.Time // when the last one was made
	ticked time.Time
	swept  time.Time
	recent []recent

	dirty     []*held
	view      Snapshot
	gone      []Target
	holdings  uint64
	nodesNews bool // the set of fresh nodes, or who abstains, changed since the last snapshot
	out       outbox
	stats     LedgerStats
}

// held is a target that this node is configured with.
type held struct {
	target  Target
	key     string
	quorum  Quorum
	local   bool        // on this host
	obs     Observation // our own, latest
	seen    bool        // observed since the start
	failing time.Time   // since when our probes do not succeed; zero: they do, or nothing is known
	works   bool        // our last result was a success
	reached State       // the verdict last reached by votes here
	late    State       // one from disk that counts only when the start is over
	lapsed  time.Time   // since when no vote makes it; zero: votes do
	verdict Verdict
	at      time.Time // when it was reached; its ages are of then
	judged  bool
	dirty   bool
	alone   bool // we say down, most of the others say up
	// released is set once the node no longer holds the target.
	released bool
}

// saved is what an earlier run knew of a target.
type saved struct {
	state  State
	young  bool
	lapsed time.Time // when votes last made it
}

// LedgerStats counts what went wrong, since the start.
type LedgerStats struct {
	Refused     uint64 // registers beyond a limit or malformed
	Unreadable  uint64 // observations whose payload this version cannot read: carried, no vote
	Unknown     uint64 // registers of unknown kinds: carried
	Disagreed   uint64 // nodes that stopped voting here because registers differed
	AlarmsLost  uint64
	PullsSent   uint64
	Outbids     uint64
	HearsayOnly uint64 // advances of a counter that came by hearsay
}

// NewLedger returns an empty ledger that is starting.
func NewLedger(cfg LedgerConfig, now time.Time) *Ledger {
	cfg.Nodes = max(cfg.Nodes, 1)
	self := &owner{name: cfg.Node, incarnation: cfg.Incarnation, instance: cfg.Instance, created: now,
		fresh: true, vouched: true, regs: map[string]*entry{}}
	return &Ledger{
		cfg: cfg, started: now,
		self: self, owners: map[string]*owner{cfg.Node: self}, order: []*owner{self},
		targets: map[Target]*held{}, keys: map[string]*held{}, saved: map[Target]saved{},
		shared: newShared(), starting: true, exchanged: !cfg.Joining, beatAt: now,
		view: Snapshot{Self: cfg.Node, Nodes: cfg.Nodes}, nodesNews: true,
		out: outbox{unsent: map[string]struct{}{}},
	}
}

// Configure says which targets this node holds and how they are judged, which of them are on this host,
// and the digest of its zones. Targets it no longer holds are written as gone; a target it already
// held keeps everything.
func (l *Ledger) Configure(ws []Watch, local func(Target) bool, zones Digest, now time.Time) {
	l.refresh(now)
	l.zones = zones
	next, list := make(map[Target]*held, len(ws)), make([]*held, 0, len(ws))
	l.interval = 0
	for _, w := range ws {
		if next[w.Target] != nil {
			continue // the first by zone and check name counts
		}
		l.interval = max(l.interval, w.Interval)
		h := l.targets[w.Target]
		if h == nil {
			h = l.hold(w.Target)
		}
		if h.quorum != w.Quorum {
			h.quorum = w.Quorum
			l.touch(h)
		}
		l.setWorks(h, false)
		h.local = local(w.Target)
		l.setWorks(h, succeeds(h.obs))
		next[w.Target] = h
		list = append(list, h)
	}
	for _, h := range l.list {
		if next[h.target] == nil {
			l.release(h, now)
		}
	}
	l.targets, l.list, l.configured = next, list, true
	l.saved = map[Target]saved{}
	if l.mayPublishUnknown() {
		l.writeMissing(now)
	}
	l.endStart(now)
}

// hold begins to hold a target.
func (l *Ledger) hold(t Target) *held {
	h := &held{target: t, key: t.Key()}
	if s, ok := l.saved[t]; ok {
		h.lapsed = s.lapsed
		if s.young || !l.starting {
			h.reached = s.state
		} else {
			h.late = s.state
		}
	}
	if e := l.self.regs[h.key]; e != nil && e.reg.Gone {
		h.reached = cmp.Or(h.reached, e.obs.Reached)
	}
	l.keys[h.key] = h
	l.holdings++
	l.unseen++
	l.touch(h)
	return h
}

// release ceases to hold a target.
func (l *Ledger) release(h *held, now time.Time) {
	l.setWorks(h, false)
	if !h.seen {
		l.unseen--
	}
	if h.alone {
		l.alone--
	}
	h.released = true
	l.holdings++
	delete(l.keys, h.key)
	if h.judged {
		l.gone = append(l.gone, h.target)
	}
	e := l.self.regs[h.key]
	switch {
	case e == nil:
	case l.self.isFormer(e):
		l.self.drop(h.key)
	default:
		obs := Observation{Reached: h.reached}
		l.write(Register{Gone: true, Key: h.key, Payload: EncodeObservation(obs)}, obs, now, now)
	}
}

// Observe takes in that this node's own observation of a target changed. Targets it does not hold are
// ignored, and so is everything between a reset and the Ready that tells of it.
func (l *Ledger) Observe(t Target, o Observation, now time.Time) {
	l.refresh(now)
	h := l.targets[t]
	if h == nil || l.out.reset {
		return // what the runner found before it is told to begin anew is old
	}
	o.Reason = Reason(cut(string(o.Reason), MaxReason))
	h.obs = o
	if !h.seen && o.State != Unknown {
		h.seen = true
		l.unseen--
	}
	ok := succeeds(o)
	l.setWorks(h, ok)
	switch {
	case ok:
		h.failing = time.Time{}
	case h.failing.IsZero() && fails(o):
		h.failing = now
		defer l.checkOffline(now)
	}
	if ok && !h.local && l.offline {
		l.endOffline(now)
		return
	}
	l.publishOwn(h, now)
	l.endStart(now)
}

// succeeds reports whether the last result of an observation was a success; fails, whether it was none.
func succeeds(o Observation) bool {
	return o.Oks > 0 || o.State == Up && o.Fails == 0
}

func fails(o Observation) bool {
	return !succeeds(o) && (o.State != Unknown || o.Fails > 0 || o.Reason != "")
}

func (l *Ledger) setWorks(h *held, works bool) {
	if h.works != works {
		h.works = works
		if !h.local {
			if works {
				l.remote++
			} else {
				l.remote--
			}
		}
	}
}

// publishOwn writes our observation of a target if it says something new.
func (l *Ledger) publishOwn(h *held, now time.Time) {
	obs := h.obs
	obs.Reached = h.reached
	e := l.self.regs[h.key]
	former := e != nil && l.self.isFormer(e)
	if obs.State == Unknown && (former && l.starting || e == nil && !l.mayPublishUnknown()) {
		return // our vote from before the restart stands until there is a better one
	}
	if e != nil && !former && !e.reg.Gone {
		old := e.obs
		old.Latency, obs.Latency = 0, 0
		if old == obs {
			return
		}
		obs.Latency = h.obs.Latency
	}
	since := now
	if e != nil && !e.reg.Gone && e.obs.State == obs.State {
		since = e.since
	}
	l.write(Register{Key: h.key, Payload: EncodeObservation(obs)}, obs, since, now)
	l.touch(h)
}

// mayPublishUnknown reports whether there is nothing more to learn about what we said before a restart.
func (l *Ledger) mayPublishUnknown() bool { return !l.starting || l.takenBack }

// writeMissing writes that nothing is known of the targets that we have said nothing of, so that peers
// know that we hold them.
func (l *Ledger) writeMissing(now time.Time) {
	for _, h := range l.list {
		if e := l.self.regs[h.key]; e == nil || e.reg.Gone {
			l.publishOwn(h, now)
		}
	}
}

// write makes the next register of our own.
func (l *Ledger) write(r Register, obs Observation, since, now time.Time) {
	l.seq++
	r.Kind, r.Writer, r.Version = KindObservation, l.cfg.Node, Version{l.self.incarnation, l.seq}
	l.self.put(&entry{reg: r, obs: obs, ok: true, since: since})
	l.send(KindObservation, r.Key, now)
}

// touch has a target judged by the next Verdicts.
func (l *Ledger) touch(h *held) {
	if !h.dirty {
		h.dirty = true
		l.dirty = append(l.dirty, h)
	}
}

// touchKey does so by the key of a register.
func (l *Ledger) touchKey(key string) {
	if h := l.keys[key]; h != nil {
		l.touch(h)
	}
}

// touchAll has every target judged that a node has registers of.
func (l *Ledger) touchAll(o *owner) {
	l.nodesNews = true
	l.holdings++
	if o == l.self {
		for _, h := range l.list {
			l.touch(h)
		}
		return
	}
	for key := range o.regs {
		l.touchKey(key)
	}
}

// Keep says which registers with many writers are of something configured. Those of other things are
// kept for 30 days more.
func (l *Ledger) Keep(held func(kind Kind, key string) bool, now time.Time) { l.shared.keep(held, now) }

// ownerOf returns what is known of a node, beginning with nothing; nil when there is no room.
func (l *Ledger) ownerOf(name string, now time.Time) *owner {
	if o := l.owners[name]; o != nil {
		return o
	}
	if len(l.owners) >= maxOwners || name == "" || len(name) > maxNodeName {
		l.stats.Refused++
		return nil
	}
	o := &owner{name: name, created: now, regs: map[string]*entry{}}
	l.owners[name] = o
	i, _ := slices.BinarySearchFunc(l.order, name, func(o *owner, n string) int { return cmp.Compare(o.name, n) })
	l.order = slices.Insert(l.order, i, o)
	return o
}

// Expect says how many nodes there should be, this one included.
func (l *Ledger) Expect(nodes int) {
	if nodes = max(nodes, 1); nodes != l.cfg.Nodes {
		l.cfg.Nodes, l.view.Nodes, l.nodesNews = nodes, nodes, true
	}
}

// Stats returns the counters.
func (l *Ledger) Stats() LedgerStats { return l.stats }
