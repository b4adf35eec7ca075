package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vitalns/cmd/internal/node"
)

// mostServed is how many targets a line of a pool names.
const mostServed = 5

// drawStatus draws a line about the node, what is amiss with it, the pools, and the targets of those that
// are not at rest, or of all if they are asked for.
func drawStatus(out io.Writer, s node.Status, pools []node.PoolState, targets bool) error {
	fmt.Fprintln(out, headline(s))
	for _, line := range troubles(s) {
		fmt.Fprintln(out, paint(colour(out), red, "! "+line))
	}
	fmt.Fprintln(out)
	if len(pools) == 0 {
		_, err := fmt.Fprintln(out, "no pools")
		return err
	}
	if err := drawPools(out, pools); err != nil {
		return err
	}
	shown := slices.DeleteFunc(slices.Clone(pools), func(p node.PoolState) bool { return !targets && atRest(p) })
	if len(shown) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return drawTargets(out, shown)
}

func drawPools(out io.Writer, pools []node.PoolState) error {
	t := newTable(out, "ZONE", "POOL", "POLICY", "SERVING", "UP", "TTL", "SINCE", "NOTE")
	for _, p := range pools {
		serving := dash(few(p.Serving, mostServed))
		if p.ServingPool != p.Pool && p.ServingPool != "" {
			serving = p.ServingPool + ":" + serving
		}
		t.row(p.Zone, p.Pool, p.Policy, serving, fmt.Sprintf("%d/%d", p.Up, len(p.Targets)), fmt.Sprint(p.TTL), ago(time.Duration(p.Since)), p.Note)
		switch {
		case p.Up == 0:
			t.colour(4, red)
		case !allWell([]node.PoolState{p}):
			t.colour(4, yellow)
		}
	}
	return t.flush()
}

// atRest reports whether there is nothing to say of the targets of a pool: all are up by their checks, and
// none of them is in doubt.
func atRest(p node.PoolState) bool {
	return allWell([]node.PoolState{p}) && !slices.ContainsFunc(p.Targets, func(m node.TargetState) bool {
		return m.Stale || m.Doubt || forced(m)
	})
}

// forced reports whether people have spoken about a target, by an override or in the file.
func forced(m node.TargetState) bool {
	return inForce(m.Override) || m.Override == nil && m.FileState != "" && m.FileState != "auto"
}

func inForce(o *node.OverrideState) bool { return o != nil && o.State != "auto" && !o.Expired }

func drawTargets(out io.Writer, pools []node.PoolState) error {
	t := newTable(out, "POOL", "TARGET", "ADDRESS", "STATE", "SERVED", "SINCE", "LATENCY", "WHY")
	for _, p := range pools {
		pool := p.Pool
		if p.Zone != pools[0].Zone || p.Zone != pools[len(pools)-1].Zone {
			pool = p.Zone + "/" + p.Pool
		}
		for _, m := range p.Targets {
			served, since, latency := "-", "-", "-"
			if m.Serving {
				served = "yes"
			}
			if len(m.Checks) > 0 {
				since = ago(time.Duration(m.Since))
			}
			for _, c := range m.Checks {
				switch {
				case c.LastRun < 0: // never
				case c.Last == 0:
					latency = "<1ms"
				default:
					latency = ago(time.Duration(c.Last))
				}
			}
			t.row(pool, m.Name, strings.Join(m.Address, ","), targetState(m), served, since, latency, strings.Join(reasons(m), "; "))
			switch {
			case m.State == "down":
				t.colour(3, red)
			case m.State != "up" || m.Stale || m.Doubt || forced(m):
				t.colour(3, yellow)
			}
		}
	}
	return t.flush()
}

// targetState is a target in a word or two: what people want first, for that is what holds.
func targetState(m node.TargetState) string {
	words := map[string]string{"up": "forced up", "down": "forced down", "drain": "drained"}
	state := m.State
	switch {
	case inForce(m.Override):
		state = words[m.Override.State]
	case forced(m):
		state = words[m.FileState] + " (file)"
	case m.State == "drain":
		state = "drained (weight 0)"
	}
	if m.Stale {
		state += ", stale"
	}
	if m.Doubt {
		state += ", in doubt"
	}
	return state
}

// reasons are why a target is as it is: the override, then what its checks say, each verdict once.
func reasons(m node.TargetState) []string {
	var all []string
	if o := m.Override; inForce(o) {
		note := o.State + " by " + dash(o.Owner)
		if o.Reason != "" {
			note += ": " + o.Reason
		}
		if o.Left > 0 {
			note += fmt.Sprintf(" (%s left)", ago(time.Duration(o.Left)))
		}
		for _, c := range o.Conflict {
			note += fmt.Sprintf(" (in conflict with %s by %s: say it again to settle it)", c.State, dash(c.Owner))
		}
		all = append(all, note)
	}
	for _, c := range m.Checks {
		if v := verdictText(c); !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// verdictText is a check's verdict with its votes, or what this node's own probe found while there is none.
func verdictText(c node.CheckState) string {
	if len(c.Votes) == 0 && c.Detail != "" {
		return c.Verdict + " (last probe: " + c.Detail + ")"
	}
	return c.Verdict
}

func headline(s node.Status) string {
	name := s.Node
	if s.Site != "" {
		name += " (" + s.Site + ")"
	}
	parts := []string{"vitalns " + s.Version, name, "up " + ago(time.Duration(s.Uptime))}
	if s.Cluster.Enabled {
		parts = append(parts, fmt.Sprintf("cluster %d/%d", s.Cluster.Fresh, s.Cluster.Expected))
	}
	return strings.Join(append(parts, "config "+s.Config.Digest), "  ")
}

// troubles are what is amiss with the node, its cluster and its configuration, a line each.
func troubles(s node.Status) []string {
	var lines []string
	add := func(is bool, format string, args ...any) {
		if is {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	c := s.Cluster
	add(!s.Ready, "not ready: %s", s.Waiting)
	add(c.Abstains, "this node abstains: it seems to be the one that is cut off")
	add(c.Enabled && c.Fresh < c.Expected, "%d of %d nodes are heard: `vitalns members` shows which", c.Fresh, c.Expected)
	add(!c.Majority, "this side has no majority of the nodes: it moves for itself and writes no failback")
	add(!c.Agrees, "nodes serve different zones: `vitalns members` shows which")
	add(s.Config.Error != "", "the last reload was refused, what was served is served on: %s", s.Config.Error)
	add(s.StateError != "", "state is not saved, and a restart would forget what has happened since: %s", s.StateError)
	return append(lines, s.Alarms...)
}
