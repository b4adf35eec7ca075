package edge

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// ranges are prefixes as ascending ranges of addresses that do not touch, so that one is found among n in
// log n steps.
type ranges struct {
	four []span4
	six  []span6
	// from4 and the upto4 addresses behind it hold all of four, from6 and upto6 the upper halves of six:
	// what is outside need not be looked for.
	from4, upto4 uint32
	from6, upto6 uint64
}

type span4 struct{ from, to uint32 }

type span6 struct{ from, to [2]uint64 }

func newRanges(prefixes []netip.Prefix) ranges {
	var r ranges
	// Longer prefixes lie within shorter ones or beside them: sorted by address and then by length, one
	// that is covered follows the one that covers it.
	sorted := slices.Clone(prefixes)
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if c := a.Masked().Addr().Compare(b.Masked().Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	for _, p := range sorted {
		from, bits := p.Masked().Addr(), p.Bits()
		if from.Is4() {
			b := from.As4()
			s := span4{from: binary.BigEndian.Uint32(b[:])}
			s.to = s.from | uint32(uint64(1)<<(32-bits)-1)
			if n := len(r.four); n == 0 || s.from > r.four[n-1].to {
				r.four = append(r.four, s)
			}
			continue
		}
		b := from.As16()
		s := span6{from: [2]uint64{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}}
		s.to = [2]uint64{s.from[0] | ^uint64(0)>>min(bits, 64), s.from[1] | ^uint64(0)>>max(bits-64, 0)}
		if n := len(r.six); n == 0 || less(r.six[n-1].to, s.from) {
			r.six = append(r.six, s)
		}
	}
	if n := len(r.four); n > 0 {
		r.from4, r.upto4 = r.four[0].from, r.four[n-1].to-r.four[0].from
	}
	if n := len(r.six); n > 0 {
		r.from6, r.upto6 = r.six[0].from[0], r.six[n-1].to[0]-r.six[0].from[0]
	}
	return r
}

func less(a, b [2]uint64) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

func (r *ranges) has4(a uint32) bool {
	from, to := 0, len(r.four) // the first span that ends at a or behind lies in between
	for from < to {
		if mid := (from + to) / 2; r.four[mid].to < a {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from < len(r.four) && r.four[from].from <= a
}

func (r *ranges) has6(hi, lo uint64) bool {
	a := [2]uint64{hi, lo}
	from, to := 0, len(r.six)
	for from < to {
		if mid := (from + to) / 2; less(r.six[mid].to, a) {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from < len(r.six) && !less(a, r.six[from].from)
}
