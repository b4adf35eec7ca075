package edge_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/dnsserver/edge"
)

// tick is what an account's clock may be off by.
const tick = time.Microsecond

func limits(rate, slip int, exempt ...string) edge.Limits {
	l := edge.Limits{Slip: slip}
	for c := range l.Rates {
		l.Rates[c] = rate
	}
	for _, p := range exempt {
		l.Exempt = append(l.Exempt, netip.MustParsePrefix(p))
	}
	return l
}

// Whatever a prefix asks, and whatever all others ask, within t it gets at most rate x t + rate responses of
// a class, and as many slips; and one that never asks for more gets all of them.
func TestLimiterKeepsToRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, slip := rapid.IntRange(1, 5000).Draw(t, "rate"), rapid.IntRange(0, 4).Draw(t, "slip")
		l := edge.NewLimiter(edge.Table{IPv4: 24, IPv6: 56}, limits(rate, slip))
		type key struct {
			client netip.Addr
			class  edge.Class
		}
		clients := []netip.Addr{client(1), client(2), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:0:100::1")}
		got := map[key]*[edge.Actions]int{}
		saved := map[key]float64{} // what a bucket of the mathematics holds
		asked := map[key]time.Duration{}
		now := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "ns"))
		}).Draw(t, "start")
		begin := now
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now += time.Duration(rapid.Int64Range(0, int64(3*time.Second)/int64(rate)).Draw(t, "wait"))
			k := key{rapid.SampledFrom(clients).Draw(t, "client"), edge.Class(rapid.IntRange(0, int(edge.Classes)-1).Draw(t, "class"))}
			if got[k] == nil {
				got[k], saved[k], asked[k] = new([edge.Actions]int), float64(rate), now
			}
			for range rapid.IntRange(1, 2*rate/100+2).Draw(t, "burst") {
				saved[k] = min(float64(rate), saved[k]+(now-asked[k]).Seconds()*float64(rate))
				asked[k] = now
				what := l.Check(now, k.client, k.class)
				got[k][what]++
				// Costs are rounded up and the clock down: the last hundredth may be missing.
				if room := saved[k] - 1; room >= float64(rate)/50 && what != edge.Send {
					t.Fatalf("%v: %v with %.2f of %d responses saved up", k, what, saved[k], rate)
				}
				if what == edge.Send {
					saved[k]--
				}
			}
		}
		for k, n := range got {
			most := int((now-begin+tick).Seconds()*float64(rate)) + rate
			if n[edge.Send] > most || n[edge.Slip] > most {
				t.Errorf("%v: %d sent and %d slipped in %v at %d a second", k, n[edge.Send], n[edge.Slip], now-begin, rate)
			}
			if slip == 0 && n[edge.Slip] > 0 {
				t.Errorf("%v: %d slipped without slip", k, n[edge.Slip])
			}
		}
	})
}

// Every second one above the rate slips, as long as slips are to be had; after that none does.
func TestLimiterSlips(t *testing.T) {
	l, now := edge.NewLimiter(defaultTable, limits(10, 2)), time.Duration(0)
	var got [edge.Actions]int
	for range 20 {
		got[l.Check(now, client(1), edge.Positive)]++
	}
	if want := [...]int{10, 5, 5}; got != want {
		t.Errorf("of 20 at once got %v, want %v (send, slip, drop)", got, want)
	}
	for range 1000 {
		got[l.Check(now, client(1), edge.Positive)]++
	}
	if want := [...]int{10, 10, 1000}; got != want {
		t.Errorf("of 1020 at once got %v, want %v", got, want)
	}
	if now += 200 * time.Millisecond; l.Check(now, client(1), edge.Positive) != edge.Send {
		t.Error("two responses later: not sent")
	}
	l, got = edge.NewLimiter(defaultTable, limits(10, 1)), [edge.Actions]int{}
	for range 15 {
		got[l.Check(now, client(1), edge.Positive)]++
	}
	if want := [...]int{10, 5, 0}; got != want {
		t.Errorf("slip 1: got %v, want %v", got, want)
	}
}

