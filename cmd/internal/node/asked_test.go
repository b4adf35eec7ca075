package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// Everything that may be asked of a node is asked at once, while targets flap, files are reloaded and callers
// give up: for the race detector, and for whoever would wait for ever.
func TestAskedFromEverywhere(t *testing.T) {
	bubble(t, func(b *lab) {
		other := strings.Replace(labZone, `interval = "1s"`, `interval = "500ms"`, 1)
		b.start(Config{StartGrace: time.Second})
		end := time.Now().Add(8 * time.Second)
		var wg sync.WaitGroup
		again := func(every time.Duration, ask func(ctx context.Context) error) {
			wg.Go(func() {
				for time.Now().Before(end) {
					ctx, cancel := context.WithTimeout(context.Background(), every)
					if err := ask(ctx); err != nil && !errors.Is(err, errStopped) && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					cancel()
					time.Sleep(every)
				}
			})
		}
		again(7*time.Millisecond, func(ctx context.Context) error { _, err := b.node.Status(ctx); return err })
		again(11*time.Millisecond, func(ctx context.Context) error { _, err := b.node.Members(ctx); return err })
		again(13*time.Millisecond, func(ctx context.Context) error { _, err := b.node.Explain(ctx, "www.example.org", "A", ""); return err })
		again(17*time.Millisecond, func(context.Context) error { _, err := b.node.Registry().Gather(); return err })
		again(101*time.Millisecond, func(ctx context.Context) error { _, err := b.node.Plan(ctx); return err })
		again(103*time.Millisecond, func(ctx context.Context) error {
			_, err := b.node.Override(ctx, OverrideRequest{Target: "example.org/web/fra", State: "auto", Reason: "test"})
			var no *refusal
			if errors.As(err, &no) && no.code == 503 {
				return nil // not heard enough yet
			}
			return err
		})
		again(211*time.Millisecond, func(ctx context.Context) error {
			b.mu.Lock()
			b.text, other = other, b.text
			b.mu.Unlock()
			_, err := b.node.Reload(ctx)
			return err
		})
		for i := range 8 {
			b.kill("192.0.2.1", i%4 < 2)
			time.Sleep(time.Second)
		}
		wg.Wait()
		b.end()
	})
}
