package checks

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Changes says what differs between two snapshots.
type Changes struct {
	Targets   []Target // whose verdict changed, or that are no longer held; by key
	Overrides []string // keys of registers with many writers
	Choices   []string
	LastGoods []string
	Serials   []string
	Nodes     bool // who is fresh, who abstains, or the majority
}

// Any reports whether anything changed.
func (c Changes) Any() bool {
	return c.Nodes || len(c.Targets)+len(c.Overrides)+len(c.Choices)+len(c.LastGoods)+len(c.Serials) > 0
}

// Verdicts judges what news has come about since the last call, and returns all verdicts with what
// changed. It costs as much as there is news.
func (l *Ledger) Verdicts(now time.Time) (*Snapshot, Changes) {
	l.refresh(now)
	var c Changes
	set := map[Target]judged{}
	for l.judgeDirty(set, now); len(l.dirty) > 0; l.judgeDirty(set, now) {
		continue // whether this node abstains changed by the verdicts, and changes others
	}
	c.Targets = make([]Target, 0, len(set)+len(l.gone))
	for t := range set {
		c.Targets = append(c.Targets, t)
	}
	var gone []Target
	for _, t := range l.gone {
		if h := l.targets[t]; h == nil || !h.judged {
			gone = append(gone, t)
			c.Targets = append(c.Targets, t)
		}
	}
	l.gone = nil
	slices.SortFunc(c.Targets, compareTargets)
	c.Targets = slices.Compact(c.Targets)
	l.view.At = now
	l.view.Verdicts = l.view.Verdicts.with(set, gone)
	l.viewShared(&c, now)
	l.viewNodes(&c)
	s := l.view
	return &s, c
}

func compareTargets(a, b Target) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Probe.Type, b.Probe.Type), slices.Compare(a.Probe.Sum[:], b.Probe.Sum[:]))
}

// judgeDirty judges the targets that have news and puts the verdicts that changed into set.
func (l *Ledger) judgeDirty(set map[Target]judged, now time.Time) {
	dirty := l.dirty
	l.dirty = nil
	for _, h := range dirty {
		h.dirty = false
		if h.released {
			continue
		}
		votes := l.votesOn(h, now)
		l.countAlone(h, votes)
		v := Judge(votes, h.quorum)
		if !v.Stale && v.State != Unknown && h.reached != v.State {
			h.reached = v.State
			if e := l.self.regs[h.key]; e != nil && !l.self.isFormer(e) {
				l.publishOwn(h, now)
			}
			h.dirty = false
		}
		switch {
		case v.Count > 0:
			h.lapsed = time.Time{}
		case h.lapsed.IsZero():
			h.lapsed = now
		}
		if !h.judged || !sameVerdict(judged{h.verdict, h.at}, judged{v, now}) {
			h.judged = true
			set[h.target] = judged{v, now}
		}
		h.verdict, h.at = v, now
	}
	l.dirty = slices.DeleteFunc(l.dirty, func(h *held) bool { return !h.dirty })
	l.setAbstains(now)
}

// votesOn gathers what every node says of a target, by name. We are always among them.
func (l *Ledger) votesOn(h *held, now time.Time) []Vote {
	votes := make([]Vote, 0, len(l.order))
	for _, o := range l.order {
		e := o.regs[h.key]
		switch {
		case e != nil && !e.reg.Gone && e.ok:
			votes = append(votes, Vote{Node: o.name, State: e.obs.State, Doubt: e.obs.InDoubt(), Reason: e.obs.Reason,
				Age: max(now.Sub(e.since), 0), Abstains: o.abstains, Stale: !o.votes(), Restarts: o.isFormer(e),
				Reached: e.obs.Reached})
		case o == l.self:
			votes = append(votes, Vote{Node: o.name, Reason: h.obs.Reason, Abstains: o.abstains})
		default:
			continue
		}
		if o == l.self {
			votes[len(votes)-1].Reached = h.reached
		}
	}
	return votes
}

// countAlone keeps the number of targets that we say are down and most of the others say are up.
func (l *Ledger) countAlone(h *held, votes []Vote) {
	down, ups, others := false, 0, 0
	for _, v := range votes {
		switch {
		case v.Node == l.cfg.Node:
			down = v.State == Down
		case !v.Stale && v.State != Unknown:
			others++
			if v.State == Up {
				ups++
			}
		}
	}
	alone := down && 2*ups > others
	if alone != h.alone {
		h.alone = alone
		if alone {
			l.alone++
		} else {
			l.alone--
		}
	}
}

// sameVerdict reports whether two verdicts on one target are the same but for the passing of time.
func sameVerdict(a, b judged) bool {
	if a.State != b.State || a.Stale != b.Stale || a.Doubt != b.Doubt || a.Need != b.Need ||
		a.Downs != b.Downs || a.Count != b.Count {
		return false
	}
	return slices.EqualFunc(a.Votes, b.Votes, func(v, w Vote) bool {
		since := a.when.Add(-v.Age).Equal(b.when.Add(-w.Age))
		v.Age, v.Reached = w.Age, w.Reached
		return since && v == w
	})
}

