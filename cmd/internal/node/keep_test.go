package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
	"vitalns/gossip"
)

// What was acknowledged is on disk; what could not be written is in force, said to be no more than that,
// and written once the disk has room.
func TestAcknowledgedIsOnDisk(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(3 * time.Second)
		word := func(state string) error {
			_, err := b.node.Override(context.Background(), OverrideRequest{Target: "example.org/web/lon", State: state, Reason: "test"})
			return err
		}
		if err := word("drain"); err != nil {
			t.Fatal(err)
		}
		if got := onDisk(t, b); got != "drain" {
			t.Errorf("acknowledged, on disk: %q", got)
		}
		b.disk.fill(true)
		var no *refusal
		if err := word("down"); !errors.As(err, &no) || no.code != 507 {
			t.Errorf("full disk: %v", err)
		}
		if o, _ := b.node.Snapshot().Override("example.org/web/lon"); o.Admin != checks.ForceDown {
			t.Errorf("in force: %v", o.Admin)
		}
		b.disk.fill(false)
		time.Sleep(12 * time.Second)
		if got := onDisk(t, b); got != "down" {
			t.Errorf("after the disk has room: %q", got)
		}
		b.end()
		b.start(Config{StartGrace: time.Second})
		if o, _ := b.node.Snapshot().Override("example.org/web/lon"); o.Admin != checks.ForceDown || o.Reason != "test" {
			t.Errorf("after a restart: %+v", o)
		}
		b.end()
	})
}

// A pool's choice is on disk within milliseconds of the answer that it is about: whoever is killed then has it.
func TestChoiceIsOnDisk(t *testing.T) {
	bubble(t, func(b *lab) {
		b.text = strings.Replace(labZone, `policy  = "all"`, "policy  = \"failover\"\nfailback = \"manual\"", 1)
		b.start(Config{StartGrace: time.Second})
		time.Sleep(3 * time.Second)
		b.kill("192.0.2.1", true)
		for b.verdict("192.0.2.1").State != checks.Down {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
		var names []string
		for _, r := range b.disk.saved(t).Registers {
			if c, err := checks.DecodeChoice(r.Payload); r.Kind == checks.KindChoice && err == nil {
				names = append(names, c.Names...)
			}
		}
		if want := []string{"fra"}; !slices.Equal(names, want) {
			t.Errorf("on disk: %q, want %q", names, want)
		}
		b.end()
	})
}

// What is not on disk is said in the status, from the start on, until it is.
func TestStatusSaysThatStateIsNotSaved(t *testing.T) {
	bubble(t, func(b *lab) {
		b.disk.fill(true)
		b.start(Config{StartGrace: time.Second})
		for _, step := range []struct {
			when string
			full bool
			want string
		}{{"from the start", true, errDisk.Error()}, {"with room again", false, ""}, {"full again", true, errDisk.Error()}} {
			if s, err := b.node.Status(context.Background()); err != nil || s.StateError != step.want {
				t.Errorf("%s: got %q, want %q (%v)", step.when, s.StateError, step.want, err)
			}
			b.disk.fill(!step.full)
			time.Sleep(2 * saveEvery)
		}
		b.end()
	})
}

func (m *memory) fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func onDisk(t *testing.T, b *lab) (state string) {
	t.Helper()
	for _, r := range b.disk.saved(t).Registers {
		if r.Kind != checks.KindOverride {
			continue
		}
		o, err := checks.DecodeOverride(r.Payload)
		if err != nil {
			t.Error(err)
		}
		state = o.Admin.String()
	}
	return state
}

// An incarnation is above the one before, wherever the clock stands, and on disk before anything is sent.
func TestIncarnationGrows(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		first := b.disk.saved(t)
		if want := uint64(time.Now().UnixMilli()); first.Incarnation != want || first.Node != "a" {
			t.Errorf("first %d of node %q, want the clock's %d of a", first.Incarnation, first.Node, want)
		}
		b.end()
		ahead := b.disk.saved(t)
		ahead.Incarnation += 1_000_000_000 // of a clock that was ahead
		if err := b.disk.Save(ahead); err != nil {
			t.Fatal(err)
		}
		b.start(Config{StartGrace: time.Second})
		if got := b.disk.saved(t).Incarnation; got != ahead.Incarnation+1 {
			t.Errorf("second %d, want %d", got, ahead.Incarnation+1)
		}
		b.end()
	})
}

