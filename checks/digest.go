package checks

import "slices"

// FNV-1a with a finish that spreads: stable for ever, as its sums travel between versions.
const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

type hasher uint64

func (h *hasher) byte(b byte) { *h = (*h ^ hasher(b)) * prime64 }

func (h *hasher) uint64(v uint64) {
	for range 8 {
		h.byte(byte(v))
		v >>= 8
	}
}

// string and bytes put the length first, so that neighbouring fields do not run together.
func (h *hasher) string(s string) {
	h.uint64(uint64(len(s)))
	for i := range len(s) {
		h.byte(s[i])
	}
}

func (h *hasher) bytes(b []byte) {
	h.uint64(uint64(len(b)))
	for _, c := range b {
		h.byte(c)
	}
}

// sum mixes the state as splitmix64 does, so that sums of sums stay apart.
func (h hasher) sum() uint64 {
	z := uint64(h)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// digestOf returns the part of a register in a digest: everything but its age and time left.
func digestOf(r Register) Digest {
	h := hasher(offset64)
	h.byte(byte(r.Kind))
	if r.Gone {
		h.byte(1)
	} else {
		h.byte(0)
	}
	h.string(r.Key)
	h.string(r.Writer)
	h.uint64(r.Version.Incarnation)
	h.uint64(r.Version.Seq)
	h.bytes(r.Payload)
	return Digest(h.sum())
}

// DigestOf returns the digest of a set of names, in whatever order they come.
func DigestOf(names []string) Digest {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	var d Digest
	for _, n := range slices.Compact(sorted) {
		d += digestOfName(n)
	}
	return d
}

func digestOfName(name string) Digest {
	h := hasher(offset64)
	h.string(name)
	return Digest(h.sum())
}
