package checks

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Merge takes registers in, from whomever they come, and reports whether one of them was news. Merging
// commutes, associates and is idempotent. A register is no sign of life of its writer.
func (l *Ledger) Merge(rs []Register, now time.Time) (news bool) {
	l.refresh(now)
	var from map[*owner]struct{}
	for _, r := range rs {
		if len(r.Key) > MaxKey || len(r.Payload) > MaxPayload || r.Writer == "" ||
			len(r.Writer) > maxNodeName || r.Version.Incarnation > maxIncarnation {
			l.stats.Refused++
			continue
		}
		r.Age = max(r.Age, 0)
		switch {
		case r.Kind != KindObservation:
			news = l.mergeShared(r, now) || news
		case r.Writer == l.cfg.Node:
			news = l.mergeOwn(r, now) || news
		default:
			o := l.mergeObservation(r, now)
			if o == nil {
				continue
			}
			news = true
			if from == nil {
				from = map[*owner]struct{}{}
			}
			from[o] = struct{}{}
		}
	}
	for o := range from {
		o.note(now)
		l.settle(o, now)
	}
	return news
}

// mergeShared takes in a register that any node may write.
func (l *Ledger) mergeShared(r Register, now time.Time) bool {
	news, ok := l.shared.merge(r, now)
	switch {
	case !ok:
		l.stats.Refused++
	case news && cellOf(r).writer != "":
		l.stats.Unknown++
	}
	l.out.persist = l.out.persist || news
	return news
}

// agesDiffer is by how much two ages of one state differ before they are taken to have begun at
// different times.
const agesDiffer = 2 * time.Second

// mergeObservation takes in a peer's observation and returns the peer if it was news.
func (l *Ledger) mergeObservation(r Register, now time.Time) *owner {
	o := l.ownerOf(r.Writer, now)
	if o == nil || r.Version.Incarnation < o.floor {
		return nil
	}
	if r.Version.Incarnation > o.incarnation {
		l.renew(o, r.Version.Incarnation, now)
	}
	old := o.regs[r.Key]
	switch {
	case old != nil && !newer(r, old.reg):
		return nil
	case old == nil && len(o.regs) >= maxPerOwner:
		l.stats.Refused++
		return nil
	}
	e := newEntry(r, now)
	if !e.ok {
		l.stats.Unreadable++
	}
	if old != nil && old.obs.State == e.obs.State && e.since.Sub(old.since).Abs() < agesDiffer {
		e.since = old.since // what moved is the time of travel
	}
	if old != nil && old.reg.Version.Incarnation == r.Version.Incarnation && e.obs.Alarm > old.obs.Alarm ||
		old != nil && o.isFormer(old) && e.obs.Alarm > 0 {
		l.hint(o, r.Key)
	}
	if old == nil || old.reg.Gone != r.Gone {
		l.holdings++
	}
	o.put(e)
	l.touchKey(r.Key)
	return o
}

// renew begins an incarnation of a peer. If it was here all the time, its former votes stand until it
// replaces them; a node that was away, or whose registers came long before it, starts with none.
func (l *Ledger) renew(o *owner, incarnation uint64, now time.Time) {
	o.renew(incarnation)
	if !o.fresh && now.Sub(o.created) >= l.cfg.VoteExpiry {
		l.forgetFormer(o)
	}
	o.starting = true
	l.touchAll(o)
}

func (l *Ledger) forgetFormer(o *owner) {
	for _, key := range o.forgetFormer() {
		l.touchKey(key)
		l.holdings++
	}
}

// mergeOwn takes back what this node said before it restarted. What it cannot have said shows that it
// lost count, or that there are two of its name.
func (l *Ledger) mergeOwn(r Register, now time.Time) bool {
	v := r.Version
	if v.Incarnation > l.self.incarnation || v.Incarnation == l.self.incarnation && v.Seq > l.seq {
		l.outbid(v.Incarnation, now)
	}
	h := l.keys[r.Key]
	if h == nil || !l.starting || v.Incarnation >= l.self.incarnation || r.Gone {
		return false
	}
	if old := l.self.regs[r.Key]; old != nil && !newer(r, old.reg) {
		return false
	}
	e := newEntry(r, now)
	if !e.ok {
		return false
	}
	l.self.put(e)
	h.reached = cmp.Or(h.reached, e.obs.Reached)
	l.touch(h)
	return true
}

