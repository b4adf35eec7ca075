package gossip

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hashicorp/memberlist"
)

// deliverLoop decodes what arrives and hands it to deliver until ctx is done.
func (m *Mesh) deliverLoop(ctx context.Context, deliver func(Message)) {
	var d decoder
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-m.notes:
			if n.conflict != nil {
				deliver(Message{From: n.conflict.Node, Conflict: n.conflict})
			}
			m.logger.Log(ctx, n.level, n.msg, n.args...)
		case b := <-m.inbox:
			m.queued.Add(-int64(len(b)))
			if p, ok := m.open(&d, b); ok {
				deliver(p.Message)
			}
		}
	}
}

// open decodes one message, keeps account of it, and reports whether it is one to deliver.
func (m *Mesh) open(d *decoder, b []byte) (p packet, ok bool) {
	p, err := d.decode(b)
	switch {
	case errors.Is(err, errVersion):
		m.counts.versions.Add(1)
		return p, false
	case errors.Is(err, errKind):
		m.counts.kinds.Add(1)
		return p, false
	case err != nil:
		m.counts.malformed.Add(1)
		return p, false
	}
	m.counts.received[p.kind].count(len(b))
	now := time.Now()
	m.peers.heard(&p, now)
	if p.kind == kindHeartbeat {
		m.peers.inquire(p.Heartbeat, now)
	}
	// One hop of relaying: those whom the sender does not reach hear it from those it does.
	if p.kind == kindRegisters && p.via == viaPacket && p.From != m.cfg.Node {
		m.gossip(p.Registers, now)
	}
	return p, p.kind < kindLeave
}

// take queues a message that memberlist hands over; its buffer is memberlist's.
func (m *Mesh) take(b []byte) {
	if m.queued.Add(int64(len(b))) > inboxBytes {
		m.queued.Add(-int64(len(b)))
		m.counts.dropped[dropInbox].Add(1)
		return
	}
	select {
	case m.inbox <- bytes.Clone(b):
	default:
		m.queued.Add(-int64(len(b)))
		m.counts.dropped[dropInbox].Add(1)
	}
}

// tell queues a note; one that finds the queue full is lost.
func (m *Mesh) tell(n note) {
	select {
	case m.notes <- n:
	default:
	}
}

// note queues a line for the log.
func (m *Mesh) note(level slog.Level, msg string, args ...any) {
	if m.logger.Enabled(context.Background(), level) {
		m.tell(note{level: level, msg: msg, args: args})
	}
}

// delegate is what memberlist calls back, from its own goroutines and partly under its locks. Nothing
// here blocks, logs, or calls memberlist.
type delegate struct{ mesh *Mesh }

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.EventDelegate    = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
	_ memberlist.PingDelegate     = delegate{}
)

func (d delegate) NodeMeta(limit int) []byte {
	b := d.mesh.cfg.Meta.encode()
	return b[:min(len(b), limit)]
}

func (d delegate) NotifyMsg(b []byte) { d.mesh.take(b) }

// GetBroadcasts gives memberlist one message with as many registers as fit.
func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	m := d.mesh
	if !m.named() {
		return nil
	}
	b := m.rumours.message(m.cfg.Node, limit-overhead, time.Now())
	if b == nil {
		return nil
	}
	m.counts.sent[kindRegisters].count(len(b))
	return [][]byte{b}
}

// LocalState gives a node that joins everything. A periodic exchange carries nothing of ours: heartbeats
// and pulls repair, and everything every half minute would cost more than all the rest. A node that joins and
// is given nothing knows by it that this one has not got its name yet.
func (d delegate) LocalState(join bool) []byte {
	m := d.mesh
	if !join || !m.named() {
		return appendHead(nil, kindNothing, viaEcho, m.cfg.Node)
	}
	s := m.local.Load()
	if s == nil {
		s = &localState{at: time.Now()}
	}
	b := appendHead(nil, kindState, viaEcho, m.cfg.Node)
	b, left := appendState(b, State{Registers: s.registers}, m.cfg.Node, time.Since(s.at))
	m.counts.dropped[dropLarge].Add(uint64(left))
	m.counts.sent[kindState].count(len(b))
	return b
}

func (d delegate) MergeRemoteState(b []byte, join bool) {
	if join {
		d.mesh.overhear(b)
	}
	d.mesh.take(b)
}

func (d delegate) NotifyJoin(n *memberlist.Node) {
	m := d.mesh
	if n.Name == m.cfg.Node {
		return
	}
	if m.peers.joined(n.Name, n.Addr, n.Port, n.Meta, time.Now()) {
		m.note(slog.LevelInfo, "member joined", "node", n.Name, "addr", n.Address())
	}
}

func (d delegate) NotifyUpdate(n *memberlist.Node) { d.NotifyJoin(n) }

func (d delegate) NotifyLeave(n *memberlist.Node) {
	m := d.mesh
	if state, news := m.peers.gone(n.Name, time.Now()); news {
		level := slog.LevelWarn
		if state == Left {
			level = slog.LevelInfo
		}
		m.note(level, "member "+state.String(), "node", n.Name, "addr", n.Address())
	}
}

func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	m := d.mesh
	m.counts.conflicts.Add(1)
	c := &Conflict{Node: existing.Name, Addr: existing.Address(), Other: other.Address()}
	if m.peers.twinned(c.Node, c.Other, time.Now()) {
		m.tell(note{
			level: slog.LevelWarn, msg: "two nodes have one name", conflict: c,
			args: []any{"node", c.Node, "addr", c.Addr, "other", c.Other},
		})
	}
}

func (d delegate) AckPayload() []byte { return nil }

func (d delegate) NotifyPingComplete(n *memberlist.Node, rtt time.Duration, _ []byte) {
	d.mesh.peers.pinged(n.Name, rtt)
}
