// Package stat says what is usual among measured values.
//
// It knows numbers; it refuses to know what they were measured of. Its one main call is Median.
package stat

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Median returns the value in the middle; of an even number of values the mean of the two there. There is at
// least one.
func Median[T int | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	low, high := sorted[(n-1)/2], sorted[n/2]
	return low + (high-low)/2
}

// At returns the least of the values that the share q of them does not exceed. There is at least one.
func At[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}
