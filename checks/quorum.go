package checks

import (
	"fmt"
	"strconv"
	"strings"
)

// A QuorumKind says how many votes a Quorum needs. The zero kind is Majority.
type QuorumKind uint8

const (
	Majority QuorumKind = iota // floor(v/2)+1 of v votes
	AnyVote                    // 1
	AllVotes                   // v
	Share                      // N percent of v, rounded up, at least 1
	Count                      // N; with fewer than N votes there are none
)

// A Quorum says how many of the votes must say down for a target to be down.
// The zero Quorum is the majority.
type Quorum struct {
	Kind QuorumKind
	N    int // percent (1..100) for Share, votes (>= 1) for Count
}

// Need returns how many of so many votes must say down. It reports false when the votes are to be
// treated as none: there are none, or fewer than the count that is asked for.
func (q Quorum) Need(votes int) (need int, ok bool) {
	if votes <= 0 {
		return 0, false
	}
	switch q.Kind {
	case AnyVote:
		return 1, true
	case AllVotes:
		return votes, true
	case Share:
		return min(max((votes*q.N+99)/100, 1), votes), true
	case Count:
		n := max(q.N, 1)
		return n, votes >= n
	}
	return votes/2 + 1, true
}

// String returns the quorum as the zone file writes it: "majority", "any", "all", "30%", "2".
func (q Quorum) String() string {
	switch q.Kind {
	case AnyVote:
		return "any"
	case AllVotes:
		return "all"
	case Share:
		return strconv.Itoa(q.N) + "%"
	case Count:
		return strconv.Itoa(q.N)
	}
	return "majority"
}

// maxQuorum bounds a count of votes; no cluster has as many nodes.
const maxQuorum = 1000

// ParseQuorum reads what String writes.
func ParseQuorum(s string) (Quorum, error) {
	switch s {
	case "majority":
		return Quorum{}, nil
	case "any":
		return Quorum{Kind: AnyVote}, nil
	case "all":
		return Quorum{Kind: AllVotes}, nil
	}
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case err != nil || strconv.FormatUint(n, 10) != digits:
		return Quorum{}, fmt.Errorf(`quorum %q is none of "majority", "any", "all", a percentage such as "30%%", a number of votes`, s)
	case percent && (n < 1 || n > 100):
		return Quorum{}, fmt.Errorf("quorum %q is not between 1%% and 100%%", s)
	case percent:
		return Quorum{Kind: Share, N: int(n)}, nil
	case n < 1 || n > maxQuorum:
		return Quorum{}, fmt.Errorf("quorum %q is not between 1 and %d votes", s, maxQuorum)
	}
	return Quorum{Kind: Count, N: int(n)}, nil
}
