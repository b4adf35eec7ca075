package stat_test

import (
	"testing"

	"vitalns/test/bench/stat"
)

func TestStat(t *testing.T) {
	for _, tt := range []struct {
		name             string
		values           []float64
		median, p90, all float64
	}{
		{"one", []float64{3}, 3, 3, 3},
		{"odd", []float64{9, 1, 2}, 2, 9, 9},
		{"even", []float64{4, 1, 3, 2}, 2.5, 4, 4},
		{"ten", []float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 5.5, 9, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			median, p90, all := stat.Median(tt.values), stat.At(tt.values, 0.9), stat.At(tt.values, 1)
			if median != tt.median || p90 != tt.p90 || all != tt.all {
				t.Errorf("got median %v, 0.9 %v, 1 %v; want %v, %v, %v", median, p90, all, tt.median, tt.p90, tt.all)
			}
		})
	}
}
