package runner

import (
	"time"

	"vitalns/checks"
)

// Budget returns the longest time from the first moment of an outage to the verdict, with that many
// nodes that hold the target: refuse where the target refuses connections, hang where it does not
// answer. It holds as long as no message is lost and the allowance of fast probes suffices; the time
// that two messages take between nodes, and the TTL until clients have moved, come on top.
func Budget(w checks.Watch, nodes int) (refuse, hang time.Duration) {
	n := time.Duration(max(nodes, 1))
	twice := 2 * Jitter(w.Interval, nodes)
	fall := time.Duration(w.Fall)
	refuse = w.Interval/n + twice + fall*w.FastInterval
	hang = min(w.Interval+twice, w.Interval/n+twice+2*w.FastInterval) + fall*max(w.Timeout, w.FastInterval)
	return refuse, hang
}

// A Blip is how long an outage of each sort may be and still never fails over.
type Blip struct {
	Refused time.Duration // connections are refused
	Silent  time.Duration // packets vanish
	Stalled time.Duration // connections are accepted, and nothing more comes
}

// Blips returns the bounds below which an outage of a target without earlier failures changes nothing.
func Blips(w checks.Watch) Blip {
	again := time.Duration(w.Fall - 1)
	return Blip{
		Refused: again * w.FastInterval,
		Silent:  again * max(w.Timeout, w.FastInterval),
		Stalled: time.Duration(w.Fall) * w.Timeout,
	}
}
