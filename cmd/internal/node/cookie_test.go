package node

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
	"vitalns/dnsserver/edge"
)

// cookieOf is a cookie of the node for a client that has none; "" if it makes none.
func cookieOf(n *Node) string {
	var c edge.Cookie
	n.Cookies().Look(&c, &edge.Query{Cookie: []byte("a client")}, netip.MustParseAddr("192.0.2.7"), time.Now())
	if c.Result == edge.NoCookie {
		return ""
	}
	return hex.EncodeToString(c.Answer[:])
}

func accepts(t *testing.T, n *Node, cookie string) bool {
	t.Helper()
	raw, err := hex.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	var c edge.Cookie
	n.Cookies().Look(&c, &edge.Query{Cookie: raw}, netip.MustParseAddr("192.0.2.7"), time.Now())
	return c.Result == edge.ValidCookie
}

// Whatever a node shows of itself, no secret is in it, in whatever way bytes are written; but it is on the
// disk, which nobody else reads.
func TestCookieSecretsShowNowhere(t *testing.T) {
	bubble(t, func(b *lab) {
		var log strings.Builder
		b.log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		b.start(Config{CookieRotation: time.Minute})
		defer b.end()
		var secrets []checks.Secret
		for range 4 {
			time.Sleep(time.Minute)
			c := b.node.Snapshot().Cookies
			secrets = append(secrets, c.Previous, c.Current, c.Next)
		}
		if g := b.node.Snapshot().Cookies.Generation; g < 4 {
			t.Fatalf("generation %d: nothing rotates", g)
		}
		ctx := context.Background()
		status, err := b.node.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		explained, err := b.node.Explain(ctx, "www.example.org", "A", "")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := b.node.Plan(ctx)
		if err != nil {
			t.Fatal(err)
		}
		families, err := b.node.Registry().Gather()
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprint(families, log.String(), b.node.Snapshot(), b.node.loaded.Cookies)
		for _, v := range []any{status, explained, plan, b.node.Events(), b.node.Snapshot().Cookies} {
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			shown += string(raw) + fmt.Sprintf("%v %+v %#v", v, v, v)
		}
		if !strings.Contains(log.String(), "server cookies have new secrets") {
			t.Error("the log does not tell of a rotation")
		}
		for _, s := range secrets {
			for _, way := range waysToWrite(s) {
				if strings.Contains(shown, way) {
					t.Errorf("a secret shows as %s", way)
				}
			}
		}
	})
}

// waysToWrite are the forms in which bytes are printed by mistake.
func waysToWrite(s checks.Secret) []string {
	bare := [16]byte(s)
	return []string{
		hex.EncodeToString(bare[:]), base64.RawStdEncoding.EncodeToString(bare[:15]), base64.RawURLEncoding.EncodeToString(bare[:15]),
		strings.Trim(fmt.Sprint(bare), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(bare), "[]"), " ", ","), fmt.Sprintf("%X", bare[:]),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", bare), "[16]uint8{"), "}"),
	}
}

// The state holds secrets: nobody else reads it, not even one that an earlier version left behind half
// written for its group.
func TestStateIsForItsOwnerAlone(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	name := filepath.Join(path, stateFile)
	if err := os.WriteFile(name+".new", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Save(Saved{Incarnation: 3}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
}

// A file of secrets stands in for the cluster's from the reload that brings it, and until the one that
// takes it away; what was made before by others is refused then, as it is by whoever shares the file.
func TestCookieSecretsOfAFile(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{})
		defer b.end()
		time.Sleep(time.Second)
		reload := func(secrets ...checks.Secret) {
			t.Helper()
			b.mu.Lock()
			b.cookies = secrets
			b.mu.Unlock()
			if r, err := b.node.Reload(context.Background()); err != nil || !r.Applied {
				t.Fatalf("reload: %+v, %v", r, err)
			}
		}
		expect := func(what, cookie string, want bool) {
			t.Helper()
			if got := accepts(t, b.node, cookie); got != want {
				t.Errorf("%s: accepted %v, want %v", what, got, want)
			}
		}
		cluster := cookieOf(b.node)
		expect("the cluster's", cluster, true)
		reload(checks.Secret{1})
		first := cookieOf(b.node)
		expect("the file's", first, true)
		expect("the cluster's, with a file", cluster, false)
		reload(checks.Secret{1}, checks.Secret{2})
		if cookieOf(b.node) != first {
			t.Error("the first secret makes cookies, not the second")
		}
		reload(checks.Secret{2}, checks.Secret{1})
		expect("of the secret that was first", first, true)
		if cookieOf(b.node) == first {
			t.Error("a cookie of the old secret, though the new one is first")
		}
		reload(checks.Secret{2})
		expect("of a secret that is gone", first, false)
		reload()
		expect("the cluster's, without a file", cluster, true)
	})
}
