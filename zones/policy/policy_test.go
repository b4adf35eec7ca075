package policy_test

import (
	"math"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vitalns/zones/policy"
)

var kinds = []policy.Kind{policy.FailoverKind, policy.AllKind, policy.WeightedKind, policy.HashKind}

func member(index, priority, weight int) policy.Member {
	return policy.Member{
		Index: index, Key: policy.MemberKey("example.com", "web", string(rune('a'+index))), Priority: priority, Weight: weight,
	}
}

func indexes(members []policy.Member) []int {
	var at []int
	for _, m := range members {
		at = append(at, m.Index)
	}
	return at
}

func anyMembers(t *rapid.T) []policy.Member {
	n := rapid.IntRange(1, 12).Draw(t, "n")
	var members []policy.Member
	for i := range n {
		members = append(members, member(i*2, rapid.IntRange(0, 3).Draw(t, "priority"), rapid.SampledFrom([]int{0, 0, 1, 5, 65535}).Draw(t, "weight")))
	}
	return members
}

func TestChosen(t *testing.T) {
	tests := []struct {
		name    string
		kind    policy.Kind
		members []policy.Member
		want    []int
	}{
		{"failover: the best priority", policy.FailoverKind, []policy.Member{member(0, 2, 1), member(1, 1, 1), member(2, 3, 1)}, []int{1}},
		{"failover: equal priorities together", policy.FailoverKind, []policy.Member{member(0, 1, 1), member(1, 0, 1), member(2, 0, 1)}, []int{1, 2}},
		{"failover: priority may be negative", policy.FailoverKind, []policy.Member{member(0, 0, 1), member(1, -1, 1)}, []int{1}},
		{"all: every member", policy.AllKind, []policy.Member{member(0, 2, 1), member(3, 1, 0)}, []int{0, 3}},
		{"weighted: 0 is not drawn", policy.WeightedKind, []policy.Member{member(0, 0, 0), member(1, 0, 3)}, []int{1}},
		{"weighted: if all are 0 they are equal", policy.WeightedKind, []policy.Member{member(0, 0, 0), member(1, 0, 0)}, []int{0, 1}},
		{"hash: every member", policy.HashKind, []policy.Member{member(0, 2, 1), member(3, 1, 0)}, []int{0, 3}},
	}
	for _, tt := range tests {
		if got := indexes(policy.For(tt.kind)(tt.members).Members); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Whatever a policy is given, it chooses something of it, in its order, and changes nothing.
func TestFuncsAreTotalAscendingSubsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := anyMembers(t)
		before := slices.Clone(given)
		for _, k := range kinds {
			chosen := policy.For(k)(given).Members
			if len(chosen) == 0 {
				t.Fatalf("%s chose nothing of %v", k, given)
			}
			if !slices.IsSorted(indexes(chosen)) {
				t.Fatalf("%s: not ascending: %v", k, indexes(chosen))
			}
			for _, m := range chosen {
				if !slices.Contains(given, m) {
					t.Fatalf("%s chose %v, which it was not given", k, m)
				}
			}
		}
		if !slices.Equal(given, before) {
			t.Fatalf("the given members were changed")
		}
	})
}

// Pick gives distinct positions, as many as it may, and the same for the same input.
func TestPickIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := policy.For(rapid.SampledFrom(kinds).Draw(t, "kind"))(anyMembers(t))
		c.Max = rapid.IntRange(0, 14).Draw(t, "max")
		draw, key := rapid.Uint64().Draw(t, "draw"), rapid.Uint64().Draw(t, "key")
		got := policy.Pick(c, draw, key)
		want := len(c.Members)
		if c.Max > 0 {
			want = min(want, c.Max)
		}
		if c.Mode == policy.Hash {
			want = 1
		}
		if len(got) != want {
			t.Fatalf("got %v, want %d of %d", got, want, len(c.Members))
		}
		sorted := slices.Sorted(slices.Values(got))
		if len(slices.Compact(sorted)) != want || sorted[0] < 0 || sorted[len(sorted)-1] >= len(c.Members) {
			t.Fatalf("got %v of %d members", got, len(c.Members))
		}
		if again := policy.Pick(c, draw, key); !slices.Equal(got, again) {
			t.Fatalf("got %v, then %v", got, again)
		}
	})
}

func TestPickOfNothing(t *testing.T) {
	if got := policy.Pick(policy.Choice{}, 1, 2); len(got) != 0 {
		t.Errorf("got %v of an empty choice", got)
	}
}

// Together rotates: over many draws each member comes first equally often, and the order is kept.
func TestRotation(t *testing.T) {
	c := policy.All([]policy.Member{member(0, 0, 1), member(1, 0, 1), member(2, 0, 1)})
	first := make([]int, 3)
	for draw := range uint64(30000) {
		got := policy.Pick(c, draw, 0)
		first[got[0]]++
		if got[1] != (got[0]+1)%3 || got[2] != (got[0]+2)%3 {
			t.Fatalf("got %v, want a rotation", got)
		}
	}
	for i, n := range first {
		if n < 9500 || n > 10500 {
			t.Errorf("member %d came first %d times of 30000", i, n)
		}
	}
}

