package main

import (
	"context"
	"fmt"

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
