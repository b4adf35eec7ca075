package zones

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// A dynamic is a compiled Dynamic.
type dynamic struct {
	rules uint32 // place of the first
	pool  PoolID // that the first leads to
	count uint16
	hosts uint16 // how many of Set.hosts are the owner's
	first uint32 // place of the first of those
	alias uint32 // place in Set.aliases, plus 1; 0: none
	ecs   bool
	names bool // a rule leads to a pool of names
	plain bool // the first rule is for everyone
}

// A rule is a compiled Rule: its subnets are disjoint ranges, those of IPv4 and then those of IPv6, both in
// ascending order.
type rule struct {
	pool   PoolID
	ranges uint32 // place of the first
	count  uint32
	four   uint32 // how many of them are of IPv4
	all    bool   // no subnets: everyone
}

// An addrRange is a range of addresses, both ends included. IPv4 stands in its mapped form.
type addrRange struct{ first, last u128 }

type u128 struct{ hi, lo uint64 }

func (a u128) compare(b u128) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo)) }

func (a u128) next() u128 {
	lo, carry := bits.Add64(a.lo, 1, 0)
	return u128{a.hi + carry, lo}
}

func (a u128) previous() u128 {
	lo, borrow := bits.Sub64(a.lo, 1, 0)
	return u128{a.hi - borrow, lo}
}

func addrBits(a netip.Addr) u128 {
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// compileRanges turns prefixes into disjoint ranges that cover the same addresses: those of IPv4 and then
// those of IPv6, which no IPv4 address is in, both in ascending order.
func compileRanges(prefixes []netip.Prefix) (ranges []addrRange, four int) {
	var all [2][]addrRange
	for _, p := range prefixes {
		first, n, family := addrBits(p.Masked().Addr()), p.Bits(), 1
		if p.Addr().Is4() {
			n, family = n+96, 0
		}
		mask := hostMask(n)
		all[family] = append(all[family], addrRange{first, u128{first.hi | mask.hi, first.lo | mask.lo}})
	}
	ranges = mergeRanges(all[0])
	return append(ranges, mergeRanges(all[1])...), len(ranges)
}

// mergeRanges sorts ranges and makes one of those that overlap.
func mergeRanges(all []addrRange) []addrRange {
	slices.SortFunc(all, func(a, b addrRange) int { return a.first.compare(b.first) })
	out := all[:0]
	for _, r := range all {
		if n := len(out); n > 0 && r.first.compare(out[n-1].last) <= 0 {
			if r.last.compare(out[n-1].last) > 0 {
				out[n-1].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// rangesFor returns the ranges of a rule that an address may be in.
func (s *Set) rangesFor(r *rule, a netip.Addr) []addrRange {
	ranges := s.ranges[r.ranges : r.ranges+r.count]
	if a.Unmap().Is4() {
		return ranges[:r.four]
	}
	return ranges[r.four:]
}

// matchRanges reports whether an address is in one of the ranges of its family, and how many of its
// leading bits decide that: all addresses that share them lie in the same range, or in the same gap.
func matchRanges(ranges []addrRange, a netip.Addr) (in bool, scope int) {
	x := addrBits(a)
	lowest, highest := u128{}, u128{^uint64(0), ^uint64(0)}
	family := 128
	if a.Unmap().Is4() {
		lowest, highest = u128{0, 0xffff << 32}, u128{0, 0xffff<<32 | 0xffffffff}
		family = 32
	}
	i, _ := slices.BinarySearchFunc(ranges, x, func(r addrRange, x u128) int { return r.last.compare(x) })
	if i < len(ranges) && ranges[i].first.compare(x) <= 0 {
		in, lowest, highest = true, maxBits(lowest, ranges[i].first), minBits(highest, ranges[i].last)
	} else {
		if i > 0 {
			lowest = maxBits(lowest, ranges[i-1].last.next())
		}
		if i < len(ranges) {
			highest = minBits(highest, ranges[i].first.previous())
		}
	}
	// The shortest prefix of x that lies within [lowest, highest].
	for scope = 0; scope < family; scope++ {
		mask := hostMask(128 - family + scope)
		low := u128{x.hi &^ mask.hi, x.lo &^ mask.lo}
		high := u128{x.hi | mask.hi, x.lo | mask.lo}
		if lowest.compare(low) <= 0 && high.compare(highest) <= 0 {
			break
		}
	}
	return in, scope
}

// hostMask has all but the first n bits set.
func hostMask(n int) u128 {
	if n >= 64 {
		return u128{0, ^uint64(0) >> (n - 64)} // a shift by 64 gives 0
	}
	return u128{^uint64(0) >> n, ^uint64(0)}
}

func maxBits(a, b u128) u128 {
	if a.compare(b) > 0 {
		return a
	}
	return b
}

func minBits(a, b u128) u128 {
	if a.compare(b) < 0 {
		return a
	}
	return b
}
