package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks/probe"
)

// slowly has the node take a while to read its files, which then hold another zone than before.
func (b *lab) slowly(takes time.Duration) {
	b.mu.Lock()
	b.text = strings.Replace(labZone, "192.0.2.2", "192.0.2.3", 1)
	b.mu.Unlock()
	b.node.world.Load = func() Loaded {
		time.Sleep(takes)
		return b.load()
	}
}

// Who asked for a reload may go while files are read: they are served all the same.
func TestReloadOutlivesItsClient(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		b.slowly(18 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if r, err := b.node.Reload(ctx); err != nil || !r.Applied {
			t.Errorf("got %+v, %v", r, err)
		}
		if s, err := b.node.Status(context.Background()); err != nil || s.Config.Digest != b.load().Hex() {
			t.Errorf("serves %s, want %s (%v)", s.Config.Digest, b.load().Hex(), err)
		}
		b.end()
	})
}

// Files are read by one at a time, be it for a plan or a reload, and who waits for that may go.
func TestPlansGoOneAtATime(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		var reading, most, reads atomic.Int32
		b.node.world.Load = func() Loaded {
			most.Store(max(most.Load(), reading.Add(1)))
			defer reading.Add(-1)
			reads.Add(1)
			time.Sleep(2 * time.Second)
			return b.load()
		}
		done := make(chan error, 3)
		for range 2 {
			go func() {
				_, err := b.node.Plan(context.Background())
				done <- err
			}()
		}
		go func() {
			_, err := b.node.Reload(context.Background())
			done <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := b.node.Plan(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gave up got %v", err)
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most.Load() != 1 || reads.Load() != 3 {
			t.Errorf("files were read %d times, by up to %d at once", reads.Load(), most.Load())
		}
		b.end()
	})
}

// Zones that are all gone at once are missed, unless the node file names none.
func TestReloadThatLosesEveryZone(t *testing.T) {
	for _, row := range []struct {
		name, file string
		applied    bool
	}{
		{"a pattern that matches nothing", `zones = ["gone/*.toml"]`, false},
		{"no pattern", `zones = []`, true},
		{"no key", ``, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(b *lab) {
				b.start(Config{StartGrace: time.Second})
				time.Sleep(2 * time.Second)
				loader := Loader{Path: filepath.Join(t.TempDir(), "node.toml"), Env: &probe.Env{}}
				if err := os.WriteFile(loader.Path, []byte(row.file), 0o600); err != nil {
					t.Fatal(err)
				}
				b.node.world.Load = loader.Load
				for _, ask := range []func(context.Context) (Reload, error){b.node.Plan, b.node.Reload} {
					r, err := ask(context.Background())
					if err != nil || r.Valid != row.applied || strings.Contains(r.Problems, "node.toml:1:10: error: zones: no file is left") == row.applied {
						t.Errorf("valid: got %v, want %v: %s%v", r.Valid, row.applied, r.Problems, err)
					}
				}
				if zones := len(b.node.Table().Set().Zones()); (zones == 0) != row.applied {
					t.Errorf("%d zones are served", zones)
				}
				b.end()
			})
		})
	}
}