// viewShared brings the maps of registers with many writers up to date.
func (l *Ledger) viewShared(c *Changes, now time.Time) {
	changed := slices.SortedFunc(maps.Keys(l.shared.changed), compareCells)
	clear(l.shared.changed)
	for _, key := range changed {
		switch key.kind {
		case KindOverride:
			c.Overrides = append(c.Overrides, key.key)
		case KindChoice:
			c.Choices = append(c.Choices, key.key)
		case KindLastGood:
			c.LastGoods = append(c.LastGoods, key.key)
		case KindSerial:
			c.Serials = append(c.Serials, key.key)
		case KindCookies:
			if cell := l.shared.cells[key]; cell != nil && key.key == CookieKey {
				v := cell.versions[0]
				l.view.Cookies, l.view.CookiesDue = v.value.(CookieSecrets), v.deadline
			}
		}
	}
	l.view.Choices = l.view.Choices.with(c.Choices, func(key string) (Choice, bool) {
		v, ok := l.first(KindChoice, key)
		choice, _ := v.value.(Choice)
		choice.Since = v.since
		return choice, ok
	})
	l.view.LastGoods = l.view.LastGoods.with(c.LastGoods, func(key string) (LastGood, bool) {
		v, ok := l.first(KindLastGood, key)
		good, _ := v.value.(LastGood)
		return good, ok
	})
	if len(c.Serials) > 0 {
		l.view.Serials = l.serials(c.Serials)
	}
	// Overrides carry ages: they are few, and rendered again so that these are true to the second.
	if len(c.Overrides) > 0 || len(l.view.Overrides) > 0 && now.Sub(l.view.OverridesAt) >= time.Second {
		l.viewOverrides(c.Overrides, now)
	}
}

func (l *Ledger) viewOverrides(changed []string, now time.Time) {
	next := make(map[string]Override, len(l.view.Overrides)+len(changed))
	render := func(key string) {
		if cell := l.shared.cells[cellKey{kind: KindOverride, key: key}]; cell != nil {
			next[key] = cell.view(now)
		}
	}
	for key := range l.view.Overrides {
		render(key)
	}
	for _, key := range changed {
		render(key)
	}
	l.view.Overrides, l.view.OverridesAt = next, now
}

// first returns the version that counts of a register with many writers, if there is one.
func (l *Ledger) first(kind Kind, key string) (version, bool) {
	c := l.shared.cells[cellKey{kind: kind, key: key}]
	if c == nil {
		return version{}, false
	}
	return c.versions[0], true
}

// serials returns the serials with those that the changed keys have now; they are few.
func (l *Ledger) serials(changed []string) map[string]Serial {
	next := maps.Clone(l.view.Serials)
	if next == nil {
		next = map[string]Serial{}
	}
	for _, key := range changed {
		if v, ok := l.first(KindSerial, key); ok {
			next[key] = v.value.(Serial)
		} else {
			delete(next, key)
		}
	}
	return next
}

// viewNodes brings the sets of nodes up to date.
func (l *Ledger) viewNodes(c *Changes) {
	if !l.nodesNews {
		return
	}
	l.nodesNews = false
	fresh, voters := []string{}, []string{}
	for _, o := range l.order {
		if o.votes() {
			fresh = append(fresh, o.name)
			if !o.abstains {
				voters = append(voters, o.name)
			}
		}
	}
	// A node of which only hearsay is known counts for nothing: what it says is not part of our verdicts.
	majority := 2*len(fresh) >= l.cfg.Nodes
	if !slices.Equal(fresh, l.view.Fresh) || !slices.Equal(voters, l.view.Voters) ||
		l.view.Abstains != l.abstains || l.view.Majority != majority {
		c.Nodes = true
	}
	l.view.Fresh, l.view.Voters, l.view.Abstains, l.view.Majority = fresh, voters, l.abstains, majority
}

// HoldersVersion changes whenever the Holders of some target do.
func (l *Ledger) HoldersVersion() uint64 { return l.holdings }

// Holders returns the fresh nodes that hold a target, sorted, this one among them if it does: the rank of
// a node's slot is its place.
func (l *Ledger) Holders(t Target) (nodes []string) {
	h := l.targets[t]
	key := t.Key()
	for _, o := range l.order {
		if o == l.self {
			if h != nil {
				nodes = append(nodes, o.name)
			}
			continue
		}
		if e := o.regs[key]; e != nil && !e.reg.Gone && o.votes() {
			nodes = append(nodes, o.name)
		}
	}
	return nodes
}

// Undecided returns how many targets have no verdict yet, as of the last Verdicts.
func (l *Ledger) Undecided() (n int) {
	for _, h := range l.list {
		if h.verdict.State == Unknown {
			n++
		}
	}
	return n
}

// A Peer is what the ledger knows of one node, this one included.
type Peer struct {
	Node        string
	Incarnation uint64
	Instance    uint64
	Self        bool
	Fresh       bool // heard of within VoteExpiry
	Votes       bool // fresh, and our copy of its registers is complete
	Agrees      bool // the digests agreed last time
	Abstains    bool
	Starting    bool
	Silent      time.Duration // since its heartbeat last advanced
	Counter     uint64
	Zones       Digest // of the content of its zones; 0 before it was heard
	Shared      bool   // it holds the registers with many writers that are here, by its last heartbeat
	Own         Digest // of our copy of its registers
	Registers   int
	Former      int // of these, from before it restarted
}

// Peers returns the nodes known, by name.
func (l *Ledger) Peers(now time.Time) []Peer {
	l.refresh(now)
	peers := make([]Peer, 0, len(l.order))
	for _, o := range l.order {
		p := Peer{Node: o.name, Incarnation: o.incarnation, Instance: o.instance, Self: o == l.self,
			Fresh: o.fresh, Votes: o.votes(), Agrees: o.vouched && o.disagrees.IsZero(), Abstains: o.abstains,
			Starting: o.starting, Counter: o.counter, Zones: o.zones, Own: o.current,
			Shared:    o == l.self || o.claimedShared == l.shared.digest,
			Registers: len(o.regs), Former: o.formers}
		if o == l.self {
			p.Zones, p.Counter, p.Starting = l.zones, l.beats, l.starting
		} else if !o.heard.IsZero() {
			p.Silent = now.Sub(o.heard)
		}
		peers = append(peers, p)
	}
	return peers
}
