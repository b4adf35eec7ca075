package live

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// A Stage is a temporary directory and the processes that were started on it.
type Stage struct {
	Dir    string
	binary string // vitalns
	jobs   chan func()

	mu    sync.Mutex // protects procs
	procs []*Process
}

// Open makes a stage for a binary of vitalns. Close ends it.
func Open(binary string) (*Stage, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(binary); err != nil {
		return nil, fmt.Errorf("vitalns: %w (make build makes it)", err)
	}
	dir, err := os.MkdirTemp("", "vitalns-") // short: a unix socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	s := &Stage{Dir: dir, binary: binary, jobs: make(chan func())}
	go func() { // the kernel ties children to the thread that started them: one starts them all
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for job := range s.jobs {
			job()
		}
	}()
	return s, nil
}

// Close kills what still runs, waits for it, and removes the directory.
func (s *Stage) Close() error {
	s.mu.Lock()
	procs := s.procs
	s.mu.Unlock()
	var errs []error
	for _, p := range procs {
		errs = append(errs, p.Kill())
	}
	close(s.jobs)
	return errors.Join(append(errs, os.RemoveAll(s.Dir))...)
}

// Start starts a program as a child that does not outlive this process. What it says goes to a file of
// the stage.
func (s *Stage) Start(program string, args ...string) (*Process, error) {
	return s.StartAs(nil, program, args...)
}

// StartAs is Start as another user, for whoever may do that; nil: as this one.
func (s *Stage) StartAs(user *syscall.Credential, program string, args ...string) (*Process, error) {
	log, err := os.CreateTemp(s.Dir, filepath.Base(program)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.SysProcAttr = dieWithParent()
	cmd.SysProcAttr.Credential = user
	started := make(chan error, 1)
	s.jobs <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &Process{cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in its ProcessState
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.procs = append(s.procs, p)
	return p, nil
}

// A Process is a child.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Pid returns its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Code returns the exit code of a process that has ended; -1 if a signal ended it.
func (p *Process) Code() int { return p.cmd.ProcessState.ExitCode() }

// Signal sends it a signal.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends it with SIGKILL and waits until it is gone; one that has ended already is no error.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// Output returns all that it has said.
func (p *Process) Output() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
