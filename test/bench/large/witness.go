//go:build linux

package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vitalns/test/bench/blast"
)

// A witness is a thread that its core is left to before all others. It sees when nothing runs there at all: the
// host of a virtual machine takes a core away for as long as it likes, and no server answers meanwhile.
type witness struct {
	longest atomic.Int64 // ns
	stopped atomic.Bool
	ended   chan error
}

// wink is how long a witness sleeps: one in a hundred of what it has to see.
const wink = time.Millisecond

// watch starts a witness. It takes a right to (CAP_SYS_NICE).
func watch(core int) (*witness, error) {
	w, begun := &witness{ended: make(chan error, 1)}, make(chan error, 1)
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // it keeps one
	go func() {
		w.ended <- blast.OnCore(core, func() {
			err := unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}, 0)
			begun <- err
			if err == nil {
				w.look()
			}
		})
	}()
	select {
	case err := <-begun:
		if err != nil {
			return nil, fmt.Errorf("watch core %d: %w", core, err)
		}
		return w, nil
	case err := <-w.ended:
		return nil, err
	}
}

// look sleeps, and sees how late it wakes up. Of its sleep the scheduler of goroutines is not told: it would
// have this thread wait for its turn.
func (w *witness) look() {
	last := time.Now()
	for !w.stopped.Load() {
		pause := unix.NsecToTimespec(int64(wink))
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0) // or it is interrupted
		now := time.Now()
		late := int64(now.Sub(last) - wink)
		last = now
		for old := w.longest.Load(); late > old && !w.longest.CompareAndSwap(old, late); old = w.longest.Load() {
		}
	}
}

// away returns the longest that the core was away since this was asked last. No witness has seen anything.
func (w *witness) away() time.Duration {
	if w == nil {
		return 0
	}
	return time.Duration(w.longest.Swap(0))
}

func (w *witness) close() error {
	w.stopped.Store(true)
	return <-w.ended
}