// Prefixes and classes have accounts of their own; addresses of one prefix share one.
func TestLimiterAccounts(t *testing.T) {
	l := edge.NewLimiter(defaultTable, limits(1, 0))
	for _, row := range []struct {
		client string
		class  edge.Class
		want   edge.Action
	}{
		{"192.0.2.1", edge.Positive, edge.Send},
		{"192.0.2.255", edge.Positive, edge.Drop},
		{"192.0.2.1", edge.NXDomain, edge.Send},
		{"192.0.3.1", edge.Positive, edge.Send},
		{"2001:db8::1", edge.Positive, edge.Send},
		{"2001:db8:0:ff::1", edge.Positive, edge.Drop},
		{"2001:db8:0:100::1", edge.Positive, edge.Send},
		{"::c000:201", edge.Positive, edge.Send},
	} {
		if got := l.Check(0, netip.MustParseAddr(row.client), row.class); got != row.want {
			t.Errorf("%s %s: got %s, want %s", row.client, row.class, got, row.want)
		}
	}
}

// A prefix that is limited stays so however many other prefixes are asked from beside it, those lose
// nothing, and the table does not grow.
func TestLimiterFullTable(t *testing.T) {
	const rate = 10
	l := edge.NewLimiter(edge.Table{Accounts: edge.MinAccounts, IPv4: 24, IPv6: 56}, limits(rate, 0))
	size, now, victim, sent := l.Bytes(), time.Duration(0), client(1<<20), 0
	for range 5 * rate {
		if l.Check(now, victim, edge.Positive) == edge.Send {
			sent++
		}
	}
	const spoofed = 200_000
	for i := range spoofed { // a millisecond: 100 times what the table has room for
		now += time.Second / spoofed
		if got := l.Check(now, client(i), edge.Positive); got != edge.Send {
			t.Fatalf("%v, of another prefix than any before: %v", client(i), got)
		}
		if l.Check(now, victim, edge.Positive) == edge.Send {
			sent++
		}
	}
	if most := 2 * rate; sent > most {
		t.Errorf("the limited prefix got %d responses in a second, at most %d are due", sent, most)
	}
	st := l.Stats()
	if st.Evicted == 0 {
		t.Error("a full table, and nobody lost a place")
	}
	if l.Bytes() != size {
		t.Errorf("the table has grown from %d to %d bytes", size, l.Bytes())
	}
	t.Logf("%d prefixes in a table of %d: %d evicted, %d without an account", spoofed, edge.MinAccounts, st.Evicted, st.Untracked)
}

// An honest prefix, one that asks at no more than the rate, gets every answer beside any flood, in a table
// that the flood fills or not.
func TestLimiterHonestLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 200).Draw(t, "rate")
		l := edge.NewLimiter(edge.Table{Accounts: edge.MinAccounts, IPv4: 24, IPv6: 56}, limits(rate, rapid.IntRange(0, 3).Draw(t, "slip")))
		prefixes := rapid.SampledFrom([]int{1, 100, edge.MinAccounts, 20 * edge.MinAccounts}).Draw(t, "prefixes of the flood")
		burst := rapid.IntRange(1, 3*rate).Draw(t, "queries of a prefix at once")
		honest := []netip.Addr{client(1 << 20), client6(1 << 20)}
		var now, last time.Duration
		every := time.Second/time.Duration(rate) + time.Duration(rate)*tick // costs are rounded up
		for i := range 20_000 / burst {
			forged := i * 7919 % prefixes
			for range burst {
				l.Check(now, client(forged), edge.Positive)
				l.Check(now, client6(forged), edge.Class(i%int(edge.Classes)))
			}
			if now-last >= every || i == 0 {
				last = now
				for _, c := range honest {
					if got := l.Check(now, c, edge.Positive); got != edge.Send {
						t.Fatalf("%v after %d rounds of the flood, at %v: %v", c, i, now, got)
					}
				}
			}
			now += time.Duration(rapid.Int64Range(0, int64(every)).Draw(t, "pause"))
		}
	})
}

// Where all accounts of a table are limited, those that have none are served, and counted.
func TestLimiterBlind(t *testing.T) {
	l := edge.NewLimiter(edge.Table{Accounts: edge.MinAccounts, IPv4: 24, IPv6: 56}, limits(10, 0))
	for i := range 4 * edge.MinAccounts {
		for range 12 {
			l.Check(0, client(i), edge.Positive)
		}
	}
	before := l.Stats()
	if before.Untracked == 0 {
		t.Fatal("four times as many as there is room for, and all had an account")
	}
	for i := range 100 {
		if got := l.Check(0, client(1<<20+i), edge.Positive); got != edge.Send {
			t.Errorf("an honest prefix: %v", got)
		}
	}
	if after := l.Stats(); after.Untracked == before.Untracked {
		t.Error("served without an account, and not counted")
	}
	if got := l.Check(time.Second, client(1<<20), edge.Positive); got != edge.Send {
		t.Errorf("a second later: %v", got)
	}
}

