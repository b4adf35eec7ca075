package checks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

func TestCookieSecretsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := checks.CookieSecrets{Generation: rapid.Uint64Min(1).Draw(t, "generation")}
		for _, s := range []*checks.Secret{&c.Previous, &c.Current, &c.Next} {
			copy(s[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))
			s[rapid.IntRange(0, 15).Draw(t, "place")] |= 1
		}
		roundTrip(t, c, checks.EncodeCookieSecrets, checks.DecodeCookieSecrets)
	})
}

func FuzzDecodeCookieSecrets(f *testing.F) {
	f.Add(checks.EncodeCookieSecrets(checks.CookieSecrets{Generation: 300, Previous: checks.Secret{1}, Current: checks.Secret{2}, Next: checks.Secret{3}}))
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b, checks.EncodeCookieSecrets, checks.DecodeCookieSecrets) })
}

// A secret that everybody knows is refused, and so is what was never made.
func TestCookieSecretsRefuse(t *testing.T) {
	good := checks.CookieSecrets{Generation: 1, Previous: checks.Secret{1}, Current: checks.Secret{2}, Next: checks.Secret{3}}
	for what, spoil := range map[string]func(*checks.CookieSecrets){
		"no generation": func(c *checks.CookieSecrets) { c.Generation = 0 },
		"no previous":   func(c *checks.CookieSecrets) { c.Previous = checks.Secret{} },
		"no current":    func(c *checks.CookieSecrets) { c.Current = checks.Secret{} },
		"no next":       func(c *checks.CookieSecrets) { c.Next = checks.Secret{} },
	} {
		c := good
		spoil(&c)
		if _, err := checks.DecodeCookieSecrets(checks.EncodeCookieSecrets(c)); !errors.Is(err, checks.ErrPayload) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// Whoever is one rotation ahead or behind accepts what the others make.
func TestCookieSecretsRotate(t *testing.T) {
	accepts := func(c checks.CookieSecrets, s checks.Secret) bool {
		return s == c.Previous || s == c.Current || s == c.Next
	}
	c := checks.CookieSecrets{Generation: 1, Previous: checks.Secret{1}, Current: checks.Secret{2}, Next: checks.Secret{3}}
	for i := range byte(10) {
		next := c.Rotate(checks.Secret{4 + i})
		if next.Generation != c.Generation+1 || !accepts(c, next.Current) || !accepts(next, c.Current) {
			t.Fatalf("generation %d is not understood by %d, or the other way round", next.Generation, c.Generation)
		}
		c = next
	}
}

// However it is printed, a secret is none that anybody reads.
func TestSecretsDoNotPrint(t *testing.T) {
	c := checks.CookieSecrets{Generation: 7, Previous: checks.Secret{0xab, 0xcd}, Current: checks.Secret{0xab, 0xcd}, Next: checks.Secret{0xab, 0xcd}}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "one", c.Next, "all", c)
	}
	text := fmt.Sprintf("%v %+v %#v %s %x %s %s", c, c, c, c.Current, c.Current, raw, log.String())
	for _, leak := range []string{"abcd", "ab cd", "171", "0xab", "q80"} {
		if strings.Contains(strings.ToLower(text), leak) {
			t.Errorf("%q shows in\n%s", leak, text)
		}
	}
}

// The secrets go by what is written of them, with the time left counted by every node; they are nobody's
// configuration, and never forgotten.
func TestLedgerKeepsCookies(t *testing.T) {
	now := time.Unix(1e9, 0)
	ledger := func(node string) *checks.Ledger {
		return checks.NewLedger(checks.LedgerConfig{Node: node, Incarnation: 1, Instance: 1, VoteExpiry: 5 * time.Second, Nodes: 1}, now)
	}
	a, b := ledger("a"), ledger("b")
	for _, l := range []*checks.Ledger{a, b} {
		l.Keep(func(checks.Kind, string) bool { return false }, now)
	}
	first := checks.CookieSecrets{Generation: 1, Previous: checks.Secret{1}, Current: checks.Secret{2}, Next: checks.Secret{3}}
	register := checks.Register{Kind: checks.KindCookies, Key: checks.CookieKey, Payload: checks.EncodeCookieSecrets(first), Left: 24 * time.Hour}
	if !a.Put(register, now) {
		t.Fatal("not put")
	}
	later := now.Add(10 * time.Hour)
	b.Merge(a.All(later), later)
	snap, _ := b.Verdicts(later)
	if snap.Cookies != first || !snap.CookiesDue.Equal(now.Add(24*time.Hour)) {
		t.Errorf("10 h later: got generation %d, due %v", snap.Cookies.Generation, snap.CookiesDue)
	}
	// Nobody rotates for two months: they stand, and are due.
	for later.Before(now.Add(60 * 24 * time.Hour)) {
		later = later.Add(time.Hour)
		b.Tick(later)
	}
	if snap, _ = b.Verdicts(later); snap.Cookies != first || snap.CookiesDue.After(later) {
		t.Errorf("60 days later: got generation %d, due %v", snap.Cookies.Generation, snap.CookiesDue)
	}
	// On disk, and a day switched off.
	c := ledger("c")
	c.Restore(a.Saved(now.Add(time.Hour)), 2*time.Hour, now)
	if snap, _ = c.Verdicts(now); snap.Cookies != first || !snap.CookiesDue.Equal(now.Add(21*time.Hour)) {
		t.Errorf("from disk: got generation %d, due %v", snap.Cookies.Generation, snap.CookiesDue)
	}
}
