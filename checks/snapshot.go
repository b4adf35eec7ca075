package checks

import (
	"iter"
	"time"
)

// A Snapshot is an immutable set of verdicts and of the registers with many writers, as the ledger had
// them at one moment. Many goroutines may read it. Its maps are shared between snapshots: read only.
type Snapshot struct {
	At       time.Time
	Verdicts Verdicts // read with Verdict, which brings ages up to At
	// Overrides by ZONE/POOL/TARGET, choices and last-goods by zones.ChoiceKey, serials by zone. Age and
	// Left of an override are those at the moment OverridesAt; Override brings them up to At.
	Overrides   map[string]Override
	Choices     Keyed[Choice]
	LastGoods   Keyed[LastGood]
	Serials     map[string]Serial
	OverridesAt time.Time

	Cookies    CookieSecrets
	CookiesDue time.Time // when they are to be rotated, on this node's clock

	Fresh    []string // names of the fresh nodes, sorted; this node included
	Voters   []string // those of Fresh that do not abstain, sorted
	Abstains bool     // this node abstains
	Majority bool     // this side hears at least half of the nodes expected (itself included)
	Self     string
	Nodes    int // expected in the cluster, this one included
}

// Verdict returns the verdict on t as it is at s.At; the zero Verdict where there is none.
func (s *Snapshot) Verdict(t Target) Verdict {
	e, ok := s.Verdicts.get(t)
	if !ok {
		return Verdict{}
	}
	return e.at(s.At)
}

// History returns what is known of a target before it is probed, if anything: this node's own observation
// from before a restart, else a verdict by fresh votes, else a young one from disk.
func (s *Snapshot) History(t Target) (State, bool) {
	v := s.Verdict(t)
	for _, vote := range v.Votes {
		if vote.Node == s.Self && vote.State != Unknown {
			return vote.State, true
		}
	}
	return v.State, v.State != Unknown
}

// Override returns the override of a key as it is at s.At.
func (s *Snapshot) Override(key string) (Override, bool) {
	o, ok := s.Overrides[key]
	if !ok {
		return Override{}, false
	}
	if d := s.At.Sub(s.OverridesAt); d > 0 && !s.OverridesAt.IsZero() {
		o.Age += d
		if o.Left > 0 {
			o.Left = max(o.Left-d, 1)
		}
	}
	return o, true
}

// All ranges over the targets that have a verdict, in no order.
func (s *Snapshot) All() iter.Seq2[Target, Verdict] {
	return func(yield func(Target, Verdict) bool) {
		for shard := range s.Verdicts.shards.all() {
			for t, e := range shard {
				if !yield(t, e.at(s.At)) {
					return
				}
			}
		}
	}
}

// Verdicts is an immutable table of verdicts by target, cheap to change in few places. The zero Verdicts is
// empty.
type Verdicts struct {
	shards shards[Target, judged] // by Target.Hash
	n      int
}

// judged is a verdict and the moment at which its ages were true.
type judged struct {
	Verdict
	when time.Time
}

// at returns the verdict with its ages as they are at now.
func (j judged) at(now time.Time) Verdict {
	v := j.Verdict
	d := now.Sub(j.when)
	if d <= 0 || j.when.IsZero() {
		return v
	}
	if v.State != Unknown && !v.Stale {
		v.Age += d
	}
	votes := make([]Vote, len(v.Votes))
	for i, vote := range v.Votes {
		vote.Age += d
		votes[i] = vote
	}
	v.Votes = votes
	return v
}

// NewVerdicts returns a table of these verdicts, whose ages are true at now.
func NewVerdicts(vs map[Target]Verdict, now time.Time) Verdicts {
	set := make(map[Target]judged, len(vs))
	for t, v := range vs {
		set[t] = judged{v, now}
	}
	return Verdicts{}.with(set, nil)
}

// Len returns the number of targets that have a verdict.
func (vs Verdicts) Len() int { return vs.n }

func (vs Verdicts) get(t Target) (judged, bool) {
	j, ok := vs.shards.of(t.Hash())[t]
	return j, ok
}

// with returns vs with the verdicts of set put in and those of gone taken out. Neither vs nor what it
// shares with the result is changed.
func (vs Verdicts) with(set map[Target]judged, gone []Target) Verdicts {
	if len(set) == 0 && len(gone) == 0 {
		return vs
	}
	n, e := vs.n, vs.shards.edit()
	for _, t := range gone {
		m := e.own(t.Hash())
		if _, ok := m[t]; ok {
			delete(m, t)
			n--
		}
	}
	for t, j := range set {
		m := e.own(t.Hash())
		if _, ok := m[t]; !ok {
			n++
		}
		m[t] = j
	}
	return Verdicts{e.shards, n}
}
