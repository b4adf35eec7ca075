package zones

import (
	"net/netip"
	"slices"
	"time"

	"vitalns/checks"
)

// A Table is a Set and what its pools answer now. It is immutable: a verdict makes a new one, which
// shares all that did not change.
type Table struct {
	set      *Set
	answers  pages
	timed    []timed  // the pools with a Next, by id
	wanting  []PoolID // the pools that want something written, ascending
	serials  map[string]checks.Serial
	majority bool // of the snapshot: it decides who moves for itself
}

// pages hold an answer by PoolID and, beside it, what most queries need of it, in two levels, of which a change
// copies the pages it is about, of at most 4 kB each, and the upper level, 8 bytes for each page.
type pages struct {
	answers []*[pageSize]*PoolAnswer
	turns   [2][]*turns // of ip4 and ip6
}

const pageSize = 32

func newPages(n int) (ps pages) {
	for range (n + pageSize - 1) / pageSize {
		ps.answers = append(ps.answers, new([pageSize]*PoolAnswer))
		for f := range ps.turns {
			ps.turns[f] = append(ps.turns[f], new(turns))
		}
	}
	return ps
}

func (ps *pages) at(id PoolID) *PoolAnswer { return ps.answers[id/pageSize][id%pageSize] }

// put puts in the answer of one pool, in place.
func (ps *pages) put(a *PoolAnswer) {
	page, i := a.ID/pageSize, a.ID%pageSize
	ps.answers[page][i] = a
	for f := range ps.turns {
		ps.turns[f][page][i] = a.by[f].turn(family(f))
	}
}

// with returns the pages with these answers put in, which are ascending by id. ps is not changed.
func (ps *pages) with(answers []*PoolAnswer) pages {
	next := pages{answers: slices.Clone(ps.answers)}
	last := -1
	for _, a := range answers {
		page := int(a.ID / pageSize)
		if page != last {
			own := *next.answers[page]
			next.answers[page], last = &own, page
		}
		next.answers[page][a.ID%pageSize] = a
	}
	for f := range ps.turns {
		next.turns[f] = withTurns(ps.turns[f], family(f), answers)
	}
	return next
}

type timed struct {
	id PoolID
	at time.Time
}

// NewTable resolves every pool of a set.
func NewTable(s *Set, in *checks.Snapshot) *Table {
	t := &Table{set: s, answers: newPages(len(s.pools)), serials: in.Serials, majority: in.Majority}
	for id := range s.pools {
		a := resolve(s, in, PoolID(id))
		t.answers.put(a)
		if !a.Next.IsZero() {
			t.timed = append(t.timed, timed{a.ID, a.Next})
		}
		if len(a.wants) > 0 {
			t.wanting = append(t.wanting, a.ID)
		}
	}
	return t
}

// Resolve makes the next table from the last: only the pools in changed, those whose time has come by
// in.At, and serials differ. It equals NewTable from the same snapshot if changed has all pools that the
// news is about (Set.Touched).
func Resolve(last *Table, in *checks.Snapshot, changed []PoolID) *Table {
	if last.majority != in.Majority {
		return NewTable(last.set, in)
	}
	changed = append(slices.Clone(changed), last.Due(in.At)...)
	slices.Sort(changed)
	changed = slices.Compact(changed)
	t := &Table{set: last.set, answers: last.answers, serials: in.Serials, majority: in.Majority}
	t.timed, t.wanting = last.timed, last.wanting
	if len(changed) == 0 {
		return t
	}
	answers := make([]*PoolAnswer, 0, len(changed))
	var due []timed
	var want []PoolID
	for _, id := range changed {
		a := resolve(t.set, in, id)
		answers = append(answers, a)
		if !a.Next.IsZero() {
			due = append(due, timed{id, a.Next})
		}
		if len(a.wants) > 0 {
			want = append(want, id)
		}
	}
	t.answers = last.answers.with(answers)
	t.timed = replace(last.timed, due, changed, func(d timed) PoolID { return d.id })
	t.wanting = replace(last.wanting, want, changed, func(id PoolID) PoolID { return id })
	return t
}

// replace returns the old entries without those of the changed pools, and the new ones, by id. All three
// are ascending.
func replace[T any](old, add []T, changed []PoolID, id func(T) PoolID) []T {
	if len(old)+len(add) == 0 {
		return nil
	}
	out := make([]T, 0, len(old)+len(add))
	for _, e := range old {
		for len(changed) > 0 && changed[0] < id(e) {
			changed = changed[1:]
		}
		for len(add) > 0 && id(add[0]) < id(e) {
			out, add = append(out, add[0]), add[1:]
		}
		if len(changed) == 0 || changed[0] != id(e) {
			out = append(out, e)
		}
	}
	if out = append(out, add...); len(out) == 0 {
		return nil
	}
	return out
}

// Touched returns the pools that Resolve is to be given after this news of a ledger, ascending.
func (s *Set) Touched(c checks.Changes) []PoolID {
	ids := s.PoolsOf(c.Targets)
	for _, keys := range [][]string{c.Overrides, c.Choices, c.LastGoods} {
		ids = append(ids, s.PoolsOfKeys(keys)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Due returns the pools that time alone may have changed by now: it is time to Resolve them.
func (t *Table) Due(now time.Time) []PoolID {
	var ids []PoolID
	for _, d := range t.timed {
		if !d.at.After(now) {
			ids = append(ids, d.id)
		}
	}
	return ids
}

// NextChange returns when time alone may first change a table: a hold that is over, an override that
// expires, a TTL that steps. Zero: never. It is time to Resolve then.
func NextChange(t *Table) time.Time {
	var next time.Time
	for _, d := range t.timed {
		if next.IsZero() || d.at.Before(next) {
			next = d.at
		}
	}
	return next
}

// Set returns the zones of the table.
func (t *Table) Set() *Set { return t.set }

// Pool returns the answer of a pool.
func (t *Table) Pool(p PoolID) *PoolAnswer { return t.answers.at(p) }

// Serial returns the SOA serial of a zone: its own where it gives one, else the cluster's.
func (t *Table) Serial(zone ZoneID) uint32 {
	z := &t.set.zones[zone]
	if z.SOA.Serial != 0 {
		return z.SOA.Serial
	}
	return max(t.serials[z.Label].Number, 1)
}

// Route returns the pool that the rules of a Dynamic lead a client to, and the leading bits of its
// address that decided it.
func (t *Table) Route(d DynamicID, client netip.Addr) (PoolID, int) {
	if dyn := &t.set.dynamics[d]; dyn.plain {
		return dyn.pool, 0
	}
	i, scope := t.set.Match(d, client)
	return t.set.RulePool(d, i), scope
}
