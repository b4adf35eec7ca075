package gossip

import "sync/atomic"

// A Traffic counts messages of one kind and their bytes, before encryption.
type Traffic struct{ Messages, Bytes uint64 }

// Stats are totals since New, unless something else is said.
type Stats struct {
	// Sent and Received by kind: heartbeat, registers, pull, state, leave. A message to many counts once
	// for each. Gossip is counted as sent when memberlist takes it for a packet.
	Sent, Received map[string]Traffic
	// Dropped by reason: "inbox full", "queue full", "gossip full", "stream full", "too large", "unknown
	// member", "send failed". Heartbeats and pulls repair what is dropped.
	Dropped map[string]uint64

	UnknownVersions uint64 // messages of a version this node does not know
	UnknownKinds    uint64 // messages of a kind this node does not know
	DecodeErrors    uint64 // malformed messages
	Undecrypted     uint64 // packets and streams under a key this node does not have, or under none
	Foreign         uint64 // packets and streams of a cluster with another name
	Conflicts       uint64 // news of a member whose name another has
	Joins           uint64 // successful exchanges with a node that was no member
	JoinFailures    uint64

	BytesSent   uint64 // all that was written to the network, memberlist's own part and encryption included
	PacketsSent uint64
	StreamsSent uint64 // streams opened

	// HealthScore is memberlist's doubt about this node itself: 0 if it keeps up, greater the more it is
	// late with answers, by its network or for want of CPU. Now, not a total.
	HealthScore int
}

type drop int

const (
	dropInbox drop = iota
	dropQueue
	dropGossip
	dropStream
	dropLarge
	dropUnknown
	dropSend
	drops
)

var dropNames = [drops]string{"inbox full", "queue full", "gossip full", "stream full", "too large", "unknown member", "send failed"}

type traffic struct{ messages, bytes atomic.Uint64 }

func (t *traffic) count(bytes int) {
	t.messages.Add(1)
	t.bytes.Add(uint64(bytes))
}

// counters is Stats while it counts. All of it is atomic.
type counters struct {
	sent, received                      [kinds]traffic
	dropped                             [drops]atomic.Uint64
	versions, kinds, malformed          atomic.Uint64
	undecrypted, foreign, conflicts     atomic.Uint64
	joins, joinFailures                 atomic.Uint64
	bytesSent, packetsSent, streamsSent atomic.Uint64
}

// Stats returns the totals so far.
func (m *Mesh) Stats() Stats {
	c := &m.counts
	s := Stats{
		Sent: make(map[string]Traffic), Received: make(map[string]Traffic), Dropped: make(map[string]uint64),
		UnknownVersions: c.versions.Load(), UnknownKinds: c.kinds.Load(), DecodeErrors: c.malformed.Load(),
		Undecrypted: c.undecrypted.Load(), Foreign: c.foreign.Load(), Conflicts: c.conflicts.Load(),
		Joins: c.joins.Load(), JoinFailures: c.joinFailures.Load(),
		BytesSent: c.bytesSent.Load(), PacketsSent: c.packetsSent.Load(), StreamsSent: c.streamsSent.Load(),
	}
	for k := kindHeartbeat; k < kinds; k++ {
		s.Sent[kindNames[k]] = Traffic{c.sent[k].messages.Load(), c.sent[k].bytes.Load()}
		s.Received[kindNames[k]] = Traffic{c.received[k].messages.Load(), c.received[k].bytes.Load()}
	}
	if list := m.running.Load(); list != nil {
		s.HealthScore = list.GetHealthScore()
	}
	for d, name := range dropNames {
		s.Dropped[name] = c.dropped[d].Load()
	}
	return s
}
