package main

import (
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"vitalns/cmd/internal/node"
)

func targetCommand(opt *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "target",
		Short: "overrides: force a target up or down, drain it, or leave it to its checks",
		RunE:  group,
		Args:  cobra.ArbitraryArgs,
	}
	for _, state := range []struct{ name, does string }{
		{"up", "serve it whatever its checks say"},
		{"down", "never serve it"},
		{"drain", "serve it only when nothing else is left"},
		{"auto", "leave it to its checks"},
	} {
		c.AddCommand(overrideCommand(opt, state.name, state.does))
	}
	return c
}

func overrideCommand(opt *options, state, does string) *cobra.Command {
	var reason, owner string
	var lasts durationFlag
	var force, asJSON bool
	c := &cobra.Command{
		Use:   state + " ZONE/POOL/TARGET",
		Short: does,
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" && state != "auto" {
				return &failure{code: exitUsage, err: fmt.Errorf("target %s needs --reason", state), hint: "who reads `vitalns status` next week wants to know why"}
			}
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			return write(c, cl, "/api/v1/overrides", node.OverrideRequest{
				Target: args[0], State: state, Reason: reason, Owner: owner, For: node.Seconds(lasts), Force: force,
			}, fmt.Sprintf("%s: %s", args[0], state), asJSON)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who see it later")
	c.Flags().StringVar(&owner, "owner", login(), "who")
	c.Flags().Var(&lasts, "for", "time until it expires, as 2h30m or 7d (default: until it is changed)")
	c.Flags().BoolVar(&force, "force", false, "even if it leaves the pool without a target")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func poolCommand(opt *options) *cobra.Command {
	c := &cobra.Command{Use: "pool", Short: "pools: return to the better choice", RunE: group, Args: cobra.ArbitraryArgs}
	var asJSON bool
	failback := &cobra.Command{
		Use:   "failback ZONE/POOL",
		Short: "return to the best usable choice now",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			return write(c, cl, "/api/v1/failback", node.FailbackRequest{Pool: args[0]}, args[0]+": failback", asJSON)
		},
	}
	failback.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(failback)
	return c
}

// write posts a change and says which nodes have it. A node that lacks it will get it; that is said on
// stderr and is no failure, for the change is durable here.
func write(c *cobra.Command, cl *client, path string, body any, what string, asJSON bool) error {
	var w node.Written
	if err := cl.post(c.Context(), path, body, &w); err != nil {
		return err
	}
	if asJSON {
		return printValue(c.OutOrStdout(), w)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s  on %s\n", what, strings.Join(w.Have, ", "))
	if len(w.Lack) > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "not yet on %s: they take it over when they are heard again\n", strings.Join(w.Lack, ", "))
	}
	return nil
}

func login() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
