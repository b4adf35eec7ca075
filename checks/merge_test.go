package checks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// content is everything a ledger holds, but for ages.
func content(l *Ledger) string {
	now := time.Now()
	s := fmt.Sprintf("shared %x\n", l.shared.digest)
	for _, o := range l.order {
		s += fmt.Sprintf("%s %d current %x former %x %d\n", o.name, o.incarnation, o.current, o.former, o.formers)
		for _, r := range o.registers(now) {
			s += fmt.Sprintf("  %q %v %v %x\n", r.Key, r.Version, r.Gone, r.Payload)
		}
	}
	for _, r := range l.shared.registers(now) {
		s += fmt.Sprintf("%d %q %x\n", r.Kind, r.Key, r.Payload)
	}
	return s
}

// recount computes the digests of a ledger anew.
func recount(l *Ledger) (shared Digest, owners map[string][2]Digest) {
	owners = map[string][2]Digest{}
	now := time.Now()
	for _, r := range l.shared.registers(now) {
		r.Age, r.Left = 0, 0
		shared += digestShared(r)
	}
	for _, o := range l.order {
		var d [2]Digest
		for _, e := range o.regs {
			if o.isFormer(e) {
				d[1] += digestOf(e.reg)
			} else {
				d[0] += digestOf(e.reg)
			}
		}
		owners[o.name] = d
	}
	return shared, owners
}

func checkDigests(t interface{ Fatalf(string, ...any) }, l *Ledger) {
	shared, owners := recount(l)
	if shared != l.shared.digest {
		t.Fatalf("%s: digest of shared registers: got %x, want %x", l.cfg.Node, l.shared.digest, shared)
	}
	for _, o := range l.order {
		if d := owners[o.name]; d != [2]Digest{o.current, o.former} {
			t.Fatalf("%s: digests of %s: got %x %x, want %x", l.cfg.Node, o.name, o.current, o.former, d)
		}
	}
}

func newTestLedger(node string, now time.Time) *Ledger {
	return NewLedger(LedgerConfig{Node: node, Incarnation: 1, Instance: 1, VoteExpiry: 5 * time.Second,
		StartGrace: 5 * time.Second, Nodes: 3}, now)
}

// genRegister makes registers that collide often: few keys, writers, versions and values.
func genRegister(t *rapid.T) Register {
	r := Register{
		Kind:   Kind(rapid.IntRange(1, 7).Draw(t, "kind")),
		Key:    rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key"),
		Writer: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "writer"),
	}
	epoch := rapid.Uint64Range(1, 3).Draw(t, "epoch")
	name := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")
	version := Version{rapid.Uint64Range(1, 3).Draw(t, "incarnation"), rapid.Uint64Range(1, 3).Draw(t, "seq")}
	switch r.Kind {
	case KindObservation:
		r.Version = version
		r.Gone = rapid.IntRange(0, 5).Draw(t, "gone") == 0
		r.Payload = EncodeObservation(Observation{State: State(rapid.IntRange(0, 2).Draw(t, "state")), Reason: Reason(name)})
	case KindOverride:
		o := Override{Admin: Admin(rapid.IntRange(0, 3).Draw(t, "admin")), Reason: name, Expired: rapid.IntRange(0, 2).Draw(t, "expired") == 0,
			Clock: map[string]uint64{}}
		for _, n := range []string{"a", "b", "c"} {
			if c := rapid.Uint64Range(0, 2).Draw(t, n); c > 0 {
				o.Clock[n] = c
			}
		}
		r.Payload = EncodeOverride(o)
	case KindChoice:
		r.Payload = EncodeChoice(Choice{Epoch: epoch, Pool: name, Rank: uint16(rapid.IntRange(0, 1).Draw(t, "rank"))})
	case KindLastGood:
		r.Payload = EncodeLastGood(LastGood{Epoch: epoch, Names: []string{name}})
	case KindSerial:
		r.Payload = EncodeSerial(Serial{Number: uint32(epoch), Content: [16]byte{name[0]}})
	case KindCookies:
		r.Payload = EncodeCookieSecrets(CookieSecrets{epoch, Secret{1}, Secret{2}, Secret{name[0]}})
		r.Left = time.Duration(rapid.IntRange(0, 3).Draw(t, "left")) * time.Hour
	default:
		r.Version = version
		r.Payload = []byte(name)
	}
	return r
}

