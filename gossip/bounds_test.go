package gossip

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/test/simnet"
)

func simMesh(t *testing.T, nw *simnet.Net, name, addr string, join ...string) *Mesh {
	t.Helper()
	tr, err := nw.Transport(addr)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Node: name, Bind: addr, Join: join, Transport: tr, Label: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantDropped(t *testing.T, m *Mesh, reason string, want uint64) {
	t.Helper()
	if got := m.Stats().Dropped[reason]; got != want {
		t.Errorf("%d dropped as %q, want %d", got, reason, want)
	}
}

// Before it runs a mesh queues up to its bounds and counts what goes beyond.
func TestQueuesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simMesh(t, simnet.New(1), "a", "127.0.1.1:7946")
		defer func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}()
		rs := make([]checks.Register, maxPending+10)
		for i := range rs {
			rs[i] = checks.Register{Kind: 1, Key: fmt.Sprint(i), Writer: "a", Version: checks.Version{Seq: 1}}
		}
		m.Publish(rs)
		wantDropped(t, m, "queue full", 10)
		wantDropped(t, m, "gossip full", uint64(len(rs)-maxGossip))
		for range 100 { // the same ones need no more room
			m.Publish(rs[:10])
		}
		wantDropped(t, m, "queue full", 10)

		m.Publish([]checks.Register{{Key: strings.Repeat("k", checks.MaxKey+1)}, {Payload: make([]byte, checks.MaxPayload+1)}})
		wantDropped(t, m, "too large", 2)

		for range maxLetters + 5 {
			m.Pull(checks.Pull{From: "b"})
		}
		wantDropped(t, m, "queue full", 15)

		for range inboxSize + 7 {
			m.take([]byte{1})
		}
		wantDropped(t, m, "inbox full", 7)
	})
}

func TestInboxIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simMesh(t, simnet.New(1), "a", "127.0.1.1:7946")
		large := make([]byte, maxMessage)
		for range inboxBytes/maxMessage + 3 {
			m.take(large)
		}
		wantDropped(t, m, "inbox full", 3)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A newer version takes the place of a queued older one, and an older one never of a newer.
func TestOutboxReplaces(t *testing.T) {
	o := newOutbox()
	now := time.Unix(0, 0)
	version := func(seq uint64) []checks.Register {
		return []checks.Register{{Kind: 1, Key: "k", Writer: "a", Version: checks.Version{Seq: seq}}}
	}
	sent := func() (seqs []uint64) {
		l := o.take(now)
		for _, p := range append(l.news, l.again...) {
			seqs = append(seqs, p.Version.Seq)
		}
		return seqs
	}
	step := func(d time.Duration, want ...uint64) {
		t.Helper()
		now = now.Add(d)
		if got := sent(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("at %v: sent %v, want %v", now.UnixMilli(), got, want)
		}
	}
	o.publish(version(1), now)
	o.publish(version(3), now)
	o.publish(version(2), now)
	step(0, 3) // the first after a pause goes at once
	o.publish(version(4), now)
	step(time.Millisecond)    // the next waits
	step(time.Millisecond, 4) // and has taken the place of the repeats of the former
	step(repeats[0], 4)
	step(repeats[1], 4)
	step(time.Second)
	if len(o.byKey) != 0 {
		t.Errorf("%d registers are left", len(o.byKey))
	}
}

// A peer that takes no stream holds up nothing but its own queue.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(1)
		a := simMesh(t, nw, "a", "127.0.1.1:7946", "127.0.1.2:7946")
		b := simMesh(t, nw, "b", "127.0.1.2:7946")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		for _, m := range []*Mesh{a, b} {
			go func() { done <- m.Run(ctx, func(Message) {}) }()
		}
		time.Sleep(time.Second)
		nw.Cut("", "", simnet.TCP)
		large := State{Owner: "a", Registers: []checks.Register{{Kind: 1, Key: "k", Writer: "a", Payload: make([]byte, 2000)}}}
		for range maxParcels + 4 {
			a.Reply("b", large)
		}
		time.Sleep(100 * time.Millisecond)
		if got := a.Stats().Dropped["stream full"]; got != 3 && got != 4 { // one may have been on its way
			t.Errorf("%d dropped as stream full, want 3 or 4", got)
		}
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(2 * time.Second)
	})
}

// What a later version says is counted and ignored; what is malformed is counted as such.
func TestStrangeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simMesh(t, simnet.New(1), "a", "127.0.1.1:7946")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- m.Run(ctx, func(msg Message) { t.Errorf("delivered %+v", msg) })
		}()
		m.take([]byte{version + 1, 2, 3})
		m.take(appendHead(nil, 200, viaPacket, "b"))
		m.take([]byte("\x01\x01"))
		m.take(appendHead(nil, kindLeave, viaPacket, "b"))
		synctest.Wait()
		s := m.Stats()
		if s.UnknownVersions != 1 || s.UnknownKinds != 1 || s.DecodeErrors != 1 || s.Received["leave"].Messages != 1 {
			t.Errorf("got %+v", s)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
	})
}

// The table of peers forgets the one that is gone longest, and never a live one.
func TestPeersAreBounded(t *testing.T) {
	tab := newPeers("self")
	now := time.Unix(0, 0)
	join := func(i int) { tab.joined(fmt.Sprintf("n%04d", i), []byte{192, 0, 2, 1}, uint16(i), nil, now) }
	for i := range maxPeers {
		join(i)
	}
	join(maxPeers)
	if tab.alive() != maxPeers+1 {
		t.Errorf("%d alive, want %d", tab.alive(), maxPeers+1)
	}
	tab.gone("n0007", now.Add(time.Second))
	tab.gone("n0003", now.Add(2*time.Second))
	join(maxPeers)
	if tab.byName["n0007"] != nil || tab.byName["n0003"] == nil || tab.byName[fmt.Sprintf("n%04d", maxPeers)] == nil {
		t.Error("not the one gone longest made room")
	}
	for i := range maxProblems + 10 {
		tab.blame(fmt.Sprintf("192.0.2.1:%d", i), problem{text: "timeout", at: now, join: true})
	}
	if len(tab.problems) != maxProblems {
		t.Errorf("%d problems kept, want %d", len(tab.problems), maxProblems)
	}
	for i := range maxShadows + 3 {
		tab.twinned("self", fmt.Sprintf("192.0.2.2:%d", i), now)
	}
	if got := len(tab.shadowRoutes(now)); got != maxShadows {
		t.Errorf("%d shadows, want %d", got, maxShadows)
	}
	if got := len(tab.shadowRoutes(now.Add(shadowing + 1))); got != 0 {
		t.Errorf("%d shadows after a while, want none", got)
	}
}

// Where others of our name were long ago leaves room for where one is now.
func TestOldNamesakesAreForgotten(t *testing.T) {
	p, then := newPeers("a"), time.Now()
	for i := range maxShadows {
		p.twinned("a", fmt.Sprintf("192.0.2.%d:1", i), then)
	}
	now := then.Add(shadowing + time.Second)
	p.twinned("a", "198.51.100.1:1", now)
	if got := p.namesakes(now.Add(-unanswered)); !slices.Equal(got, []string{"198.51.100.1:1"}) {
		t.Errorf("namesakes %v", got)
	}
	if got := p.namesakes(now.Add(time.Second)); len(got) != 0 {
		t.Errorf("namesakes after that: %v", got)
	}
}
