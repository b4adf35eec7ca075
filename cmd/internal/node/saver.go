package node

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// A saver writes state to the store from a goroutine of its own, so that no swap of answers ever waits
// for the disk. Only the newest state matters: one that was not written yet is replaced.
type saver struct {
	store  Store
	log    *slog.Logger
	jobs   chan saveJob           // has room for one
	lost   atomic.Pointer[string] // why the last state was not saved; nil: it was
	errors atomic.Uint64
}

// A saveJob is a state and, if someone waits for it, where to say how it went.
type saveJob struct {
	state Saved
	done  []chan<- error
}

func newSaver(store Store, log *slog.Logger) *saver {
	return &saver{store: store, log: log, jobs: make(chan saveJob, 1)}
}

// save hands over a state; done, if not nil, gets the outcome and must have room for it. One goroutine
// (the loop) may call it.
func (s *saver) save(state Saved, done chan<- error) {
	job := saveJob{state: state}
	select { // what still waits is older; whoever waits for it is served by this one
	case old := <-s.jobs:
		job.done = old.done
	default:
	}
	if done != nil {
		job.done = append(job.done, done)
	}
	s.jobs <- job
}

// run writes until ctx is done, then what is left.
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case job := <-s.jobs:
			s.write(job)
		case <-ctx.Done():
			select {
			case job := <-s.jobs:
				s.write(job)
			default:
			}
			return
		}
	}
}

func (s *saver) write(job saveJob) {
	err := s.store.Save(job.state)
	switch before := s.lost.Load(); {
	case err != nil:
		why := err.Error()
		s.errors.Add(1)
		s.lost.Store(&why)
		if before == nil {
			s.log.Error("state is not saved; serving goes on", "error", err)
		}
	case before != nil:
		s.lost.Store(nil)
		s.log.Info("state is saved again")
	}
	for _, done := range job.done {
		done <- err
	}
}

// noStore keeps nothing.
type noStore struct{}

func (noStore) Load() (Saved, error) { return Saved{}, nil }
func (noStore) Save(Saved) error     { return nil }
