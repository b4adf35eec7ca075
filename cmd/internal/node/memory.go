package node

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// loadPercent is how much garbage there may be while files are read, in percent of what is alive: the
	// peak of a load stays close to what it makes. Records hold no pointers, so that a cycle costs little.
	loadPercent = 20
	// heapSlack bounds the garbage beside what is served, which the collector would else let grow to as much
	// as is alive.
	heapSlack = 32 << 20
)

// lean reads files with a collector that is eager meanwhile.
func lean(load func() Loaded) Loaded {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(loadPercent))
	}
	return load()
}

// settle gives back to the system what a load took beside what it made.
func settle() {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") != "" {
		return // somebody knows better
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(int(max(10, min(100, heapSlack*100/max(m.HeapAlloc, 1)))))
}

// spare lets one goroutine more run at once than there are cores: those that answer may keep every core
// busy for long, and the system then shares them with what checks, gossips and reloads.
func spare() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
