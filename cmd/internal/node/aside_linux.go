package node

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// asideNice is how far work that can wait stands back: beside a thread that answers and wants the whole core
// it gets a tenth of it, enough to come to its end.
const asideNice = 10

// aside runs f on a thread of its own that leaves the core to those that answer, and waits for it. Where it
// is not allowed to, f takes as much as they do. If f panics, so does aside.
func aside(f func()) {
	done := make(chan any)
	go func() {
		defer func() {
			cause := recover()
			if cause != nil {
				cause = fmt.Errorf("%v\n%s", cause, debug.Stack())
			}
			done <- cause
		}()
		runtime.LockOSThread() // and never unlocked: what a thread gave it may not take back, and so it ends with this
		if n, err := niceness(unix.Gettid()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), min(n+asideNice, 19))
		}
		f()
	}()
	if cause := <-done; cause != nil {
		panic(cause)
	}
}

// niceness is that of a thread; the system call keeps clear of negative results by counting from 20 down.
func niceness(tid int) (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	return 20 - n, err
}
