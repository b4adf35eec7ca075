package edge_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"vitalns/dnsserver/edge"
)

func secret(t testing.TB, s string) (out [16]byte) {
	t.Helper()
	if n := copy(out[:], unhex(t, s)); n != len(out) {
		t.Fatalf("secret of %d bytes", n)
	}
	return out
}

// look is what a jar says to a cookie from a client at a time.
func look(t testing.TB, j *edge.Jar, cookie, client string, at int64) (edge.CookieResult, string) {
	t.Helper()
	var q edge.Query
	if v := edge.Read(unhex(t, withOptions(fmt.Sprintf("000a%04x", len(cookie)/2)+cookie)), &q); v != edge.OK {
		t.Fatalf("cookie %s: %s", cookie, draw(&q, v))
	}
	var c edge.Cookie
	j.Look(&c, &q, netip.MustParseAddr(client), time.Unix(at, 0))
	return c.Result, hex.EncodeToString(c.Answer[:])
}

// The test vectors of RFC 9018 appendix A. The cookie of A.3 is older than the hour of §4.3: it is shown
// to be valid while it was young.
func TestCookieVectors(t *testing.T) {
	const one, old, now = "e5e973e5a6b2a43f48e7dc849e37bfcf", "dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962"
	tests := []struct {
		name, secrets, client, cookie string
		at                            int64
		result                        edge.CookieResult
		want                          string
	}{
		{"A.1", one, "198.51.100.100", "2464c4abcf10c957", 1559731985, edge.ClientCookie, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
		{"A.2", one, "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559734385, edge.ValidCookie, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
		{"A.3", one, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559734700, edge.BadCookie, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"},
		{"A.3, while it was young", one, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559727985, edge.ValidCookie, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"},
		{"A.4, learnt before", old, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298", 1559741817, edge.ClientCookie, "22681ab97d52c298010000005cf7c57926556bd0934c72f8"},
		{"A.4, with the old secret and the new", now + " " + old, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961, edge.ValidCookie, "22681ab97d52c298010000005cf7c57926556bd0934c72f8"},
		{"A.4, made anew", now, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298", 1559741961, edge.ClientCookie, "22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var j edge.Jar
			var secrets [][16]byte
			for _, s := range strings.Fields(tt.secrets) {
				secrets = append(secrets, secret(t, s))
			}
			j.Set(secrets...)
			if result, got := look(t, &j, tt.cookie, tt.client, tt.at); result != tt.result || got != tt.want {
				t.Errorf("got  %s %s\nwant %s %s", result, got, tt.result, tt.want)
			}
		})
	}
}

// RFC 9018 §4.3: an hour back, five minutes ahead; a new cookie from half an hour on.
func TestCookieAge(t *testing.T) {
	const client, start = "192.0.2.7", int64(1_700_000_000)
	var j edge.Jar
	j.Set(secret(t, strings.Repeat("17", 16)))
	_, cookie := look(t, &j, "0102030405060708", client, start)
	for _, tt := range []struct {
		after   int64
		result  edge.CookieResult
		renewed bool
	}{
		{0, edge.ValidCookie, false}, {1799, edge.ValidCookie, false}, {1800, edge.ValidCookie, true}, {3600, edge.ValidCookie, true},
		{3601, edge.BadCookie, true}, {86400, edge.BadCookie, true}, {1 << 31, edge.BadCookie, true},
		{-1, edge.ValidCookie, false}, {-300, edge.ValidCookie, false}, {-301, edge.BadCookie, true}, {-86400, edge.BadCookie, true},
	} {
		result, answer := look(t, &j, cookie, client, start+tt.after)
		if result != tt.result || (answer != cookie) != tt.renewed {
			t.Errorf("after %d s: got %s, answer %s to %s", tt.after, result, answer, cookie)
		}
		if again, _ := look(t, &j, answer, client, start+tt.after); again != edge.ValidCookie {
			t.Errorf("after %d s: what was answered is %s", tt.after, again)
		}
	}
	// The time is a serial number (RFC 1982): it goes on where 32 bits end.
	_, cookie = look(t, &j, "0102030405060708", client, 1<<32-10)
	if result, _ := look(t, &j, cookie, client, 1<<32+10); result != edge.ValidCookie {
		t.Errorf("across the end of 32 bits: got %s", result)
	}
}

// A cookie is good for one client cookie at one address under secrets that are still accepted.
func TestCookieIsOfOneClient(t *testing.T) {
	const at = int64(1_700_000_000)
	var j edge.Jar
	a, b, c := secret(t, strings.Repeat("0a", 16)), secret(t, strings.Repeat("0b", 16)), secret(t, strings.Repeat("0c", 16))
	j.Set(a)
	_, cookie := look(t, &j, "0102030405060708", "192.0.2.7", at)
	flip := func(i int) string {
		raw := unhex(t, cookie)
		raw[i] ^= 1
		return hex.EncodeToString(raw)
	}
	expect := func(what, cookie, client string, want edge.CookieResult) {
		t.Helper()
		if got, _ := look(t, &j, cookie, client, at); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	expect("its own", cookie, "192.0.2.7", edge.ValidCookie)
	expect("its own, mapped", cookie, "::ffff:192.0.2.7", edge.ValidCookie)
	expect("another address", cookie, "192.0.2.8", edge.BadCookie)
	expect("another family", cookie, "2001:db8::7", edge.BadCookie)
	for i := range 24 {
		expect(fmt.Sprintf("a bit of byte %d", i), flip(i), "192.0.2.7", edge.BadCookie)
	}
	expect("a server cookie of 8 bytes", cookie[:32], "192.0.2.7", edge.BadCookie)
	expect("a server cookie of 32 bytes", cookie+strings.Repeat("00", 16), "192.0.2.7", edge.BadCookie)
	j.Set(b, a)
	expect("the secret before", cookie, "192.0.2.7", edge.ValidCookie)
	j.Set(b, c, a)
	expect("the third of three", cookie, "192.0.2.7", edge.ValidCookie)
	j.Set(b, c)
	expect("a secret that is gone", cookie, "192.0.2.7", edge.BadCookie)
	j.Set()
	expect("no secret", cookie, "192.0.2.7", edge.NoCookie)
}

// Secrets change while cookies are looked at, and no moment breaks one.
func TestCookieWhileRotating(t *testing.T) {
	var j edge.Jar
	secrets := make([][16]byte, 100)
	for i := range secrets {
		secrets[i][0] = byte(i)
	}
	j.Set(secrets[1], secrets[2], secrets[0])
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			client := netip.MustParseAddr("192.0.2.7")
			cookie := make([]byte, 8)
			for {
				select {
				case <-done:
					return
				default:
				}
				var c edge.Cookie
				j.Look(&c, &edge.Query{Cookie: cookie}, client, time.Unix(1e9, 0))
				cookie = append(cookie[:0], c.Answer[:]...)
				if j.Look(&c, &edge.Query{Cookie: cookie}, client, time.Unix(1e9, 0)); c.Result == edge.NoCookie {
					t.Error("a moment without secrets")
					return
				}
			}
		})
	}
	for i := 2; i < len(secrets)-1; i++ {
		j.Set(secrets[i], secrets[i+1], secrets[i-1])
	}
	close(done)
	wg.Wait()
}

func TestCookieAllocates(t *testing.T) {
	var j edge.Jar
	j.Set([16]byte{1}, [16]byte{2}, [16]byte{3})
	q, six := edge.Query{Cookie: make([]byte, 8)}, netip.MustParseAddr("2001:db8::1")
	now := time.Unix(1e9, 0)
	var made, found edge.Cookie
	j.Look(&made, &q, six, now)
	has := edge.Query{Cookie: made.Answer[:]}
	if n := testing.AllocsPerRun(100, func() {
		j.Look(&found, &q, six, now)
		if j.Look(&found, &has, six, now); found.Result != edge.ValidCookie {
			t.Error("not valid")
		}
	}); n != 0 {
		t.Errorf("making and checking a cookie takes %v allocations", n)
	}
}

func BenchmarkCookie(b *testing.B) {
	var j edge.Jar
	j.Set([16]byte{1}, [16]byte{2}, [16]byte{3})
	client, now := netip.MustParseAddr("192.0.2.7"), time.Unix(1e9, 0)
	var made, found edge.Cookie
	j.Look(&made, &edge.Query{Cookie: make([]byte, 8)}, client, now)
	for name, cookie := range map[string][]byte{"make": made.Answer[:8], "check": made.Answer[:]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			q := edge.Query{Cookie: cookie}
			for b.Loop() {
				j.Look(&found, &q, client, now)
			}
		})
	}
}
