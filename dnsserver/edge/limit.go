package edge

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// A Class is a kind of response. A prefix has an account in each class, so that a flood of one kind takes
// nothing from the others.
type Class uint8

const (
	Positive Class = iota // with an answer
	NoData                // without one: NODATA, or a referral
	NXDomain
	Failure // every other response code
	Classes // how many there are
)

// String returns the class as metrics and the node file name it.
func (c Class) String() string { return [...]string{"positive", "nodata", "nxdomain", "error"}[c] }

// An Action is what becomes of a response.
type Action uint8

const (
	Send    Action = iota
	Slip           // answered with as little as makes a client ask again in a way that cannot be forged
	Drop           // not answered
	Actions        // how many there are
)

// String returns the action as metrics name it.
func (a Action) String() string { return [...]string{"send", "slip", "drop"}[a] }

// Limits are what a Limiter goes by. Rates are in responses a second to one prefix; an account saves up
// one second of them. Slipped responses come out of an account of the same rate of their own, so that a
// prefix gets at most twice its rate, whatever it asks.
type Limits struct {
	Rates  [Classes]int   // at most MaxRate; 0: no limit
	Slip   int            // of the responses above the rate every Slip-th slips; 0: none does
	Exempt []netip.Prefix // never limited, and never charged
}

// MaxRate is the highest rate: above it the clock of an account is too coarse.
const MaxRate = 100_000

// The accounts of a Limiter are of a fixed number. What an account owes (how long it takes until it has
// saved up its second again) is one moment, so an account that owes nothing need not be kept, and a table
// is full only while more accounts owe than it has room for: with rate r and q queries a second, all of
// different prefixes, at most q/r do. DefaultAccounts hold 6,000,000 queries a second at a rate of 100; the
// first sets are full at about a third of that, since they fill unevenly.
//
// An account can stand in one set of eight. When all eight owe, the newcomer takes the place of the one
// that owes least, if that is not more than half of what it may: that one is forgiven, which is counted
// (Evicted). If all eight owe more, the newcomer is served without an account, which is counted too
// (Untracked). So an account that is limited keeps its place whatever else is asked; nobody is ever charged
// for another; and what fills the table frees at most who has no account yet.
const (
	// DefaultAccounts is 1 MiB: 16 bytes an account.
	DefaultAccounts = 1 << 16
	// MinAccounts and MaxAccounts bound the table: 16 KiB and 256 MiB.
	MinAccounts = 1 << 10
	MaxAccounts = 1 << 24

	ways = 8
)

// An account is a word: a tag that tells the accounts of a set apart, and the moment at which it owes
// nothing. The tag is of 28 bits: that two of a set have the same, and so one account, is a chance of one in
// 30 million for a newcomer to a full set. A word that was never used is 0. Time is in ticks of 256 ns and goes round in 4.9 hours; Sweep
// clears what is past long before.
const (
	tickBits = 8
	timeBits = 36
	timeMask = 1<<timeBits - 1

	second = int64(time.Second) >> tickBits
	half   = second / 2  // who owes more keeps its place
	ahead  = 10 * second // what no account owes: more than a second, and what the clocks of two callers differ by
)

// A set is the accounts that have one place in the table: a line of the cache.
type set [ways]atomic.Uint64

// A Limiter limits responses by the prefix of the client and their class. Its memory is made once. Its
// methods may be called from any goroutine; none waits for another, and Check does not allocate.
//
// Where two goroutines give one account its place at the same moment, one response may go uncharged.
type Limiter struct {
	keys    [4]uint64 // of the hash: who does not know them cannot choose two prefixes that meet
	v4Shift uint8
	v6Mask  uint64
	v6Bits  int
	rules   atomic.Pointer[rules]
	mask    uint64 // of the number of sets
	sets    []set
	slips   []set // of the same places: how many were over the rate, and what the slipped ones owe

	episodes episodes
	limited  [Classes][Actions]atomic.Uint64
	evicted  atomic.Uint64
	lost     atomic.Uint64
	swept    uint64 // the set where Sweep goes on
}

