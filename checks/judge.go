package checks

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Judge weighs the votes on one target. It is pure: nodes whose ledgers and fresh sets agree reach the
// same verdict, in whatever order the news came in.
//
// A vote counts if it says up or down and its node neither abstains nor is stale. Down if as many votes
// say so as q needs; else up, if there is any vote; without votes what the nodes that are not stale last
// reached by votes, a tie being up, and marked stale; else unknown.
func Judge(votes []Vote, q Quorum) Verdict {
	v := Verdict{Votes: slices.Clone(votes)}
	slices.SortFunc(v.Votes, func(a, b Vote) int { return cmp.Compare(a.Node, b.Node) })
	doubts := 0 // of the votes that make the verdict
	for _, vote := range v.Votes {
		if !vote.Counts() {
			continue
		}
		v.Count++
		if vote.State == Down {
			v.Downs++
		}
	}
	need, ok := q.Need(v.Count)
	if !ok {
		v.Count, v.Downs = 0, 0
		v.State = lastReached(v.Votes)
		v.Stale = v.State != Unknown
		return v
	}
	v.Need, v.State = need, Up
	if v.Downs >= need {
		v.State = Down
	}
	for _, vote := range v.Votes {
		if vote.Counts() && vote.State == v.State && vote.Doubt {
			doubts++
		}
	}
	if v.State == Down {
		v.Doubt = v.Downs-doubts < need
		v.Age = kthAge(v.Votes, Down, need)
	} else {
		v.Doubt = v.Downs+doubts >= need
		v.Age = kthAge(v.Votes, Up, v.Count-need+1)
	}
	return v
}

// Counts reports whether the vote is one of those a verdict is made of.
func (v Vote) Counts() bool { return v.State != Unknown && !v.Abstains && !v.Stale }

// lastReached returns the majority of the verdicts that the nodes that are not stale say they last
// reached; a tie is up.
func lastReached(votes []Vote) State {
	ups, downs := 0, 0
	for _, vote := range votes {
		switch {
		case vote.Stale:
		case vote.Reached == Up:
			ups++
		case vote.Reached == Down:
			downs++
		}
	}
	switch {
	case downs > ups:
		return Down
	case ups > 0:
		return Up
	}
	return Unknown
}

// kthAge returns how long at least k of the votes have been in this state.
func kthAge(votes []Vote, s State, k int) time.Duration {
	var ages []time.Duration
	for _, vote := range votes {
		if vote.Counts() && vote.State == s {
			ages = append(ages, vote.Age)
		}
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return ages[k-1]
}

// String draws the verdict with its votes: "down 2/3 (a down: refused, b down: timeout, c up)". The
// fraction is that of the down votes among those that count.
func (v Verdict) String() string {
	var b strings.Builder
	b.WriteString(v.State.String())
	if v.Stale {
		b.WriteString(" stale")
	}
	if v.Count > 0 {
		b.WriteString(" " + strconv.Itoa(v.Downs) + "/" + strconv.Itoa(v.Count))
	}
	if v.Doubt {
		b.WriteString(" in doubt")
	}
	for i, vote := range v.Votes {
		if i == 0 {
			b.WriteString(" (")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(vote.String())
	}
	if len(v.Votes) > 0 {
		b.WriteString(")")
	}
	return b.String()
}

// String draws one vote: "a down: refused", "b up in doubt: timeout", "c down abstaining: no route".
func (v Vote) String() string {
	var b strings.Builder
	b.WriteString(v.Node + " " + v.State.String())
	if v.Doubt {
		b.WriteString(" in doubt")
	}
	if v.Abstains {
		b.WriteString(" abstaining")
	}
	if v.Stale {
		b.WriteString(" stale")
	}
	if v.Reason != "" {
		b.WriteString(": " + string(v.Reason))
	}
	return b.String()
}
