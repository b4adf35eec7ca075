package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks/probe"
	"vitalns/zones/zonefile"
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

// The log has the problems of a reload, errors first, up to a bound: a signal gets no other report.
func TestReloadLogsProblems(t *testing.T) {
	bubble(t, func(b *lab) {
		var log bytes.Buffer
		b.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		for _, row := range []struct{ errors, warnings, want, more int }{{0, 0, 0, 0}, {0, 2, 2, 0}, {3, 1, 4, 0}, {maxLogged + 5, 9, maxLogged, 14}} {
			b.node.world.Load = func() Loaded {
				l := b.load()
				l.Problems = nil
				for i := range row.errors + row.warnings {
					p := zonefile.Problem{File: "z.toml", Line: i + 1, Col: 1, Severity: zonefile.Warning, Text: "no good"}
					if i >= row.warnings {
						p.Severity = zonefile.Error
					}
					l.Problems = append(l.Problems, p)
				}
				return l
			}
			log.Reset()
			if r, err := b.node.Reload(context.Background()); err != nil || r.Valid != (row.errors == 0) {
				t.Fatalf("%+v, %v", r, err)
			}
			got, errs := strings.Count(log.String(), "no good"), strings.Count(log.String(), ": error: no good")
			if got != row.want || errs != min(row.errors, maxLogged) || strings.Contains(log.String(), fmt.Sprintf("number=%d", row.more)) != (row.more > 0) {
				t.Errorf("%d errors and %d warnings: %d lines, %d of errors:\n%s", row.errors, row.warnings, got, errs, log.String())
			}
		}
		b.end()
	})
}
