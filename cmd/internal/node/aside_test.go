package node

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Work that can wait runs on a thread that is less important than the others, and no other thread becomes so.
func TestAside(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := niceness(unix.Gettid())
	if err != nil {
		t.Fatal(err)
	}
	tid, inside := 0, 0
	aside(func() {
		tid = unix.Gettid()
		inside, err = niceness(tid)
	})
	if want := min(before+asideNice, 19); err != nil || inside != want {
		t.Errorf("aside: niceness %d, %v; want %d", inside, err, want)
	}
	if tid == unix.Gettid() || tid == os.Getpid() {
		t.Errorf("aside ran on thread %d, which is somebody else's", tid)
	}
	if after, err := niceness(unix.Gettid()); err != nil || after != before {
		t.Errorf("afterwards: niceness %d, %v; want %d", after, err, before)
	}
}
