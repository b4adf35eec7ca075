package node

import (
	"math"
	"time"

	"vitalns/checks"
	"vitalns/checks/runner"
	"vitalns/zones"
)

// targetMetrics tell of each target of each pool. What several checks say of one target is put together:
// the worst of them where that has a meaning.
type targetMetrics struct {
	answers, serving                              *family
	up, transitions, changed, flapping            *family
	override, overrideEnds, fileState             *family
	success, last, lastRun, interval, certificate *family
	dissent                                       *family
}

func newTargetMetrics(fs *families) targetMetrics {
	ids := []string{"zone", "pool", "target"}
	with := func(l string) []string { return []string{"zone", "pool", "target", l} }
	return targetMetrics{
		answers: fs.counter("pool_answers_total", "How many answers held a target? The share of the traffic that it is given; answers from a fallback count for the pool that the target is in.", ids...),
		serving: fs.gauge("pool_serving", "Is a target in the answers of its own pool now?", ids...),

		up:          fs.gauge("target_up", "Is a target up by the verdict of the cluster, whatever overrides say? Absent while it is not known.", ids...),
		transitions: fs.counter("target_transitions_total", "How often did the verdict on a target change since the node started, and to what (up, down, unknown)? Of several addresses and checks, the one that changed most.", with("to")...),
		changed:     fs.gauge("target_last_change_timestamp_seconds", "Since when has the verdict on a target been what it is? Absent while no vote counts.", ids...),
		flapping:    fs.gauge("target_flapping", "Does this node ask a target for more successes than usual before it is up, because it went down soon after it came up?", ids...),

		override:     fs.gauge("target_override", "Which override of an operator (up, down, drain) is in force? Always 1; absent without one.", with("state")...),
		overrideEnds: fs.gauge("target_override_expiry_timestamp_seconds", "When does an override expire? Absent if it stays until someone changes it.", ids...),
		fileState:    fs.gauge("target_file_state", "Which state (up, down, drain) does the zone file give a target? Always 1; absent without one.", with("state")...),

		success:     fs.gauge("check_success", "Did this node's last probe of a target succeed? The cluster's verdict is vitalns_target_up.", ids...),
		last:        fs.gauge("check_last_duration_seconds", "How long did this node's last probe of a target take? Of several checks, the slowest.", ids...),
		lastRun:     fs.gauge("check_last_run_timestamp_seconds", "When did this node's last probe of a target end? Of several checks, the one that is longest ago.", ids...),
		interval:    fs.gauge("check_interval_seconds", "How often is a target to be probed by each node? Of several checks, the longest interval.", ids...),
		certificate: fs.gauge("check_cert_expiry_timestamp_seconds", "When does the certificate that a target showed last expire? Absent if it shows none.", ids...),
		dissent:     fs.gauge("cluster_dissent", "How many nodes have a vote on a target that differs from the verdict? Above 0 for long: a node, or the network next to it, is not well.", ids...),
	}
}

func (m targetMetrics) collect(s *scrape) {
	total := 0
	for _, ref := range s.table.Set().Pools() {
		total += len(ref.Pool.Members)
	}
	if total > maxTargetSeries {
		s.truncated = true
		return
	}
	answers := map[string]uint64{}
	for _, c := range s.dns.Targets {
		answers[c.Zone+"/"+c.Pool+"/"+c.Target] = c.N
	}
	for id, ref := range s.table.Set().Pools() {
		for i, a := range s.table.Pool(zones.PoolID(id)).Members {
			t := oneTarget{scrape: s, ref: ref, Member: ref.Pool.Members[i], MemberAnswer: a}
			t.ids = []string{ref.ZoneLabel, ref.Pool.Name, t.Name}
			s.count(m.answers, answers[ref.ZoneLabel+"/"+ref.Pool.Name+"/"+t.Name], t.labels()...)
			s.is(m.serving, a.Serving, t.labels()...)
			m.verdict(t)
			m.overrides(t)
			m.probes(t)
		}
	}
}

// oneTarget is a target of a pool in a scrape.
type oneTarget struct {
	*scrape
	zones.Member
	zones.MemberAnswer
	ref zones.PoolRef
	ids []string
}

// labels are those of the target, and more.
func (t oneTarget) labels(more ...string) []string { return append(t.ids[:3:3], more...) }

func (m targetMetrics) verdict(t oneTarget) {
	if t.State != checks.Unknown {
		t.is(m.up, t.State == checks.Up, t.labels()...)
	}
	probes := t.Targets()
	if len(probes) == 0 {
		return
	}
	age, counts, dissent, flapping := time.Duration(math.MaxInt64), true, 0, false
	for _, p := range probes {
		v := t.snap.Verdict(p)
		counts = counts && v.State != checks.Unknown && !v.Stale
		age = min(age, v.Age)
		dissent = max(dissent, dissenters(v))
		flapping = flapping || t.reports[p].Flap > 1
	}
	for _, to := range []checks.State{checks.Up, checks.Down, checks.Unknown} {
		n := uint64(0)
		for _, p := range probes {
			n = max(n, t.counted.transitions[transition{p, to}])
		}
		t.count(m.transitions, n, t.labels(to.String())...)
	}
	if counts {
		t.at(m.changed, t.snap.At.Add(-age), t.labels()...)
	}
	t.is(m.flapping, flapping, t.labels()...)
	t.put(m.dissent, float64(dissent), t.labels()...)
}

// dissenters counts the votes that differ from a verdict.
func dissenters(v checks.Verdict) int {
	n := 0
	for _, vote := range v.Votes {
		if vote.State != checks.Unknown && !vote.Abstains && !vote.Stale && vote.State != v.State {
			n++
		}
	}
	return n
}

func (m targetMetrics) overrides(t oneTarget) {
	if t.Override && t.MemberAnswer.Admin != checks.Auto {
		t.put(m.override, 1, t.labels(t.MemberAnswer.Admin.String())...)
		if o, ok := t.snap.Override(zones.OverrideKey(t.ref.Zone, t.ref.Pool.Name, t.Name)); ok && o.Left > 0 {
			t.at(m.overrideEnds, t.snap.At.Add(o.Left), t.labels()...)
		}
	}
	if t.Member.Admin != checks.Auto {
		t.put(m.fileState, 1, t.labels(t.Member.Admin.String())...)
	}
}

func (m targetMetrics) probes(t oneTarget) {
	probes := t.Targets()
	if len(probes) == 0 {
		return
	}
	var interval, slowest time.Duration
	var oldest, expires time.Time
	ran, success := true, true
	for _, p := range probes {
		r := t.reports[p]
		interval = max(interval, t.watches[p].Interval)
		ran = ran && !r.LastEnd.IsZero()
		success = success && r.Last.Kind == checks.OK
		slowest = max(slowest, r.Last.Latency)
		oldest = earlier(oldest, r.LastEnd)
		expires = earlier(expires, certificateOf(r))
	}
	t.put(m.interval, interval.Seconds(), t.labels()...)
	t.at(m.certificate, expires, t.labels()...)
	if ran {
		t.is(m.success, success, t.labels()...)
		t.put(m.last, slowest.Seconds(), t.labels()...)
		t.at(m.lastRun, oldest, t.labels()...)
	}
}

// maxCertificate bounds what a certificate may claim: later is shown as this, which a float still tells
// apart to the second.
var maxCertificate = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

func certificateOf(r runner.Report) time.Time {
	if r.CertExpiry.After(maxCertificate) {
		return maxCertificate
	}
	return r.CertExpiry
}

// earlier returns the earlier of two moments; a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