// Full takes in all registers of one owner as the node from sent them. From the owner itself they
// replace what there was: what it no longer has is dropped. An empty owner stands for the registers
// with many writers.
func (l *Ledger) Full(from, owner string, incarnation uint64, rs []Register, now time.Time) {
	l.Merge(rs, now)
	switch {
	case owner == l.cfg.Node && from != l.cfg.Node:
		if incarnation > l.self.incarnation && incarnation <= maxIncarnation {
			l.outbid(incarnation, now)
		}
		l.answered = true
		if o := l.owners[from]; !l.takenBack && o != nil && !o.starting {
			l.takenBack = true
			l.writeMissing(now)
		}
	case owner == from && owner != "":
		o := l.owners[owner]
		if o == nil || incarnation != o.incarnation {
			return
		}
		has, last := make(map[string]struct{}, len(rs)), uint64(0)
		for _, r := range rs {
			has[r.Key] = struct{}{}
			last = max(last, r.Version.Seq)
		}
		if len(rs) == 0 {
			last = math.MaxUint64
		}
		// What is newer than all of these was written after they were sent; not so what is gone, which
		// may be the newest of all and long forgotten by its node.
		for key, e := range o.regs {
			if _, ok := has[key]; !ok && !o.isFormer(e) && (e.reg.Gone || e.reg.Version.Seq <= last) {
				o.drop(key)
				l.touchKey(key)
				l.holdings++
			}
		}
		o.note(now)
		if o.fresh {
			l.agree(o) // by its own word, whatever its heartbeats claimed before
		}
	}
	l.noteExchange()
}

// settle notes that our copy of a peer's registers has become what its last heartbeat claims.
func (l *Ledger) settle(o *owner, now time.Time) {
	if o.fresh && o.had(o.claimed, now) && now.Sub(o.heardDirect) < l.cfg.VoteExpiry {
		l.agree(o)
	}
}

// Answer returns what to send to a peer that asked for the registers of p.Owner: for "" those with many
// writers; for another node those it has a right to have counted, the oldest incarnation first.
func (l *Ledger) Answer(p Pull, now time.Time) (owner string, incarnation uint64, rs []Register) {
	l.refresh(now)
	if p.Owner == "" {
		return "", 0, l.shared.registers(now)
	}
	o := l.owners[p.Owner]
	if o == nil {
		return p.Owner, 0, nil
	}
	if !o.fresh {
		return p.Owner, o.incarnation, nil
	}
	for _, r := range o.registers(now) {
		if o != l.self || r.Version.Incarnation == o.incarnation {
			rs = append(rs, r)
		}
	}
	return p.Owner, o.incarnation, rs
}

// registers returns what o has, in a fixed order, the oldest incarnation first.
func (o *owner) registers(now time.Time) []Register {
	out := make([]Register, 0, len(o.regs))
	for _, e := range o.regs {
		out = append(out, e.register(now))
	}
	slices.SortFunc(out, func(a, b Register) int {
		return cmp.Or(cmp.Compare(a.Version.Incarnation, b.Version.Incarnation), cmp.Compare(a.Version.Seq, b.Version.Seq), cmp.Compare(a.Key, b.Key))
	})
	return out
}

// All returns everything a peer that joins is to have: the registers with many writers and those of the
// nodes that vote, in no order but that the oldest incarnation comes first.
func (l *Ledger) All(now time.Time) []Register {
	l.refresh(now)
	out := l.shared.registers(now)
	for _, o := range l.order {
		if !o.votes() {
			continue
		}
		out = slices.Grow(out, len(o.regs))
		for _, former := range [...]bool{true, false} { // or the newer would shut the older out
			for _, e := range o.regs {
				if o.isFormer(e) == former {
					out = append(out, e.register(now))
				}
			}
		}
	}
	return out
}

// Put writes a register of a kind with many writers and reports whether it is news: a choice may be
// known already, or have lost against one that came meanwhile. Key, Kind, Payload and Left are the caller's; an override is
// given the clock of a write that has seen everything this ledger holds.
func (l *Ledger) Put(r Register, now time.Time) bool {
	l.refresh(now)
	r.Writer, r.Version, r.Gone, r.Age = l.cfg.Node, Version{}, false, 0
	if r.Kind == KindOverride {
		o, err := DecodeOverride(r.Payload)
		if err != nil {
			l.stats.Refused++
			return false
		}
		o.Clock = nextClock(l.cfg.Node, l.self.incarnation, l.shared.clocks(r.Key))
		r.Payload = EncodeOverride(o)
	}
	if len(r.Key) > MaxKey || len(r.Payload) > MaxPayload {
		l.stats.Refused++
		return false
	}
	if !l.mergeShared(r, now) {
		return false
	}
	l.send(r.Kind, r.Key, now)
	return true
}
