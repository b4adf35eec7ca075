//go:build race

package sim

import "runtime"

// Go 1.26's race detector crashes when two goroutines of one synctest bubble run a due ticker at once, as
// memberlist's do when it starts. On one processor they cannot; what the detector finds is the same.
func init() { runtime.GOMAXPROCS(1) }

// raced tests are ten times slower: the long ones do less.
const raced = true
