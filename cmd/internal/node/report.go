package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones"
)

// A poolHistory is what is remembered of a pool's answers between two tables.
type poolHistory struct {
	serving   string    // drawn by servingText
	since     time.Time // of that
	failovers uint64    // changes of what is served, since the node started
}

// maxAlarms bounds the alarms that status shows; the oldest go first. alarmAgain is how soon one that
// lasts is said again, alarmShown how long one is shown after it was last said.
const (
	maxAlarms  = 8
	alarmAgain = time.Minute
	alarmShown = 2 * alarmAgain
)

// A saidAlarm is one that status shows.
type saidAlarm struct {
	text string
	at   time.Time
}

// remind says something that lasts, and not again within alarmAgain: it is not to wash the history away.
func (n *Node) remind(text string, now time.Time) {
	if at, ok := n.reminded[text]; ok && now.Sub(at) < alarmAgain {
		return
	}
	maps.DeleteFunc(n.reminded, func(_ string, at time.Time) bool { return now.Sub(at) >= alarmAgain })
	n.reminded[text] = now
	n.alarm(text, now)
}

// alarm says something that an operator should look at.
func (n *Node) alarm(text string, now time.Time) {
	n.log.Warn("alarm", "text", text)
	n.events.add(now, Event{Kind: "node", Text: text})
	n.alarms = slices.DeleteFunc(n.alarms, func(a saidAlarm) bool { return a.text == text })
	n.alarms = append(n.alarms, saidAlarm{text, now})
	n.alarms = n.alarms[max(0, len(n.alarms)-maxAlarms):]
}

// lasting returns the alarms that status shows, the oldest first.
func (n *Node) lasting(now time.Time) []string {
	lines := []string{}
	for _, a := range n.alarms {
		if now.Sub(a.at) < alarmShown {
			lines = append(lines, a.at.UTC().Format(time.RFC3339)+" "+a.text)
		}
	}
	return lines
}

// report makes events and counts of what a new table changed: of the touched pools, or of all of them
// where touched is nil, and of the targets whose verdict changed.
func (n *Node) report(t *zones.Table, touched []zones.PoolID, targets []checks.Target, now time.Time) {
	snap := n.snapshot.Load()
	if touched == nil {
		for id := range t.Set().Pools() {
			touched = append(touched, zones.PoolID(id))
		}
		n.forget(t.Set())
	}
	n.reportTargets(t.Set(), snap, targets, now)
	for _, id := range touched {
		ref := t.Set().Pools()[id]
		key := ref.ZoneLabel + "/" + ref.Pool.Name
		h := n.pools[key]
		text := servingText(t, id)
		switch {
		case h == nil:
			n.pools[key] = &poolHistory{serving: text, since: now}
			continue
		case h.serving == text:
			continue
		case !n.isReady: // nobody has been answered
			h.serving, h.since = text, now
			continue
		}
		n.events.add(now, Event{Kind: "answer", Zone: ref.ZoneLabel, Pool: ref.Pool.Name, Text: h.serving + " -> " + text, Cause: cause(ref, snap, targets)})
		n.log.Info("answer changed", "pool", key, "from", h.serving, "to", text)
		h.serving, h.since = text, now
		h.failovers++
		n.counters.failedOver(n.firstBad(ref, targets), now)
	}
}

// forget drops the history of pools and targets that are no longer configured.
func (n *Node) forget(set *zones.Set) {
	keep := map[string]bool{}
	for _, ref := range set.Pools() {
		keep[ref.ZoneLabel+"/"+ref.Pool.Name] = true
	}
	maps.DeleteFunc(n.pools, func(key string, _ *poolHistory) bool { return !keep[key] })
	held := map[checks.Target]bool{}
	for _, w := range n.loaded.Watches() {
		held[w.Target] = true
	}
	maps.DeleteFunc(n.states, func(t checks.Target, _ checks.State) bool { return !held[t] })
}

func (n *Node) reportTargets(set *zones.Set, snap *checks.Snapshot, targets []checks.Target, now time.Time) {
	for _, t := range targets {
		v := snap.Verdict(t)
		if n.states[t] == v.State {
			continue
		}
		n.saveWithin(saveVerdict, now)
		n.counters.transition(t, v.State)
		if n.states[t] != checks.Unknown || v.State == checks.Down {
			of := membersOf(set, t)
			n.log.Info("target "+v.State.String(), "target", t, "of", some(of), "votes", v)
			n.events.add(now, Event{Kind: "target", Text: fmt.Sprintf("%s %s: %s", t, v.State, some(of)), Cause: v.String(), Targets: of})
		}
		n.states[t] = v.State
	}
}

// maxMembers bounds how many members an event names.
const maxMembers = 100

// membersOf names the members that a target speaks for, as ZONE/POOL/TARGET.
func membersOf(set *zones.Set, t checks.Target) []string {
	var names []string
	for _, id := range set.PoolsOf([]checks.Target{t}) {
		ref := set.Pools()[id]
		for _, m := range ref.Pool.Members {
			if len(names) < maxMembers && slices.Contains(m.Targets(), t) {
				names = append(names, ref.ZoneLabel+"/"+ref.Pool.Name+"/"+m.Name)
			}
		}
	}
	return names
}

// cause draws the verdicts of a pool's targets that changed in this turn.
func cause(ref zones.PoolRef, snap *checks.Snapshot, targets []checks.Target) string {
	var parts []string
	for _, m := range ref.Pool.Members {
		for _, t := range m.Targets() {
			if slices.Contains(targets, t) {
				parts = append(parts, m.Name+" "+snap.Verdict(t).String())
			}
		}
	}
	return strings.Join(parts, "; ")
}

// firstBad is when the first failure of the targets that changed began, as this node saw it; zero if none
// of them is down.
func (n *Node) firstBad(ref zones.PoolRef, targets []checks.Target) time.Time {
	var first time.Time
	for _, m := range ref.Pool.Members {
		for _, t := range m.Targets() {
			if !slices.Contains(targets, t) || n.states[t] != checks.Down {
				continue
			}
			if r, ok := n.runner.Report(t); ok && !r.FirstBad.IsZero() && (first.IsZero() || r.FirstBad.Before(first)) {
				first = r.FirstBad
			}
		}
	}
	return first
}

// serving are the names of the targets that a pool's answers are drawn from, in file order, with the name
// of their pool before them where it is a fallback.
func serving(t *zones.Table, id zones.PoolID) []string {
	from := t.Pool(id).From
	ref := t.Set().Pools()[from]
	in := map[int]bool{}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if a := t.Answer(id, qtype); a.Result == zones.DrawnServe {
			for _, m := range a.Choice.Members {
				in[m.Index] = true
			}
		}
	}
	names := make([]string, 0, len(in))
	for _, i := range slices.Sorted(maps.Keys(in)) {
		names = append(names, ref.Pool.Members[i].Name)
	}
	return names
}

func servingText(t *zones.Table, id zones.PoolID) string {
	text := strings.Join(serving(t, id), ",")
	if from := t.Pool(id).From; from != id {
		text = t.Set().Pools()[from].Pool.Name + ":" + text
	}
	if text == "" {
		return "nothing"
	}
	return text
}
