// Package policy chooses which members of a pool to serve.
//
// It knows the policies, one pure function and one file each, and how an answer is drawn from what a
// policy chose. It refuses to know health: it is given the usable members and no others. Its one main
// call is Pick.
package policy

// A Kind names a policy. The zero Kind is Failover.
type Kind uint8

const (
	FailoverKind Kind = iota
	AllKind
	WeightedKind
	HashKind
)

// policies is every policy: its name in a zone file and its function, by Kind.
var policies = [...]struct {
	name   string
	choose Func
}{
	FailoverKind: {"failover", Failover},
	AllKind:      {"all", All},
	WeightedKind: {"weighted", Weighted},
	HashKind:     {"hash", ByHash},
}

// For returns the function of a policy.
func For(k Kind) Func { return policies[k].choose }

// String returns the policy's name in a zone file.
func (k Kind) String() string { return policies[k].name }

// ParseKind returns the policy of a name.
func ParseKind(s string) (Kind, bool) {
	for k, p := range policies {
		if p.name == s {
			return Kind(k), true
		}
	}
	return 0, false
}

// Names returns the names of all policies.
func Names() []string {
	names := make([]string, len(policies))
	for k, p := range policies {
		names[k] = p.name
	}
	return names
}

// A Member is a usable member of a pool, as a policy sees it.
type Member struct {
	Index    int    // place in the pool's file order; ascending in what a policy is given and returns
	Key      uint64 // hash of zone, pool and target name: equal on every node
	Priority int    // 0 is the best
	Weight   int    // 0..65535
}

// A Mode says how an answer is drawn from a Choice.
type Mode uint8

const (
	Together Mode = iota // all members, rotated by the draw, at most Max of them
	Draw                 // Max members by weight, without replacement
	Hash                 // the member with the greatest rendezvous hash for the client's key
)

// A Choice is what a policy chose among the usable members. The zero Choice is empty and draws nothing.
type Choice struct {
	Mode    Mode
	Max     int // most members in one answer; 0: no limit
	Members []Member
}

// Size is how many members one answer has.
func (c Choice) Size() int {
	n := len(c.Members)
	if c.Mode == Hash {
		return min(n, 1)
	}
	if c.Max > 0 {
		return min(n, c.Max)
	}
	return n
}

// A Func chooses among usable members; at least one is given. It is total, and what it returns is an
// ascending subset of what it was given.
type Func func(members []Member) Choice

// keep returns the members that fit, in their order.
func keep(members []Member, fits func(Member) bool) []Member {
	var kept []Member
	for _, m := range members {
		if fits(m) {
			kept = append(kept, m)
		}
	}
	return kept
}
