package policy

import "math/bits"

// Pick makes one answer from a choice: positions in c.Members, in the order of the answer, each at most
// once. draw is random per query, key the client's (ClientKey). Both query paths answer through it.
func Pick(c Choice, draw, key uint64) []int {
	return AppendPick(nil, &c, draw, key)
}

// AppendPick is Pick into a slice of the caller's.
func AppendPick(dst []int, c *Choice, seed, key uint64) []int {
	n := len(c.Members)
	if n == 0 {
		return dst
	}
	k := c.Size()
	switch c.Mode {
	case Draw:
		return draw(dst, c.Members, k, seed)
	case Hash:
		return append(dst, highest(c.Members, key))
	}
	at := Turn(n, seed)
	for range k {
		dst = append(dst, at)
		if at++; at == n {
			at = 0
		}
	}
	return dst
}

// Turn returns which of n members that take turns is the first of an answer. n is at least 1.
func Turn(n int, seed uint64) int { return below(mix(seed), n) }

// golden is the step of splitmix64, and mix its finalizer: every bit of the output depends on every bit
// of the input.
const golden = 0x9e3779b97f4a7c15

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below maps a random x evenly onto 0..n-1.
func below(x uint64, n int) int {
	hi, _ := bits.Mul64(x, uint64(n))
	return int(hi)
}
