package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/checks/runner"
	"vitalns/cmd/internal/node"
)

func checkCommand(*options) *cobra.Command {
	var config string
	var strict, probes, asJSON bool
	c := &cobra.Command{
		Use:   "check [-c FILE] [ZONE.toml...]",
		Short: "read the files as `run` does, and say what is wrong or unwise, and how fast pools fail over",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if config == "" && len(args) == 0 {
				return usageError("check needs a zone file, or a node file with -c")
			}
			env := &probe.Env{UserAgent: "vitalns/" + versionText() + " (check)"}
			l := node.Loader{Path: config, Zones: args, Env: env, Apart: config == ""}.Load()
			env.Source, env.Resolver = l.File.Source, l.File.Resolver
			if asJSON {
				return checkJSON(c, l, strict)
			}
			out := c.OutOrStdout()
			if err := l.Problems.Format(out); err != nil {
				return err
			}
			if l.Problems.Errors() > 0 {
				return &failure{code: exitFailed}
			}
			if err := drawBudgets(out, budgets(l)); err != nil {
				return err
			}
			if probes {
				if err := probeOnce(c.Context(), out, l.Watches()); err != nil {
					return err
				}
			}
			if strict && l.Problems.Warnings() > 0 {
				return &failure{code: exitFailed}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "node file")
	c.Flags().BoolVar(&strict, "strict", false, "exit 1 for warnings too")
	c.Flags().BoolVar(&probes, "probe", false, "run each check once and say what it finds")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// A budget is how long a failover of a pool may take, at worst, until clients have moved: DESIGN 3.1 with
// the greatest TTL added.
type budget struct {
	Zone    string       `json:"zone"`
	Pool    string       `json:"pool"`
	Nodes   int          `json:"nodes"`
	Refuses node.Seconds `json:"refuses_seconds"` // until the answer has changed, where the target refuses
	Hangs   node.Seconds `json:"hangs_seconds"`
	TTL     uint32       `json:"ttl"`
}

func budgets(l node.Loaded) []budget {
	nodes := 1
	if l.File.Cluster != nil {
		nodes = l.File.Cluster.Nodes
	}
	watches := map[checks.Target]checks.Watch{}
	for _, w := range l.Watches() {
		if _, ok := watches[w.Target]; !ok { // the first counts
			watches[w.Target] = w
		}
	}
	var all []budget
	for _, ref := range l.Set.Pools() {
		b := budget{Zone: ref.ZoneLabel, Pool: ref.Pool.Name, Nodes: nodes, TTL: ref.Pool.TTL.Max}
		for _, m := range ref.Pool.Members {
			for _, t := range m.Targets() {
				refuses, hangs := runner.Budget(watches[t], nodes)
				b.Refuses, b.Hangs = max(b.Refuses, node.Seconds(refuses)), max(b.Hangs, node.Seconds(hangs))
			}
		}
		if b.Refuses > 0 {
			all = append(all, b)
		}
	}
	return all
}

func drawBudgets(out io.Writer, all []budget) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprint(out, "\nAt worst, from the moment a target refuses or hangs, until the answer has changed, and with the TTL until clients have moved:\n\n")
	t := newTable(out, "POOL", "NODES", "TTL", "REFUSES", "MOVED", "HANGS", "MOVED")
	for _, b := range all {
		refuses, hangs, ttl := time.Duration(b.Refuses), time.Duration(b.Hangs), time.Duration(b.TTL)*time.Second
		t.row(b.Zone+"/"+b.Pool, fmt.Sprint(b.Nodes), ago(ttl), span(refuses), span(refuses+ttl), span(hangs), span(hangs+ttl))
	}
	return t.flush()
}

// span prints seconds with two decimals: budgets are compared, not read out.
func span(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

func checkJSON(c *cobra.Command, l node.Loaded, strict bool) error {
	type problem struct {
		File     string `json:"file"`
		Line     int    `json:"line"`
		Col      int    `json:"col"`
		Severity string `json:"severity"`
		Text     string `json:"text"`
		Hint     string `json:"hint,omitempty"`
	}
	report := struct {
		Schema   int       `json:"schema"`
		Errors   int       `json:"errors"`
		Warnings int       `json:"warnings"`
		Problems []problem `json:"problems"`
		Pools    []budget  `json:"pools"`
	}{node.Schema, l.Problems.Errors(), l.Problems.Warnings(), []problem{}, []budget{}}
	for _, p := range l.Problems {
		report.Problems = append(report.Problems, problem{p.File, p.Line, p.Col, p.Severity.String(), p.Text, p.Hint})
	}
	if report.Errors == 0 {
		report.Pools = append(report.Pools, budgets(l)...)
	}
	if err := printValue(c.OutOrStdout(), report); err != nil {
		return err
	}
	if report.Errors > 0 || strict && report.Warnings > 0 {
		return &failure{code: exitFailed}
	}
	return nil
}

// maxProbes bounds how many probes `check --probe` runs at once.
const maxProbes = 64

// probeOnce runs every check once and prints what it finds; a failure of one makes the command fail.
func probeOnce(ctx context.Context, out io.Writer, watches []checks.Watch) error {
	results := make([]checks.Result, len(watches))
	slots := make(chan struct{}, maxProbes)
	var wg sync.WaitGroup
	for i, w := range watches {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, w.Timeout)
			defer cancel()
			results[i] = w.Prober.Probe(ctx, w.Target)
		}()
	}
	wg.Wait()
	fmt.Fprintln(out)
	t := newTable(out, "CHECK", "TARGET", "RESULT", "LATENCY", "REASON")
	failed := 0
	for i, r := range results {
		if r.Kind != checks.OK {
			failed++
		}
		t.row(watches[i].Check, watches[i].Target.String(), r.Kind.String(), ago(r.Latency), string(r.Reason))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if failed > 0 {
		return &failure{code: exitFailed, err: fmt.Errorf("%d of %d probes did not succeed", failed, len(watches))}
	}
	return nil
}