// A Table is the shape of a Limiter, which lasts as long as it does.
type Table struct {
	Accounts int // rounded up to a power of two
	IPv4     int // bits of an address that make its prefix, 1 to 32
	IPv6     int // 1 to 64
}

// rules are Limits made ready.
type rules struct {
	cost   [Classes]int64 // of one response, in ticks; 0: no limit
	most   [Classes]int64 // that an account may owe: a second of responses
	slip   uint64
	exempt ranges
}

// NewLimiter makes a limiter. Clocks begin anywhere: all calls of one limiter use the same.
func NewLimiter(t Table, limits Limits) *Limiter {
	accounts := min(max(t.Accounts, MinAccounts), MaxAccounts)
	sets := uint64(1) << bits.Len64(uint64(accounts-1)/ways)
	l := &Limiter{
		v4Shift: uint8(32 - t.IPv4), v6Mask: ^uint64(0) << (64 - t.IPv6), v6Bits: t.IPv6,
		mask: sets - 1, sets: make([]set, sets), slips: make([]set, sets),
	}
	for i := range l.keys {
		l.keys[i] = rand.Uint64() | 1 // seeded by the system's randomness, and not seen from outside
	}
	l.Set(limits)
	return l
}

// Set puts other limits in force. What accounts owe they go on owing.
func (l *Limiter) Set(limits Limits) {
	r := &rules{slip: uint64(max(limits.Slip, 0)), exempt: newRanges(limits.Exempt)}
	for c, rate := range limits.Rates {
		if rate > 0 {
			r.cost[c] = (second + int64(rate) - 1) / int64(rate)
			r.most[c] = r.cost[c] * int64(rate)
		}
	}
	l.rules.Store(r)
}

// Bytes is what the tables take, once and for all.
func (l *Limiter) Bytes() int { return len(l.sets)*2*ways*8 + episodeBytes }

// Check decides on a response of a class to a client, and charges for it. now is any clock that does not
// go back by more than moments. An IPv4 address in IPv6 form counts as IPv6: unmap it before.
//
// A call touches one line of the table as long as the account is not limited. What comes most often, an
// account that has its place and owes little, is done here and calls nothing; the rest is done by charge.
// (IPv6 takes twice as long: netip gives its bits away through memory only.)
func (l *Limiter) Check(now time.Duration, client netip.Addr, class Class) Action {
	r := l.rules.Load()
	cost := r.cost[class]
	if cost == 0 {
		return Send
	}
	a := account{kind: uint64(class) << 1}
	if client.Is4() {
		b := client.As4()
		addr := binary.BigEndian.Uint32(b[:])
		if addr-r.exempt.from4 <= r.exempt.upto4 && r.exempt.has4(addr) {
			return Send
		}
		a.prefix, a.kind = uint64(addr>>l.v4Shift), a.kind|isV4
	} else {
		b := client.As16()
		hi, lo := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
		if hi-r.exempt.from6 <= r.exempt.upto6 && r.exempt.has6(hi, lo) {
			return Send
		}
		a.prefix = hi & l.v6Mask
	}
	h, t := l.hash(a), uint64(now)>>tickBits&timeMask
	s, tag := &l.sets[h&l.mask], tagOf(h)
	for i := range s {
		w := s[i].Load()
		if w>>timeBits != tag {
			continue
		}
		if owes := debt(w, t); owes <= half-cost && s[i].CompareAndSwap(w, word(tag, t, owes+cost)) {
			return Send
		}
		break
	}
	return l.charge(now, a, h, r)
}

