package sim

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"vitalns/cmd/internal/node"
)

// A disk keeps a machine's state over its lives.
type disk struct {
	mu    sync.Mutex // protects all below
	raw   []byte     // nil: nothing is saved
	full  bool
	torn  bool
	slow  time.Duration // what a save takes
	ahead time.Duration // how far this boot's clock is ahead of that of the one before
}

var (
	errFull = errors.New("no space left on device")
	errTorn = errors.New("checksum does not match: torn or edited")
)

// A mount is a disk as one life of a machine sees it: what a life that was killed writes is lost.
type mount struct {
	*disk
	mu   sync.Mutex // protects gone
	gone bool
}

// Load implements node.Store.
func (m *mount) Load() (s node.Saved, err error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.torn {
		m.torn, m.raw = false, nil
		return s, errTorn
	}
	if m.raw == nil {
		return s, nil
	}
	err = json.Unmarshal(m.raw, &s)
	s.Time = s.Time.Add(-m.ahead)
	return s, err
}

// Save implements node.Store.
func (m *mount) Save(s node.Saved) error {
	if m.isGone() {
		return errFull
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	m.disk.mu.Lock()
	slow := m.slow
	m.disk.mu.Unlock()
	time.Sleep(slow)
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.full {
		return errFull
	}
	m.raw = raw
	return nil
}

func (m *mount) isGone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone
}

func (m *mount) unmount() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
}

// fill makes the disk full, or empty enough again.
func (d *disk) fill(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// drag has every save take d.
func (d *disk) drag(slow time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = slow
}

// content returns what is on the disk; put replaces it, nil being an empty disk.
func (d *disk) content() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.raw
}

func (d *disk) put(raw []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.raw = raw
}

// tear makes what is on the disk unreadable.
func (d *disk) tear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.torn = true
}

// shift has the clock of the next boot be ahead of that of the last one by d more than the time between.
func (d *disk) shift(ahead time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead = ahead
}
