package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// A spawner starts processes that die with this one. The kernel ties them to the thread that started
// them, so that one starts them all and lives until close.
type spawner struct{ jobs chan func() }

func newSpawner() spawner {
	s := spawner{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

func (s spawner) start(c *exec.Cmd) error {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := make(chan error, 1)
	s.jobs <- func() { err <- c.Start() }
	return <-err
}

func (s spawner) close() { close(s.jobs) }