func TestLimiterExempts(t *testing.T) {
	l := edge.NewLimiter(defaultTable, limits(1, 2, "10.0.0.1/32", "127.0.0.0/8", "2001:db8:1::/48"))
	for range 100 {
		for _, c := range []string{"10.0.0.1", "127.3.4.5", "2001:db8:1:2::3"} {
			if got := l.Check(0, netip.MustParseAddr(c), edge.Positive); got != edge.Send {
				t.Fatalf("%s is exempt, got %s", c, got)
			}
		}
	}
	// What an exempt neighbour asked is nobody's debt.
	if got := l.Check(0, netip.MustParseAddr("10.0.0.2"), edge.Positive); got != edge.Send {
		t.Errorf("its neighbour: %s", got)
	}
	if got := l.Check(0, netip.MustParseAddr("10.0.0.2"), edge.Positive); got == edge.Send {
		t.Error("its neighbour is not exempt, and was not limited")
	}
}

// Exempt is whoever is in one of the prefixes, whatever they are.
func TestLimiterExemptsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.Custom(func(t *rapid.T) netip.Addr {
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 127, 128, 255}), 16, 16).Draw(t, "bytes")
			if rapid.Bool().Draw(t, "v4") {
				return netip.AddrFrom4([4]byte(b))
			}
			return netip.AddrFrom16([16]byte(b))
		}).Filter(func(a netip.Addr) bool { return !a.Is4In6() })
		prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
			a := addr.Draw(t, "address")
			return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
		})
		exempt := rapid.SliceOfN(prefix, 0, 8).Draw(t, "exempt")
		l := edge.NewLimiter(defaultTable, edge.Limits{Rates: limits(1, 0).Rates, Exempt: exempt})
		for _, a := range rapid.SliceOfN(addr, 1, 8).Draw(t, "clients") {
			want := false
			for _, p := range exempt {
				want = want || p.Contains(a)
			}
			l.Check(0, a, edge.Positive)
			if got := l.Check(0, a, edge.Positive) == edge.Send; got != want {
				t.Errorf("%v: exempt %v, want %v", a, got, want)
			}
		}
	})
}

// Other limits take hold at once, and what is owed stays owed.
func TestLimiterSet(t *testing.T) {
	l := edge.NewLimiter(defaultTable, limits(10, 0))
	for range 10 {
		l.Check(0, client(1), edge.Positive)
	}
	l.Set(limits(1000, 0))
	if got := l.Check(0, client(1), edge.Positive); got != edge.Drop {
		t.Errorf("after a change of the rate: %v, the account was empty", got)
	}
	if got := l.Check(2*time.Millisecond, client(1), edge.Positive); got != edge.Send {
		t.Errorf("two responses of the new rate later: %v", got)
	}
	l.Set(edge.Limits{})
	for range 10_000 {
		if got := l.Check(0, client(1), edge.Positive); got != edge.Send {
			t.Fatalf("without limits: %v", got)
		}
	}
}

// What was asked long ago is forgotten, also where the clock of the accounts has gone round since, as long
// as the table is swept.
func TestLimiterForgets(t *testing.T) {
	for _, later := range []time.Duration{time.Second, time.Hour, time.Duration(1<<36) << 8, time.Duration(1<<36)<<8 - time.Second/2, 30 * 24 * time.Hour} {
		l := edge.NewLimiter(defaultTable, limits(10, 0))
		now := time.Minute
		for range 20 {
			l.Check(now, client(1), edge.Positive)
		}
		for range 64 {
			now += time.Second
			l.Sweep(now)
		}
		for range 10 {
			if got := l.Check(time.Minute+later, client(1), edge.Positive); got != edge.Send {
				t.Fatalf("%v later: %v", later, got)
			}
		}
	}
}

