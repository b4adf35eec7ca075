package node

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
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
		for other, nice := range threads(t) {
			if other != tid && nice > before {
				t.Errorf("thread %d has niceness %d as well", other, nice)
			}
		}
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

// threads returns the niceness of each thread of this process.
func threads(t *testing.T) map[int]int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]int{}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		if nice, err := niceness(tid); err == nil { // else it has ended since
			out[tid] = nice
		}
	}
	return out
}

// A panic of what runs aside is the caller's, who may live on.
func TestAsidePanics(t *testing.T) {
	defer func() {
		if cause := recover(); !strings.Contains(fmt.Sprint(cause), "the cause") {
			t.Errorf("recovered %v", cause)
		}
	}()
	aside(func() { panic("the cause") })
	t.Error("aside went on")
}