// Merging commutes, associates and is idempotent, for every kind: whatever the order, the grouping and
// the repetitions, one content comes out, and its digests are those of a fresh count.
func TestMergeIsASemilattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		rs := rapid.SliceOfN(rapid.Custom(genRegister), 1, 12).Draw(t, "registers")
		one := newTestLedger("self", now)
		one.Merge(rs, now)
		checkDigests(t, one)
		want := content(one)

		if one.Merge(rs, now) || content(one) != want {
			t.Fatalf("merging again is news: %s\n%s", want, content(one))
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffled := slices.Concat(rs, rs[:len(rs)/2])
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		two, left, right := newTestLedger("self", now), newTestLedger("self", now), newTestLedger("self", now)
		for i, r := range shuffled {
			two.Merge([]Register{r}, now)
			if i%2 == 0 {
				left.Merge([]Register{r}, now)
			} else {
				right.Merge([]Register{r}, now)
			}
		}
		if got := content(two); got != want {
			t.Fatalf("one by one:\n%s\nwant\n%s", got, want)
		}
		// What each half holds, merged, is what the whole holds. (Observations travel by Full and Publish.)
		for _, l := range []*Ledger{left, right} {
			for _, o := range l.order {
				o.fresh, o.vouched = true, true
			}
		}
		fromLeft, fromRight := left.All(now), right.All(now)
		left.Merge(fromRight, now)
		right.Merge(fromLeft, now)
		if content(left) != content(right) || left.shared.digest != one.shared.digest {
			t.Fatalf("halves:\n%s\nand\n%s\nwant\n%s", content(left), content(right), want)
		}
	})
}

func put(l *Ledger, admin Admin, reason string, left time.Duration, now time.Time) {
	l.Put(Register{Kind: KindOverride, Key: "z/p/t", Left: left, Payload: EncodeOverride(Override{Admin: admin, Reason: reason})}, now)
}

func override(t *testing.T, l *Ledger, now time.Time) Override {
	t.Helper()
	s, _ := l.Verdicts(now)
	o, ok := s.Override("z/p/t")
	if !ok {
		t.Fatal("there is no override")
	}
	return o
}

func exchange(a, b *Ledger, now time.Time) {
	fromA, fromB := a.All(now), b.All(now)
	a.Merge(fromB, now)
	b.Merge(fromA, now)
}

func TestOverrideConflicts(t *testing.T) {
	now := time.Now()
	a, b := newTestLedger("a", now), newTestLedger("b", now)
	put(a, ForceUp, "mine", 0, now)
	put(b, Drain, "yours", 0, now)
	exchange(a, b, now)
	for _, l := range []*Ledger{a, b} {
		o := override(t, l, now)
		if o.Admin != Drain || len(o.Conflict) != 1 || o.Conflict[0].Reason != "mine" {
			t.Errorf("neither had seen the other: got %+v, want the stricter and a conflict", o)
		}
	}
	now = now.Add(time.Minute)
	put(a, Auto, "settled", 0, now)
	exchange(a, b, now.Add(time.Second))
	now = now.Add(2 * time.Second)
	for _, l := range []*Ledger{a, b} {
		if o := override(t, l, now); o.Admin != Auto || len(o.Conflict) != 0 || o.Age < time.Second || o.Age > 2*time.Second {
			t.Errorf("one write has seen both: got %+v", o)
		}
	}
	if a.shared.digest != b.shared.digest {
		t.Error("digests differ")
	}
}

// What another node says of a write is shown without what a terminal would act on, and merged as it is.
func TestOverridePrintable(t *testing.T) {
	now := time.Now()
	a, b := newTestLedger("a", now), newTestLedger("b", now)
	a.Put(Register{Kind: KindOverride, Key: "z/p/t", Payload: EncodeOverride(Override{Admin: Drain, Reason: "a\x1b[2J\nb", Owner: "\x07x"})}, now)
	put(b, Drain, "c\x1b", 0, now)
	exchange(a, b, now)
	for _, l := range []*Ledger{a, b} {
		o := override(t, l, now)
		if len(o.Conflict) != 1 {
			t.Fatalf("got %+v", o)
		}
		shown := []string{o.Reason, o.Conflict[0].Reason}
		if slices.Sort(shown); shown[0] != "a?[2J?b" || shown[1] != "c?" || o.Owner+o.Conflict[0].Owner != "?x" {
			t.Errorf("got %+v", o)
		}
	}
	if a.shared.digest != b.shared.digest {
		t.Error("digests differ")
	}
}

