package node

import (
	"runtime"
	"testing"
)

// One goroutine more than there are cores may run at once, unless somebody has said how many.
func TestSpare(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	for set, want := range map[string]int{"": before + 1, "1": before} {
		t.Setenv("GOMAXPROCS", set)
		runtime.GOMAXPROCS(before)
		spare()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("GOMAXPROCS=%q: %d, want %d", set, got, want)
		}
	}
}