// charge charges an account whatever its state.
func (l *Limiter) charge(now time.Duration, a account, h uint64, r *rules) Action {
	t, tag, class := uint64(now)>>tickBits&timeMask, tagOf(h), a.class()
	cost := r.cost[class]
	s := &l.sets[h&l.mask]
	for i := 0; i < ways; i++ {
		w := s[i].Load()
		if w>>timeBits != tag {
			continue
		}
		owes := debt(w, t)
		if owes+cost > r.most[class] {
			return l.over(now, a, h, &l.slips[h&l.mask][i], r)
		}
		if s[i].CompareAndSwap(w, word(tag, t, owes+cost)) {
			if owes > half {
				l.episodes.sent(h)
			}
			return Send
		}
		i = -1 // another goroutine charged it, or gave its place away: look again
	}
	l.place(s, &l.slips[h&l.mask], tag, t, cost)
	return Send
}

// An account is whom a response is charged to.
type account struct {
	prefix uint64 // the leading bits of the address
	kind   uint64 // the class, and isV4
}

const isV4 = 1

func (a account) class() Class { return Class(a.kind >> 1) }

// hash mixes an account with the keys: two rounds of a multiplication folded onto itself. Anyone may know
// it, and yet cannot aim: the chance that two accounts meet does not depend on which they are.
func (l *Limiter) hash(a account) uint64 {
	hi, lo := bits.Mul64(a.prefix^l.keys[0], l.keys[1]+a.kind<<32)
	hi, lo = bits.Mul64(hi^lo^l.keys[2], l.keys[3])
	return max(hi^lo, 1) // 0 is nobody's
}

// tagOf is the part of a hash that a word keeps. 0 is the tag of no account.
func tagOf(h uint64) uint64 { return max(h>>timeBits, 1) }

// debt is what a word owes at t, in ticks. What is further ahead than anything may owe is long past.
func debt(w, t uint64) int64 {
	d := int64((w - t) & timeMask)
	if d > ahead {
		return 0
	}
	return d
}

func word(tag, t uint64, owes int64) uint64 {
	return tag<<timeBits | (t+uint64(owes))&timeMask
}

// place gives a new account a place in its set and charges it with one response. Where there is none it
// goes without.
func (l *Limiter) place(s, slips *set, tag, t uint64, cost int64) {
	for {
		way, least, old := 0, ahead+1, uint64(0)
		for i := range s {
			w := s[i].Load()
			if w>>timeBits == tag { // made by another goroutine since
				if s[i].CompareAndSwap(w, word(tag, t, min(debt(w, t)+cost, second))) {
					return
				}
				least = -1
				break
			}
			if d := debt(w, t); d < least {
				way, least, old = i, d, w
			}
		}
		switch {
		case least < 0: // it moved: look again
			continue
		case least > half:
			l.lost.Add(1)
			return
		}
		if s[way].CompareAndSwap(old, word(tag, t, cost)) {
			slips[way].Store(0)
			if least > 0 {
				l.evicted.Add(1)
			}
			return
		}
	}
}

// over decides on a response above the rate. Its word counts in its low bits, modulo what slips, and above
// them has the moment at which the slipped responses owe nothing.
func (l *Limiter) over(now time.Duration, a account, h uint64, slip *atomic.Uint64, r *rules) Action {
	const countBits = 8
	t, cost, most, action := int64(now)>>tickBits, r.cost[a.class()], r.most[a.class()], Drop
	for r.slip > 0 {
		w := slip.Load()
		owes := max(int64(w>>countBits)-t, 0)
		if owes > ahead { // of another clock
			owes = 0
		}
		if owes+cost > most {
			break // no slip is to be had: nothing is written, so a flood does not fight over the line
		}
		n := (w&(1<<countBits-1) + 1) % r.slip
		if n == 0 {
			owes, action = owes+cost, Slip
		}
		if slip.CompareAndSwap(w, uint64(t+owes)<<countBits|n) {
			break
		}
		action = Drop
	}
	l.limited[a.class()][action].Add(1)
	l.episodes.limited(now, a, h, action)
	return action
}
