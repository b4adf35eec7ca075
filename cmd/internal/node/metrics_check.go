package node

import (
	"maps"
	"slices"

	"vitalns/checks/runner"
)

// checkMetrics tell how probing goes, by check and in all.
type checkMetrics struct {
	runs, duration, lag, inflight, doubted, overBudget, hints, offline *family
}

func newCheckMetrics(fs *families) checkMetrics {
	return checkMetrics{
		runs:       fs.counter("check_runs_total", "How do this node's probes end: success, failure, timeout, error (the fault is with this node, and says nothing about the target), skipped (too many ran already)?", "check", "result"),
		duration:   fs.histogram("check_duration_seconds", "How long do this node's probes take?", "check"),
		lag:        fs.histogram("check_schedule_lag_seconds", "How late do probes start? More than a few milliseconds: the node is short of CPU."),
		inflight:   fs.gauge("checks_inflight", "How many probes run now?"),
		doubted:    fs.gauge("checks_doubted", "How many targets does this node doubt, and probe at their fast interval?"),
		overBudget: fs.counter("checks_over_budget_total", "How many fast probes had to wait for their slot, because too many targets were in doubt at once?"),
		hints:      fs.counter("checks_hints_total", "How often did this node ask the others to probe a target at once (sent), keep that to itself because it doubts too many (held), follow such a request (followed), or drop it (dropped)?", "kind"),
		offline:    fs.gauge("self_offline", "Does this node abstain from voting, because it hears and reaches nobody, or is alone in seeing most targets down?"),
	}
}

func (m checkMetrics) collect(s *scrape) {
	st := s.runs
	all := st.Checks
	if len(all) > maxCheckSeries {
		s.truncated = true
		all = map[string]runner.CheckStats{everything: foldChecks(all)}
	}
	for _, check := range slices.Sorted(maps.Keys(all)) {
		c := all[check]
		s.count(m.runs, c.Success, check, "success")
		s.count(m.runs, c.Failure, check, "failure")
		s.count(m.runs, c.Timeout, check, "timeout")
		s.count(m.runs, c.Error, check, "error")
		s.count(m.runs, c.Skipped, check, "skipped")
		s.spread(m.duration, ofRunner(c.Duration), check)
	}
	s.spread(m.lag, ofRunner(st.Lag))
	s.put(m.inflight, float64(st.InFlight))
	s.put(m.doubted, float64(st.Doubted))
	s.count(m.overBudget, st.OverBudget)
	s.count(m.hints, st.Alarms, "sent")
	s.count(m.hints, st.AlarmsHeld, "held")
	s.count(m.hints, st.Hints-st.HintsDropped, "followed")
	s.count(m.hints, st.HintsDropped, "dropped")
	s.is(m.offline, s.snap.Abstains)
}

func ofRunner(h runner.Histogram) distribution { return distribution{h.Bounds, h.Counts, h.Sum} }

func foldChecks(all map[string]runner.CheckStats) runner.CheckStats {
	var sum runner.CheckStats
	var took distribution
	for _, c := range all {
		sum.Success += c.Success
		sum.Failure += c.Failure
		sum.Timeout += c.Timeout
		sum.Error += c.Error
		sum.Skipped += c.Skipped
		took = took.plus(ofRunner(c.Duration))
	}
	sum.Duration = runner.Histogram{Bounds: took.bounds, Counts: took.counts, Sum: took.sum}
	return sum
}