// Many goroutines together get what one would.
func TestLimiterConcurrent(t *testing.T) {
	const rate, workers = 1000, 8
	l := edge.NewLimiter(defaultTable, limits(rate, 2))
	l.Check(0, client(1), edge.Positive)
	var sent, slipped atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range 2 * rate {
				switch l.Check(0, client(1), edge.Positive) {
				case edge.Send:
					sent.Add(1)
				case edge.Slip:
					slipped.Add(1)
				}
				l.Check(0, client(int(sent.Load())), edge.NXDomain)
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			l.Sweep(0)
			l.Stats()
		}
	})
	wg.Wait()
	if got := sent.Load() + 1; got != rate {
		t.Errorf("%d goroutines got %d responses, want %d", workers, got, rate)
	}
	if got := slipped.Load(); got != rate {
		t.Errorf("and %d slips, want %d", got, rate)
	}
}

// An episode begins with the first response that is withheld, and ends ten seconds after the last.
func TestLimiterEpisodes(t *testing.T) {
	l, now := edge.NewLimiter(defaultTable, limits(10, 2)), time.Hour
	if got := l.Sweep(now); len(got) != 0 {
		t.Errorf("before anything: %v", got)
	}
	for range 40 { // 2 s of 20 a second, on top of the second that is saved up
		now += 50 * time.Millisecond
		l.Check(now, client(1), edge.NXDomain)
		l.Check(now, client(2), edge.NXDomain) // 20 a second is too much for this one as well
	}
	got := l.Sweep(now)
	if len(got) != 2 || got[0].Over || got[1].Over {
		t.Fatalf("got %+v, want the beginnings of two episodes", got)
	}
	if st := l.Stats(); st.Prefixes != 2 {
		t.Errorf("%d prefixes are limited, want 2", st.Prefixes)
	}
	if got := l.Sweep(now + 9*time.Second); len(got) != 0 {
		t.Errorf("nine seconds later: %v", got)
	}
	ends := l.Sweep(now + 11*time.Second)
	if len(ends) != 2 {
		t.Fatalf("eleven seconds later: %v", ends)
	}
	for _, e := range ends {
		if !e.Over || e.Class != edge.NXDomain || e.Prefix.Bits() != 24 || !(e.Prefix.Contains(client(1)) || e.Prefix.Contains(client(2))) {
			t.Errorf("got %+v", e)
		}
		// 2 s are 20 responses and 10 were saved up; those before it began are not of the episode.
		if withheld := e.Slipped + e.Dropped; withheld < 10 || withheld > 12 || e.Slipped < 5 || e.Sent == 0 || e.Sent > 20 || e.Lasted <= 0 || e.Lasted > 2*time.Second {
			t.Errorf("got %+v", e)
		}
	}
	st := l.Stats()
	if st.Prefixes != 0 || st.Limited[edge.NXDomain][edge.Slip] != ends[0].Slipped+ends[1].Slipped || st.Limited[edge.NXDomain][edge.Drop] != ends[0].Dropped+ends[1].Dropped {
		t.Errorf("counted %+v, told %+v", st, ends)
	}
	six := netip.MustParseAddr("2001:db8:1:2ff::1")
	for range 12 {
		l.Check(now+time.Minute, six, edge.Failure)
	}
	if got := l.Sweep(now + time.Minute); len(got) != 1 || got[0].Prefix.String() != "2001:db8:1:200::/56" || got[0].Class != edge.Failure {
		t.Errorf("got %+v", got)
	}
}

// However many prefixes are limited at once, the list of episodes is no longer than it is.
func TestLimiterEpisodesBounded(t *testing.T) {
	l := edge.NewLimiter(defaultTable, limits(1, 0))
	for i := range 20_000 {
		l.Check(0, client(i), edge.Positive)
		l.Check(0, client(i), edge.Positive)
	}
	if n := len(l.Sweep(0)); n > 1024 || n < 900 {
		t.Errorf("%d episodes of 20000, want about 1024", n)
	}
	if st := l.Stats(); st.Limited[edge.Positive][edge.Drop] < 19_000 {
		t.Errorf("%d were limited, and the nameless ones are to be as well", st.Limited[edge.Positive][edge.Drop])
	}
}

func TestLimiterAllocates(t *testing.T) {
	l, now := edge.NewLimiter(defaultTable, limits(100, 2)), time.Duration(0)
	six := netip.MustParseAddr("2001:db8::1")
	i := 0
	if n := testing.AllocsPerRun(2000, func() {
		i++
		now += time.Microsecond
		l.Check(now, client(i), edge.Positive)
		l.Check(now, client(0), edge.NXDomain)
		l.Check(now, six, edge.Failure)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
