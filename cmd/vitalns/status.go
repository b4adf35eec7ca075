package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitalns/cmd/internal/node"
)

func statusCommand(opt *options) *cobra.Command {
	var asJSON, exitCode bool
	c := &cobra.Command{
		Use:   "status [POOL]",
		Short: "what the daemon thinks: its pools, their targets and the cluster",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			raw, s, err := readStatus(c.Context(), cl)
			if err != nil {
				return err
			}
			pools, err := selectPools(s.Pools, args)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), raw)
			} else {
				err = drawStatus(c.OutOrStdout(), s, pools, len(args) > 0)
			}
			if err == nil && exitCode && !allWell(pools) {
				return &failure{code: exitAnswer}
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit 4 unless every target is up and no pool is on its fallback")
	return c
}

func watchCommand(opt *options) *cobra.Command {
	var every time.Duration
	c := &cobra.Command{
		Use:   "watch [POOL]",
		Short: "status, drawn again and again",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if every < 100*time.Millisecond {
				return usageError("--every %s: at least 100ms", every)
			}
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			return watch(c.Context(), c.OutOrStdout(), cl, args, every)
		},
	}
	c.Flags().DurationVar(&every, "every", time.Second, "time between two drawings")
	return c
}

// watch redraws until ctx is done; on a terminal over the last drawing.
func watch(ctx context.Context, out io.Writer, cl *client, args []string, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		_, s, err := readStatus(ctx, cl)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		pools, err := selectPools(s.Pools, args)
		if err != nil {
			return err
		}
		if isTerminal(out) {
			fmt.Fprint(out, "\x1b[H\x1b[2J")
		}
		if err := drawStatus(out, s, pools, true); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func readStatus(ctx context.Context, cl *client) ([]byte, node.Status, error) {
	var s node.Status
	raw, err := cl.raw(ctx, "GET", "/api/v1/status", nil)
	if err == nil {
		err = cl.decode(raw, &s)
	}
	return raw, s, err
}

// selectPools returns the pools named POOL or ZONE/POOL; all of them without a name.
func selectPools(all []node.PoolState, args []string) ([]node.PoolState, error) {
	if len(args) == 0 {
		return all, nil
	}
	var some []node.PoolState
	for _, p := range all {
		if p.Pool == args[0] || p.Zone+"/"+p.Pool == args[0] {
			some = append(some, p)
		}
	}
	if len(some) == 0 {
		return nil, &failure{code: exitFailed, err: fmt.Errorf("no pool %q", args[0]), hint: "`vitalns status` lists the pools"}
	}
	return some, nil
}

func allWell(pools []node.PoolState) bool {
	for _, p := range pools {
		if p.AllDown || p.Up < len(p.Targets) || p.ServingPool != p.Pool {
			return false
		}
	}
	return true
}

// drawStatus draws a line about the node, the pools, and their targets if asked to or if one is not well.
func drawStatus(out io.Writer, s node.Status, pools []node.PoolState, targets bool) error {
	fmt.Fprintln(out, headline(s))
	for _, a := range s.Alarms {
		fmt.Fprintln(out, "alarm:", a)
	}
	t := newTable(out, "ZONE", "POOL", "POLICY", "SERVING", "UP", "TTL", "SINCE", "NOTE")
	for _, p := range pools {
		serving := dash(strings.Join(p.Serving, ","))
		if p.ServingPool != p.Pool && p.ServingPool != "" {
			serving = p.ServingPool + ":" + serving
		}
		t.row(p.Zone, p.Pool, p.Policy, serving, fmt.Sprintf("%d/%d", p.Up, len(p.Targets)), fmt.Sprint(p.TTL), ago(time.Duration(p.Since)), p.Note)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if !targets && allWell(pools) {
		return nil
	}
	fmt.Fprintln(out)
	return drawTargets(out, pools)
}

func drawTargets(out io.Writer, pools []node.PoolState) error {
	t := newTable(out, "POOL", "TARGET", "ADDRESS", "STATE", "SINCE", "LAST", "WHY")
	for _, p := range pools {
		for _, m := range p.Targets {
			last, why := "-", targetNote(m)
			for _, c := range m.Checks {
				if c.Last > 0 {
					last = ago(time.Duration(c.Last))
				}
				if c.Verdict != "" {
					why = append(why, c.Verdict)
				}
			}
			t.row(p.Pool, m.Name, strings.Join(m.Address, ","), targetState(m), ago(time.Duration(m.Since)), last, strings.Join(why, "; "))
		}
	}
	return t.flush()
}

func targetState(m node.TargetState) string {
	state := m.State
	if m.Override != nil && m.Override.State != "auto" && !m.Override.Expired {
		state = "forced " + m.Override.State
		if m.Override.State == "drain" {
			state = "drain"
		}
	} else if m.FileState != "" && m.FileState != "auto" {
		state = m.FileState + " (file)"
	}
	if m.Stale {
		state += " stale"
	}
	if m.Doubt {
		state += " ?"
	}
	if m.Serving {
		state += " *"
	}
	return state
}

func targetNote(m node.TargetState) []string {
	o := m.Override
	if o == nil || o.State == "auto" || o.Expired {
		return nil
	}
	note := fmt.Sprintf("%s by %s: %s", o.State, dash(o.Owner), o.Reason)
	if o.Left > 0 {
		note += fmt.Sprintf(" (%s left)", ago(time.Duration(o.Left)))
	}
	if len(o.Conflict) > 0 {
		note += " CONFLICT"
	}
	return []string{note}
}

func headline(s node.Status) string {
	name := s.Node
	if s.Site != "" {
		name += " (" + s.Site + ")"
	}
	parts := []string{"vitalns " + s.Version, name, "up " + ago(time.Duration(s.Uptime))}
	if s.Cluster.Enabled {
		c := fmt.Sprintf("cluster %d/%d", s.Cluster.Fresh, s.Cluster.Expected)
		if s.Cluster.Abstains {
			c += " abstains"
		}
		if !s.Cluster.Majority {
			c += " minority"
		}
		if !s.Cluster.Agrees {
			c += " zones differ"
		}
		parts = append(parts, c)
	}
	if !s.Ready {
		parts = append(parts, "not ready: "+s.Waiting)
	}
	parts = append(parts, "config "+s.Config.Digest)
	if s.Config.Error != "" {
		parts = append(parts, "last reload failed: "+s.Config.Error)
	}
	return strings.Join(parts, "  ")
}
