package edge

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"
)

// An Episode is a time in which a prefix was limited in a class: it begins with the first response that is
// not sent, and is over when none was withheld for ten seconds.
type Episode struct {
	Prefix netip.Prefix
	Class  Class
	Over   bool // or it has just begun
	Lasted time.Duration
	// Of an episode that is over: what became of the responses.
	Sent, Slipped, Dropped uint64
}

// maxEpisodes is how many prefixes that are limited at once are told one by one. Those that find no place
// are limited like the others and stay nameless: Limited counts them, no Episode tells of them.
const maxEpisodes = 1024

const (
	episodeBytes = maxEpisodes * int(unsafe.Sizeof(episode{}))
	probes       = 8                // places an episode can have
	quiet        = 10 * time.Second // after that an episode is over
)

type episodes [maxEpisodes]episode

// An episode is that of the account with hash owner; 0: the place is free. What is counted while Sweep
// ends it may be lost.
type episode struct {
	owner     atomic.Uint64
	prefix    atomic.Uint64
	kind      atomic.Uint64
	began     atomic.Int64 // 0: not yet written
	last      atomic.Int64 // when a response was withheld
	announced bool         // owned by Sweep
	counts    [Actions]atomic.Uint64
}

// find returns the episode of an account; nil if it has none.
func (es *episodes) find(h uint64) *episode {
	for i := range uint64(probes) {
		if e := &es[(h+i)%maxEpisodes]; e.owner.Load() == h {
			return e
		}
	}
	return nil
}

// sent counts a response to a prefix that may be limited.
func (es *episodes) sent(h uint64) {
	if e := es.find(h); e != nil {
		e.counts[Send].Add(1)
	}
}

// limited counts a response that was withheld, and begins the episode if there is none.
func (es *episodes) limited(now time.Duration, a account, h uint64, what Action) {
	e := es.find(h)
	for i := uint64(0); e == nil && i < probes; i++ {
		free := &es[(h+i)%maxEpisodes]
		if !free.owner.CompareAndSwap(0, h) {
			continue
		}
		e = free
		e.prefix.Store(a.prefix)
		e.kind.Store(a.kind)
		e.last.Store(int64(now))
		e.began.Store(max(int64(now), 1))
	}
	if e == nil {
		return
	}
	if e.last.Load()+int64(quiet/100) < int64(now) { // not at every one: all that answer a flood come here
		e.last.Store(int64(now))
	}
	e.counts[what].Add(1)
}

// Sweep returns the episodes that have begun or ended since the last call, and clears a part of what is
// past. It is to be called about once a second, from one goroutine at a time.
func (l *Limiter) Sweep(now time.Duration) []Episode {
	l.clear(now)
	var out []Episode
	for i := range l.episodes {
		e := &l.episodes[i]
		began := e.began.Load()
		if e.owner.Load() == 0 || began == 0 {
			continue
		}
		told := Episode{Prefix: l.prefixOf(e.prefix.Load(), e.kind.Load()), Class: Class(e.kind.Load() >> 1)}
		if !e.announced {
			e.announced = true
			out = append(out, told)
		}
		last := time.Duration(e.last.Load())
		if now-last < quiet {
			continue
		}
		told.Over, told.Lasted = true, last-time.Duration(began)
		told.Sent, told.Slipped, told.Dropped = e.counts[Send].Swap(0), e.counts[Slip].Swap(0), e.counts[Drop].Swap(0)
		out = append(out, told)
		e.announced = false
		e.began.Store(0)
		e.owner.Store(0)
	}
	return out
}

// clear frees the places of accounts that owe nothing, in one part of the table after the other: all of
// it within about a minute.
func (l *Limiter) clear(now time.Duration) {
	t := uint64(now) >> tickBits & timeMask
	for range len(l.sets)/64 + 1 {
		s := &l.sets[l.swept]
		l.swept = (l.swept + 1) & l.mask
		for i := range s {
			if w := s[i].Load(); w != 0 && debt(w, t) == 0 {
				s[i].CompareAndSwap(w, 0)
			}
		}
	}
}

// prefixOf is the prefix that an account was made from.
func (l *Limiter) prefixOf(prefix, kind uint64) netip.Prefix {
	if kind&isV4 != 0 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(prefix<<l.v4Shift))
		return netip.PrefixFrom(netip.AddrFrom4(b), 32-int(l.v4Shift))
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], prefix)
	return netip.PrefixFrom(netip.AddrFrom16(b), l.v6Bits)
}

// A LimitStats is what a Limiter has counted.
type LimitStats struct {
	Limited   [Classes][Actions]uint64 // those that were not sent, by what became of them
	Prefixes  int                      // limited now: episodes that are not over, at most 1024
	Evicted   uint64                   // accounts that were forgiven what they owed, since the table was full
	Untracked uint64                   // responses sent without an account, since the table was full
}

// Stats returns what has been counted.
func (l *Limiter) Stats() LimitStats {
	st := LimitStats{Evicted: l.evicted.Load(), Untracked: l.lost.Load()}
	for c := range l.limited {
		for a := range l.limited[c] {
			st.Limited[c][a] = l.limited[c][a].Load()
		}
	}
	for i := range l.episodes {
		if l.episodes[i].began.Load() != 0 {
			st.Prefixes++
		}
	}
	return st
}
