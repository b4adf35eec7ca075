package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/gossip"
)

// The node is ready when its listeners are open, not before; and no longer once it is told to stop.
func TestReadyMeansListening(t *testing.T) {
	bubble(t, func(b *lab) {
		b.server.opens, b.server.lameduck = 300*time.Millisecond, 20*time.Second
		b.start(Config{StartGrace: 5 * time.Second})
		for b.node.Waiting() != "" {
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if !b.server.isServing() {
			t.Error("ready, and its listeners are not open")
		}
		b.stop()
		time.Sleep(time.Second)
		if b.node.Waiting() == "" || !b.server.isServing() {
			t.Errorf("during lameduck: waiting for %q, serving %v", b.node.Waiting(), b.server.isServing())
		}
		<-b.done
	})
}

// While the server drains answers stay true: probing goes on, and what it finds is served.
func TestLameduckGoesOnJudging(t *testing.T) {
	bubble(t, func(b *lab) {
		b.server.lameduck = 30 * time.Second
		b.start(Config{StartGrace: 5 * time.Second})
		time.Sleep(5 * time.Second)
		b.stop()
		time.Sleep(time.Second)
		b.kill("192.0.2.1", true)
		time.Sleep(10 * time.Second)
		if v := b.verdict("192.0.2.1"); v.State != checks.Down {
			t.Errorf("a target that died during lameduck is %s", v)
		}
		if err := <-b.done; err != nil {
			t.Error(err)
		}
	})
}

// Whoever gives up waiting for the loop is not written to any more, and no one waits for a loop that has
// ended.
func TestCall(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		hold := make(chan struct{})
		go func() { _ = b.node.call(context.Background(), func(time.Time) { <-hold }) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ran := false
		if err := b.node.call(ctx, func(time.Time) { ran = true }); !errors.Is(err, errStopped) {
			t.Errorf("got %v", err)
		}
		close(hold)
		time.Sleep(time.Second)
		if ran {
			t.Error("ran after its caller had gone")
		}
		b.end()
		begin := time.Now()
		ctx, cancel = context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := b.node.call(ctx, func(time.Time) {}); !errors.Is(err, errStopped) || time.Since(begin) > time.Second {
			t.Errorf("after the end: %v after %s", err, time.Since(begin))
		}
	})
}

// Two reloads at once: what was read last is served.
func TestReloadsFollowOneAnother(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		old, slow := b.load(), make(chan struct{}, 1)
		slow <- struct{}{}
		b.node.world.Load = func() Loaded {
			select {
			case <-slow: // the first reads the old files, and takes long over it
				time.Sleep(2 * time.Second)
				return old
			default:
				l := b.load()
				l.Digest ^= 1 << 60
				return l
			}
		}
		first := make(chan error, 1)
		go func() {
			_, err := b.node.Reload(context.Background())
			first <- err
		}()
		synctest.Wait()
		if _, err := b.node.Reload(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		s, err := b.node.Status(context.Background())
		if want := digestText(old.Digest ^ 1<<60); err != nil || s.Config.Digest != want {
			t.Errorf("serves %s, want %s (%v)", s.Config.Digest, want, err)
		}
		b.end()
	})
}

// A node whose peers are all silent waits for them for start_grace, to the moment; until then it takes no
// override, though its own targets are long decided.
func TestStartWithoutPeers(t *testing.T) {
	bubble(t, func(b *lab) {
		begin := time.Now()
		b.start(Config{StartGrace: 3300 * time.Millisecond, Cluster: &Cluster{Join: []string{"127.0.0.9:7946"}}})
		time.Sleep(2 * time.Second)
		word := OverrideRequest{Target: "example.org/web/lon", State: "drain", Reason: "test"}
		var no *refusal
		if _, err := b.node.Override(context.Background(), word); !errors.As(err, &no) || no.code != 503 {
			t.Errorf("before the first exchange: got %v", err)
		}
		for b.node.Waiting() != "" {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(begin).Round(10 * time.Millisecond); took != 3300*time.Millisecond {
			t.Errorf("ready after %s", took)
		}
		// Nothing is known of earlier serials, and none may be less than one that was served: Unix time.
		if got := b.node.Table().Serial(0); got < uint32(begin.Unix()) {
			t.Errorf("serial %d", got)
		}
		if _, err := b.node.Override(context.Background(), word); err != nil {
			t.Errorf("after start_grace: %v", err)
		}
		b.end()
		time.Sleep(2 * time.Second) // pings of memberlist's
	})
}

// An incarnation that outbids another is on disk before it is used, and no two writes of the state overlap.
func TestOutbidIsSavedInTurn(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		b.disk.mu.Lock()
		b.disk.slow = 300 * time.Millisecond
		b.disk.mu.Unlock()
		go func() {
			_, _ = b.node.Override(context.Background(), OverrideRequest{Target: "example.org/web/lon", State: "drain", Reason: "test"})
		}()
		synctest.Wait() // the disk is busy
		rival := b.disk.saved(t).Incarnation + 1000
		b.node.deliver(gossip.Message{From: "a", Heartbeat: &checks.Heartbeat{Node: "a", Incarnation: rival, Instance: 99, Counter: 1}})
		time.Sleep(5 * time.Second)
		if b.disk.overlaps > 0 {
			t.Errorf("%d writes while another was under way", b.disk.overlaps)
		}
		if s := b.disk.saved(t); s.Incarnation != rival+1 {
			t.Errorf("on disk: incarnation %d, want %d", s.Incarnation, rival+1)
		}
		b.end()
	})
}