// A probe that is changed, by a reload or while the node is off, takes over the verdict of the one before it,
// stale; where that is down it needs `rise` successes.
func TestChangedProbeInherits(t *testing.T) {
	for _, off := range []bool{false, true} {
		bubble(t, func(b *lab) {
			b.start(Config{StartGrace: time.Second})
			time.Sleep(3 * time.Second)
			b.kill("192.0.2.1", true)
			time.Sleep(5 * time.Second)
			b.text = strings.Replace(labZone, "port = 80", "port = 81", 1)
			b.kill("192.0.2.1", false)
			if off {
				b.end()
				time.Sleep(10 * time.Second)
				b.start(Config{StartGrace: time.Second})
			} else if r, err := b.node.Reload(context.Background()); err != nil || !r.Applied {
				t.Fatalf("%+v, %v", r, err)
			}
			begin := time.Now()
			if v := b.verdict("192.0.2.1"); v.State != checks.Down {
				t.Errorf("off %v: at first %s", off, v)
			}
			for b.verdict("192.0.2.1").State != checks.Up {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(begin); took < 400*time.Millisecond || took > 2*time.Second {
				t.Errorf("off %v: up after %s", off, took)
			}
			if v := b.verdict("192.0.2.2"); v.State != checks.Up {
				t.Errorf("off %v: the other one: %s", off, v)
			}
			b.end()
		})
	}
}

// After a suspend observations are unknown, answers stay, and what happened meanwhile is found out anew.
func TestSuspend(t *testing.T) {
	bubble(t, func(b *lab) {
		begin, slept := time.Now(), time.Duration(0)
		b.boot = func() time.Duration {
			b.mu.Lock()
			defer b.mu.Unlock()
			return time.Since(begin) + time.Hour + slept
		}
		b.start(Config{StartGrace: time.Second})
		time.Sleep(5 * time.Second)
		b.mu.Lock()
		slept, b.bad["192.0.2.1"] = time.Hour, true
		b.mu.Unlock()
		stale := false
		for range 400 {
			time.Sleep(5 * time.Millisecond)
			v := b.verdict("192.0.2.1")
			stale = stale || v.Stale && v.State == checks.Up
		}
		if !stale {
			t.Error("the verdict was never a stale one: the suspend was not seen")
		}
		time.Sleep(3 * time.Second)
		if v := b.verdict("192.0.2.1"); v.State != checks.Down || v.Stale {
			t.Errorf("got %s", v)
		}
		b.end()
	})
}

// An alarm that goes on is said once a minute: it does not wash the history away.
func TestLastingAlarm(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second, Cluster: &Cluster{}})
		for range 100 {
			time.Sleep(time.Second)
			b.node.deliver(gossip.Message{From: "x", Conflict: &gossip.Conflict{Node: "x", Addr: "192.0.2.7:1", Other: "192.0.2.8:1"}})
		}
		time.Sleep(time.Second)
		said := 0
		for _, e := range b.node.Events() {
			if strings.Contains(e.Text, "two nodes have the name") {
				said++
			}
		}
		if said != 2 {
			t.Errorf("said %d times in 100 s", said)
		}
		b.end()
		time.Sleep(2 * time.Second) // pings of memberlist's
	})
}

// A reason is shown on terminals: what they would act on is not taken in.
func TestOverridePrintable(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(3 * time.Second)
		word := OverrideRequest{Target: "example.org/web/lon", State: "drain", Reason: "a\x1b[2J\nb", Owner: "\x07x"}
		if _, err := b.node.Override(context.Background(), word); err != nil {
			t.Fatal(err)
		}
		if o := b.node.Overrides().Overrides; len(o) != 1 || o[0].Reason != "a?[2J?b" || o[0].Owner != "?x" {
			t.Errorf("got %+v", o)
		}
		events := b.node.Events()
		if !slices.ContainsFunc(events, func(e Event) bool { return e.Text == "target lon: drain: a?[2J?b" && e.Cause == "?x" }) {
			t.Errorf("got %+v", events)
		}
		b.end()
	})
}