func TestWeightsAreShares(t *testing.T) {
	weights := []int{1, 3, 6}
	c := policy.Weighted([]policy.Member{member(0, 0, 1), member(1, 0, 3), member(2, 0, 6)})
	c.Max = 1
	got := make([]float64, 3)
	const n = 100000
	for draw := range uint64(n) {
		got[policy.Pick(c, draw, 0)[0]]++
	}
	for i, w := range weights {
		if share := got[i] / n; math.Abs(share-float64(w)/10) > 0.01 {
			t.Errorf("weight %d of 10 was drawn %.3f of the time", w, share)
		}
	}
}

// The second of two drawn without replacement follows the weights that are left.
func TestDrawWithoutReplacement(t *testing.T) {
	c := policy.Weighted([]policy.Member{member(0, 0, 65535), member(1, 0, 3), member(2, 0, 1)})
	c.Max = 2
	second := make([]float64, 3)
	const n = 100000
	for draw := range uint64(n) {
		second[policy.Pick(c, draw, 0)[1]]++
	}
	if share := second[1] / n; math.Abs(share-0.75) > 0.01 {
		t.Errorf("weight 3 of the 4 left came second %.3f of the time", share)
	}
}

// Every member of a hash has its share of clients, and one that leaves moves only its own.
func TestHashMovesOnlyItsOwn(t *testing.T) {
	members := []policy.Member{member(0, 0, 1), member(1, 0, 1), member(2, 0, 1), member(3, 0, 1)}
	count := make([]int, 4)
	for i := range 4000 {
		key := policy.ClientKey(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7}), 32))
		with := members[policy.Pick(policy.ByHash(members), 0, key)[0]]
		count[with.Index]++
		without := members[:3][policy.Pick(policy.ByHash(members[:3]), 0, key)[0]]
		if with.Index != 3 && without.Index != with.Index {
			t.Fatalf("client %d moved from %d to %d when 3 left", i, with.Index, without.Index)
		}
	}
	for i, n := range count {
		if n < 880 || n > 1120 {
			t.Errorf("member %d has %d of 4000 clients", i, n)
		}
	}
}

// A client is its /24 or /48; what is longer is cut, what is shorter stays.
func TestClientKey(t *testing.T) {
	equal := [][2]string{
		{"192.0.2.1/32", "192.0.2.255/32"}, {"192.0.2.1/24", "192.0.2.9/32"},
		{"2001:db8:1::1/128", "2001:db8:1:ffff::2/56"}, {"::ffff:192.0.2.1/128", "192.0.2.0/24"},
	}
	for _, p := range equal {
		if policy.ClientKey(netip.MustParsePrefix(p[0])) != policy.ClientKey(netip.MustParsePrefix(p[1])) {
			t.Errorf("%s and %s have different keys", p[0], p[1])
		}
	}
	differ := [][2]string{{"192.0.2.1/32", "192.0.3.1/32"}, {"2001:db8:1::/48", "2001:db8:2::/48"}, {"192.0.2.1/20", "192.0.2.1/24"}}
	for _, p := range differ {
		if policy.ClientKey(netip.MustParsePrefix(p[0])) == policy.ClientKey(netip.MustParsePrefix(p[1])) {
			t.Errorf("%s and %s have one key", p[0], p[1])
		}
	}
	if policy.ClientKey(netip.Prefix{}) != 0 {
		t.Error("no client has a key")
	}
}

// Nodes of different versions must send a client to the same member: these figures may never change.
func TestKeysArePinned(t *testing.T) {
	if got, want := policy.MemberKey("gslb.example.com", "web", "lon"), uint64(0x4affc4ccb87a37e8); got != want {
		t.Errorf("member key %#x, want %#x", got, want)
	}
	if got, want := policy.ClientKey(netip.MustParsePrefix("192.0.2.0/24")), uint64(0x9fa260e7d066220e); got != want {
		t.Errorf("client key %#x, want %#x", got, want)
	}
	var got []int
	members := []policy.Member{member(0, 0, 1), member(1, 0, 1), member(2, 0, 1)}
	for i := range byte(10) {
		key := policy.ClientKey(netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, i, 0}), 24))
		got = append(got, policy.Pick(policy.ByHash(members), 0, key)[0])
	}
	if want := []int{0, 1, 2, 2, 0, 1, 2, 1, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("clients went to %v, want %v", got, want)
	}
}

func TestKindNames(t *testing.T) {
	for _, k := range kinds {
		if got, ok := policy.ParseKind(k.String()); !ok || got != k {
			t.Errorf("%s parses as %v, %v", k, got, ok)
		}
	}
	if _, ok := policy.ParseKind("round-robin"); ok {
		t.Error("round-robin parses")
	}
}
