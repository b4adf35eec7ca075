package node

import (
	"fmt"
	"time"
)

// Waiting says what the node still waits for before it is ready; "" once it is.
func (n *Node) Waiting() string { return *n.waiting.Load() }

func (n *Node) await(why string) { n.waiting.Store(&why) }

// readiness opens the DNS listeners once every served target is decided and a peer has been heard, at
// the latest when start_grace has run out.
func (n *Node) readiness(now time.Time) {
	if n.isReady {
		return
	}
	why := n.unready()
	if why != "" && now.Sub(n.started) < n.cfg.StartGrace {
		n.await(why)
		return
	}
	if why != "" {
		n.log.Warn("start_grace has run out", "still", why)
	}
	n.isReady = true
	n.await("the DNS listeners open")
	n.log.Info("ready", "after", now.Sub(n.started).Round(time.Millisecond))
	n.events.add(now, Event{Kind: "node", Text: "ready to answer", Cause: why})
	close(n.ready)
}

// unready says what the node waits for; "" if for nothing.
func (n *Node) unready() string {
	if !n.ledger.Exchanged() {
		return "no exchange with a peer yet"
	}
	if undecided := n.ledger.Undecided(); undecided > 0 {
		return fmt.Sprintf("%d targets are not decided yet", undecided)
	}
	return ""
}

// heardEnough reports whether the node may write what any node may: it has heard what its peers hold, or
// waited for that as long as it has to.
func (n *Node) heardEnough(now time.Time) bool {
	return n.ledger.Exchanged() || now.Sub(n.started) >= n.cfg.StartGrace
}
