//go:build race

package gossip_test

// raceEnabled says that the race detector is on. Go 1.26's crashes when two goroutines of one synctest
// bubble run a due ticker at once, as memberlist's do when it starts: the bubble has one race context for
// all its timers. On one processor they cannot; what the detector finds is the same.
const raceEnabled = true
