package checks

import "time"

// A Vote is one node's part in a verdict, or the reason why it has none.
type Vote struct {
	Node     string
	State    State // Up or Down count; Unknown is shown and does not
	Doubt    bool
	Reason   Reason
	Age      time.Duration // how long the node has observed this state
	Abstains bool          // fresh, but does not vote: shown only
	Stale    bool          // of a node that is not fresh: shown only
	Restarts bool          // the vote of a node that is restarting: it counts until replaced or expired
	Reached  State         // the verdict the node last reached by votes
}

// A Verdict is the cluster's opinion of a target. The zero Verdict is Unknown.
type Verdict struct {
	State State
	Stale bool // no vote counts: State is what was last reached by votes
	Doubt bool // the votes in doubt could change the verdict
	Need  int  // votes that must say down
	Downs int
	Count int // votes that count
	// Age is how long the verdict has had this state, by the ages of its votes, so equal on all nodes; 0
	// without votes.
	Age   time.Duration
	Votes []Vote // by node name
}
