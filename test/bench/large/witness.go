//go:build linux

package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vitalns/test/bench/blast"
)

// A witness is a thread that its core is left to before all others. It sees when nothing runs there at all: the
// host of a virtual machine takes a core away for as long as it likes, and no server answers meanwhile.
type witness struct {
	stopped atomic.Bool
	ended   chan error

	mu   sync.Mutex // protects seen
	seen absence
}

// An absence is how long a core was away: the longest, and all of them that were worth counting.
type absence struct{ longest, sum time.Duration }

// wink is how long a witness sleeps, and blink the least absence that counts: less is its own being late.
const (
	wink  = time.Millisecond
	blink = 10 * time.Millisecond
)

// watch starts a witness. It takes a right to (CAP_SYS_NICE).
func watch(core int) (*witness, error) {
	w, begun := &witness{ended: make(chan error, 1)}, make(chan error, 1)
	go func() {
		w.ended <- blast.OnCore(core, func() {
			err := unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}, 0)
			begun <- err
			if err == nil {
				w.look()
			}
		})
	}()
	var err error
	select {
	case err = <-begun:
	case err = <-w.ended:
	}
	if err != nil {
		return nil, fmt.Errorf("watch core %d: %w", core, err)
	}
	return w, nil
}

// look sleeps, and sees how late it wakes up. Of its sleep the scheduler of goroutines is not told: it would
// have this thread wait for its turn. So it keeps one of those that may run at once, beside the others.
func (w *witness) look() {
	most := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(most + 1)
	defer runtime.GOMAXPROCS(most)
	last := time.Now()
	for !w.stopped.Load() {
		pause := unix.NsecToTimespec(int64(wink))
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0) // or it is interrupted
		now := time.Now()
		if late := now.Sub(last) - wink; late >= blink {
			w.mu.Lock()
			w.seen.longest, w.seen.sum = max(w.seen.longest, late), w.seen.sum+late
			w.mu.Unlock()
		}
		last = now
	}
}

// away returns how long the core was away since this was asked last. No witness has seen anything.
func (w *witness) away() (a absence) {
	if w == nil {
		return a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a, w.seen = w.seen, a
	return a
}

// close ends it.
func (w *witness) close() error {
	w.stopped.Store(true)
	return <-w.ended
}
