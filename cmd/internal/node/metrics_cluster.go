package node

import (
	"maps"
	"slices"
	"strings"

	"vitalns/gossip"
)

// clusterMetrics tell whom this node hears and whether they agree. A lone node is a cluster of one.
type clusterMetrics struct {
	members, expected, fresh, quorum, health, rtt, age, mismatch *family
	messages, bytes, sent, dropped, rejected, joins              *family
	disagreed, pulls                                             *family
}

func newClusterMetrics(fs *families) clusterMetrics {
	return clusterMetrics{
		members:  fs.gauge("cluster_members", "How many nodes are there, this one included, and how are they: alive, suspect (silent for 3 s), failed, left, unreached (an address to join that never answered)?", "state"),
		expected: fs.gauge("cluster_expected_members", "How many nodes is the cluster to have, by the node file?"),
		fresh:    fs.gauge("cluster_fresh_members", "How many nodes were heard of within vote_expiry, this one included? Only their votes count."),
		quorum:   fs.gauge("cluster_quorum", "Does this node hear at least half of the expected nodes, itself included? Without that it judges by the votes it has, but writes no failback."),
		health:   fs.gauge("cluster_health_score", "How late is this node with what its peers expect of it? 0 is well; more: it is short of CPU or network."),
		rtt:      fs.gauge("cluster_rtt_seconds", "How far away is a peer: how long did the last ping take?", "peer"),
		age:      fs.gauge("cluster_peer_state_age_seconds", "How long ago was a peer's last heartbeat heard, straight from it or by hearsay? Above vote_expiry its votes do not count.", "peer"),
		mismatch: fs.gauge("cluster_config_mismatch", "How many fresh peers serve other zone content than this node?"),

		messages: fs.counter("cluster_messages_total", "How many gossip messages of which kind are sent and received?", "direction", "kind"),
		bytes:    fs.counter("cluster_message_bytes_total", "How many bytes do these messages have, before encryption?", "direction", "kind"),
		sent:     fs.counter("cluster_sent_bytes_total", "How many bytes does gossip send in all, memberlist's own part and encryption included?"),
		dropped:  fs.counter("cluster_dropped_total", "How many messages were dropped, and where (inbox_full, loop_full, queue_full, gossip_full, stream_full, too_large, unknown_member, send_failed)? Heartbeats repair what is lost.", "reason"),
		rejected: fs.counter("cluster_rejected_total", "How much of what was received could not be used (version, kind, malformed, key, foreign, duplicate_name, register)? key: another cluster key, or none; version and kind: nodes of a newer release.", "reason"),
		joins:    fs.counter("cluster_joins_total", "How often was a node that is no member called, and did it answer?", "result"),

		disagreed: fs.counter("cluster_disagreements_total", "How often did a node stop voting here, because its registers and the copy of them here differed for 3 s?"),
		pulls:     fs.counter("cluster_pulls_total", "How often were the registers of a node asked for, because something was missed?"),
	}
}

func (m clusterMetrics) collect(s *scrape) {
	s.put(m.expected, float64(s.snap.Nodes))
	s.put(m.fresh, float64(len(s.snap.Fresh)))
	s.is(m.quorum, s.snap.Majority)
	mismatch := 0
	for _, p := range s.peers {
		if p.Self {
			continue
		}
		s.put(m.age, p.Silent.Seconds(), p.Node)
		if p.Fresh && p.Zones != 0 && p.Zones != s.loaded.Digest {
			mismatch++
		}
	}
	s.put(m.mismatch, float64(mismatch))
	s.count(m.disagreed, s.ledger.Disagreed)
	s.count(m.pulls, s.ledger.PullsSent)
	if s.node.mesh == nil {
		m.alone(s)
		return
	}
	m.peers(s, s.node.mesh.Members())
	m.traffic(s, s.node.mesh.Stats())
}

var memberStates = []gossip.MemberState{gossip.Alive, gossip.Suspect, gossip.Failed, gossip.Left, gossip.Unreached}

func (m clusterMetrics) alone(s *scrape) {
	for _, state := range memberStates {
		n := 0.0
		if state == gossip.Alive {
			n = 1
		}
		s.put(m.members, n, state.String())
	}
}

func (m clusterMetrics) peers(s *scrape, members []gossip.Member) {
	states, rtt := map[gossip.MemberState]int{}, map[string]float64{}
	for _, g := range members {
		states[g.State]++
		if !g.Self && g.Name != "" && g.RTT > 0 {
			rtt[g.Name] = g.RTT.Seconds()
		}
	}
	for _, state := range memberStates {
		s.put(m.members, float64(states[state]), state.String())
	}
	for name, d := range rtt {
		s.put(m.rtt, d, name)
	}
}

func (m clusterMetrics) traffic(s *scrape, st gossip.Stats) {
	s.put(m.health, float64(st.HealthScore))
	for direction, kinds := range map[string]map[string]gossip.Traffic{"in": st.Received, "out": st.Sent} {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			s.count(m.messages, kinds[kind].Messages, direction, kind)
			s.count(m.bytes, kinds[kind].Bytes, direction, kind)
		}
	}
	s.count(m.sent, st.BytesSent)
	for _, reason := range slices.Sorted(maps.Keys(st.Dropped)) {
		s.count(m.dropped, st.Dropped[reason], strings.ReplaceAll(reason, " ", "_"))
	}
	s.count(m.dropped, s.node.counters.inboxDropped.Load(), "loop_full")
	s.count(m.rejected, st.UnknownVersions, "version")
	s.count(m.rejected, st.UnknownKinds, "kind")
	s.count(m.rejected, st.DecodeErrors, "malformed")
	s.count(m.rejected, st.Undecrypted, "key")
	s.count(m.rejected, st.Foreign, "foreign")
	s.count(m.rejected, st.Conflicts, "duplicate_name")
	s.count(m.rejected, s.ledger.Refused+s.ledger.Unreadable+s.ledger.Unknown, "register")
	s.count(m.joins, st.Joins, "success")
	s.count(m.joins, st.JoinFailures, "failure")
}