// A write that expires everywhere at about the same time is one expired write; it acts as auto and
// gives way to what had not seen it.
func TestOverrideExpires(t *testing.T) {
	now := time.Now()
	a, b := newTestLedger("a", now), newTestLedger("b", now)
	put(a, ForceDown, "an hour", time.Hour, now)
	b.Merge(a.All(now), now)
	put(b, Drain, "for good, seen", 0, now) // supersedes a's on b; a does not hear of it yet
	now = now.Add(time.Hour - time.Second)
	a.Tick(now)
	if o := override(t, a, now); o.Expired || o.Left > time.Second || o.Left <= 0 {
		t.Fatalf("before its time: %+v", o)
	}
	if next := a.NextExpiry(); next.After(now.Add(time.Second)) {
		t.Errorf("next is due %v later", next.Sub(now))
	}
	now = now.Add(time.Second)
	a.Tick(now)
	if o := override(t, a, now); !o.Expired || o.Left != 0 {
		t.Fatalf("after its time: %+v", o)
	}
	if r := a.Ready(now); len(r.Publish) != 1 || !r.Persist {
		t.Errorf("expiry is not told: %+v", r)
	}
	exchange(a, b, now)
	for _, l := range []*Ledger{a, b} {
		if o := override(t, l, now); o.Admin != Drain || o.Expired || len(o.Conflict) != 0 {
			t.Errorf("a write that had seen the expired one: got %+v", o)
		}
	}
}

func TestOverrideExpiredLosesToUnseen(t *testing.T) {
	now := time.Now()
	a, b := newTestLedger("a", now), newTestLedger("b", now)
	put(a, ForceDown, "a minute", time.Minute, now)
	put(b, ForceUp, "for good", 0, now)
	now = now.Add(time.Minute)
	a.Tick(now)
	exchange(a, b, now)
	for _, l := range []*Ledger{a, b} {
		if o := override(t, l, now); o.Admin != ForceUp || len(o.Conflict) != 0 {
			t.Errorf("got %+v, want the write that the expired one had not seen, and no conflict", o)
		}
	}
}

// Both nodes count the time; both write that it is over, and it is one write.
func TestOverrideExpiresTwice(t *testing.T) {
	now := time.Now()
	a, b := newTestLedger("a", now), newTestLedger("b", now)
	put(a, ForceDown, "a minute", time.Minute, now)
	b.Merge(a.All(now), now.Add(30*time.Millisecond))
	now = now.Add(2 * time.Minute)
	a.Tick(now)
	b.Tick(now)
	if a.shared.digest != b.shared.digest {
		t.Error("two expiries of one write differ")
	}
	exchange(a, b, now)
	if o := override(t, a, now); !o.Expired || len(o.Conflict) != 0 {
		t.Errorf("got %+v", o)
	}
}

// An override survives the restart of all nodes; the time they were off counts by the node's own clock.
func TestOverrideRestored(t *testing.T) {
	start := time.Now()
	a := newTestLedger("a", start)
	put(a, ForceDown, "an hour", time.Hour, start)
	saved := a.Saved(start)
	for _, tc := range []struct {
		name    string
		off     time.Duration
		left    time.Duration
		expired bool
	}{
		{"off for a while", 20 * time.Minute, 40 * time.Minute, false},
		{"off for longer than it lasts", 2 * time.Hour, 0, true},
		{"the clock went back", -5 * time.Hour, time.Hour, false},
	} {
		now := start.Add(17 * time.Hour)
		b := newTestLedger("a", now)
		b.Restore(saved, tc.off, now)
		now = now.Add(time.Millisecond)
		b.Tick(now)
		o := override(t, b, now)
		if d := o.Left - tc.left; d.Abs() > time.Second || o.Expired != tc.expired {
			t.Errorf("%s: got %v left, expired %v", tc.name, o.Left, o.Expired)
		}
	}
}

// A node that lost its state and its count of writes does not repeat a clock.
func TestOverrideOfANodeThatLostItsState(t *testing.T) {
	now := time.Now()
	b := newTestLedger("b", now)
	old := newTestLedger("a", now)
	for range 5 {
		put(old, Drain, "old", 0, now)
	}
	b.Merge(old.All(now), now)
	reborn := NewLedger(LedgerConfig{Node: "a", Incarnation: 1_790_000_000_000, Instance: 2, VoteExpiry: time.Second}, now)
	put(reborn, ForceUp, "new", 0, now)
	exchange(reborn, b, now)
	if o := override(t, b, now); o.Admin != ForceUp {
		t.Errorf("got %+v", o)
	}
}

