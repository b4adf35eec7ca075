package gossip_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vitalns/test/simnet"
)

// Headers of IP and UDP, and of a TCP connection with its few segments: what the wire costs beside what
// we write.
const (
	packetHeader = 28
	streamHeader = 10 * 40
)

// Five nodes with 1,000 quiet targets send at most 2 kB/s each, headers and memberlist included.
func TestQuietCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(1)
		nw.SetDelay(time.Millisecond, 0)
		nodes := cluster(t, nw, 5)
		for _, n := range nodes {
			n.mesh.SetLocal(many(5000), time.Now()) // five observations of each target
		}
		beat(nodes, 10*time.Second)
		before := nodes[0].mesh.Stats()
		const span = 2 * time.Minute
		beat(nodes, span)
		after := nodes[0].mesh.Stats()
		bytes := after.BytesSent - before.BytesSent +
			packetHeader*(after.PacketsSent-before.PacketsSent) + streamHeader*(after.StreamsSent-before.StreamsSent)
		rate := float64(bytes) / span.Seconds()
		t.Logf("%.0f B/s sent per node", rate)
		if rate > 2000 {
			t.Errorf("%.0f B/s sent per node, want at most 2000", rate)
		}
		finish(t, nodes...)
	})
}

// 50 nodes for a virtual minute cost little real time, so that whole clusters can be simulated for hours.
func TestMinuteOf50(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes a minute under the race detector")
	}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(1)
		nw.SetDelay(50*time.Millisecond, 10*time.Millisecond)
		nodes := cluster(t, nw, 50)
		beat(nodes, time.Minute)
		wantAlive(t, nodes, 50)
		finish(t, nodes...)
	})
	t.Logf("took %v", time.Since(began).Round(10*time.Millisecond))
}