// A verdict that changed is on disk a moment later: kill -9 does not bring the one before back.
func TestChangedVerdictIsSaved(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(12 * time.Second)
		b.kill("192.0.2.1", true)
		for b.verdict("192.0.2.1").State != checks.Down {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		for _, r := range b.disk.saved(t).Registers {
			target, err := checks.ParseTargetKey(r.Key)
			if r.Kind != checks.KindObservation || err != nil || target.Host != "192.0.2.1" {
				continue
			}
			if o, err := checks.DecodeObservation(r.Payload); err != nil || o.Reached != checks.Down {
				t.Errorf("on disk: %+v, %v", o, err)
			}
		}
		b.end()
	})
}

// A verdict that a reload changes by its quorum is an event like any other.
func TestReloadThatTurnsAVerdict(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(3 * time.Second)
		b.kill("192.0.2.1", true)
		time.Sleep(5 * time.Second)
		reload := func(text string) {
			t.Helper()
			b.text = text
			if r, err := b.node.Reload(context.Background()); err != nil || !r.Applied {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		states := func() (out []string) {
			for _, e := range b.node.Events() {
				if e.Kind == "target" {
					out = append(out, e.Text)
				}
			}
			return out
		}
		reload(strings.Replace(labZone, `interval = "1s"`, `interval = "1s"
quorum = 2`, 1)) // one vote is fewer than two: nobody judges, and what was reached stays
		time.Sleep(3 * time.Second)
		if v := b.verdict("192.0.2.1"); v.State != checks.Down || !v.Stale {
			t.Errorf("got %s", v)
		}
		b.kill("192.0.2.1", false)
		time.Sleep(5 * time.Second)
		reload(labZone)
		if v := b.verdict("192.0.2.1"); v.State != checks.Up {
			t.Errorf("got %s", v)
		}
		if got := states(); len(got) != 2 || !strings.Contains(got[1], " up: ") {
			t.Errorf("events: %q", got)
		}
		// What is no longer there is no event.
		reload(strings.Replace(labZone, `{ name = "lon", address = "192.0.2.1" }, `, "", 1))
		if got := states(); len(got) != 2 {
			t.Errorf("events: %q", got)
		}
		b.end()
	})
}

// A reload has the server take up what it reads by itself, unless it is refused.
func TestReloadReachesTheServer(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(3 * time.Second)
		for _, step := range []struct {
			text string
			want int
		}{{labZone, 1}, {"no zone", 1}, {labZone, 2}} {
			b.text = step.text
			if _, err := b.node.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
			b.server.mu.Lock()
			if b.server.reloads != step.want {
				t.Errorf("got %d reloads, want %d", b.server.reloads, step.want)
			}
			b.server.mu.Unlock()
		}
		b.end()
	})
}

// What comes faster than the loop takes it is dropped and counted, and does not hold up the mesh.
func TestInboxIsBounded(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		hold := make(chan struct{})
		go func() { _ = b.node.call(context.Background(), func(time.Time) { <-hold }) }()
		synctest.Wait()
		const over = 7
		for range inboxSize + over {
			b.node.deliver(gossip.Message{From: "x"})
		}
		if got := b.node.counters.inboxDropped.Load(); got != over {
			t.Errorf("dropped %d, want %d", got, over)
		}
		close(hold)
		synctest.Wait()
		if n := len(b.node.inbox); n != 0 {
			t.Errorf("%d are left", n)
		}
		b.end()
	})
}
