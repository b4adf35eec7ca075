package policy

// Weighted draws members by weight, without replacement. Weight 0 is never drawn beside a weight above
// 0; if all are 0 they are equal.
func Weighted(members []Member) Choice {
	heavy := keep(members, func(m Member) bool { return m.Weight > 0 })
	if len(heavy) == 0 {
		heavy = members
	}
	return Choice{Mode: Draw, Members: heavy}
}

// draw appends to dst the positions of k members, each drawn by weight among those that are left.
func draw(dst []int, members []Member, k int, seed uint64) []int {
	total := 0
	for _, m := range members {
		total += m.Weight
	}
	equal := total == 0
	if equal {
		total = len(members)
	}
	weight := func(i int) int {
		if equal {
			return 1
		}
		return members[i].Weight
	}
	first := len(dst)
	for len(dst)-first < k && total > 0 {
		seed += golden
		r := below(mix(seed), total)
		for i := range members {
			if drawn(dst[first:], i) {
				continue
			}
			if r -= weight(i); r < 0 {
				dst = append(dst, i)
				total -= weight(i)
				break
			}
		}
	}
	return dst
}

func drawn(taken []int, i int) bool {
	for _, t := range taken {
		if t == i {
			return true
		}
	}
	return false
}