// Choices that all nodes write alike are one; the greater epoch wins, then the better choice; and a
// snapshot says since when it holds.
func TestChoice(t *testing.T) {
	now := time.Now()
	a, b := newTestLedger("a", now), newTestLedger("b", now)
	choose := func(l *Ledger, epoch uint64, pool string, rank uint16, now time.Time) bool {
		return l.Put(Register{Kind: KindChoice, Key: "z/p", Payload: EncodeChoice(Choice{Epoch: epoch, Pool: pool, Rank: rank})}, now)
	}
	choose(a, 1, "web", 0, now)
	choose(b, 1, "web", 0, now)
	if a.shared.digest != b.shared.digest {
		t.Error("who wrote it counts")
	}
	later := now.Add(time.Minute)
	choose(a, 2, "sorry", 1, later)
	choose(b, 2, "web", 0, later)
	exchange(a, b, later.Add(time.Second))
	for _, l := range []*Ledger{a, b} {
		s, _ := l.Verdicts(later.Add(2 * time.Second))
		if c, _ := s.Choices.Get("z/p"); c.Pool != "web" || c.Since.Sub(later).Abs() > time.Second {
			t.Errorf("%s: got %+v", l.cfg.Node, c)
		}
	}
	if choose(a, 1, "web", 0, later) {
		t.Error("a lesser epoch is news")
	}
}

func TestKeep(t *testing.T) {
	now := time.Now()
	a := newTestLedger("a", now)
	put(a, Drain, "x", 0, now)
	a.Keep(func(Kind, string) bool { return false }, now)
	later := now.Add(29 * 24 * time.Hour)
	a.Tick(later)
	override(t, a, later)
	back := a.All(later.Add(48 * time.Hour))
	later = later.Add(48 * time.Hour)
	a.Tick(later)
	s, c := a.Verdicts(later)
	if _, ok := s.Override("z/p/t"); ok || len(c.Overrides) != 1 || a.shared.digest != 0 {
		t.Errorf("it is kept for ever: %+v, %+v", s.Overrides, c)
	}
	if a.Merge(back, later); len(a.shared.cells) != 0 {
		t.Error("a peer brings back what is not configured")
	}
	a.Keep(func(Kind, string) bool { return true }, later)
	if a.Merge(back, later); len(a.shared.cells) != 1 {
		t.Error("what is configured is refused")
	}
}

func TestLimits(t *testing.T) {
	now := time.Now()
	a := newTestLedger("a", now)
	a.Merge([]Register{
		{Kind: 9, Key: string(make([]byte, MaxKey+1)), Writer: "b"},
		{Kind: 9, Key: "k", Writer: "b", Payload: make([]byte, MaxPayload+1)},
		{Kind: 9, Key: "k"},
		{Kind: KindChoice, Key: "k", Writer: "b", Payload: []byte{9}},
	}, now)
	if got := a.Stats().Refused; got != 4 || len(a.shared.cells) != 0 {
		t.Errorf("refused %d, want 4", got)
	}
	for i := range maxUnknown + 10 {
		a.Merge([]Register{{Kind: 9, Key: fmt.Sprint(i), Writer: "b"}}, now)
	}
	if s := a.Stats(); s.Unknown != maxUnknown || s.Refused != 14 {
		t.Errorf("unknown kinds: %+v", s)
	}
	for i := range maxOwners + 10 {
		a.Merge([]Register{{Kind: KindObservation, Key: "k", Writer: fmt.Sprint(i), Version: Version{1, 1}, Payload: EncodeObservation(Observation{})}}, now)
	}
	if got := a.Stats().Refused; got != 14+11 || len(a.owners) != maxOwners {
		t.Errorf("refused %d, %d nodes", got, len(a.owners))
	}
	for i := range maxSiblings + 5 {
		w := Override{Admin: Drain, Clock: map[string]uint64{fmt.Sprint(i): 1}}
		a.Merge([]Register{{Kind: KindOverride, Key: "z/p/t", Writer: "b", Payload: EncodeOverride(w)}}, now)
	}
	if got := len(override(t, a, now).Conflict); got != maxSiblings-1 {
		t.Errorf("%d conflicts", got)
	}
	checkDigests(t, a)
}
