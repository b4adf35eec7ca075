package checks

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
