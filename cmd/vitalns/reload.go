package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vitalns/cmd/internal/node"
)

func planCommand(opt *options) *cobra.Command {
	var asJSON, exitCode bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "what a reload would change, in the configuration and in the answers",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := reload(c, opt, "GET", "/api/v1/plan", asJSON)
			if err != nil {
				return err
			}
			if exitCode && (len(r.Changes) > 0 || len(r.NeedsRestart) > 0) {
				return &failure{code: exitAnswer}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit 4 if there are changes")
	return c
}

func reloadCommand(opt *options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "read the files again and serve them, or keep what is served and say why",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := reload(c, opt, "POST", "/api/v1/reload", asJSON)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// reload asks for a plan or a reload and prints what came of it: problems on stderr, changes on stdout.
func reload(c *cobra.Command, opt *options, method, path string, asJSON bool) (node.Reload, error) {
	var r node.Reload
	cl, err := opt.connect(c.Context())
	if err != nil {
		return r, err
	}
	raw, err := cl.raw(c.Context(), method, path, nil)
	if err == nil {
		err = cl.decode(raw, &r)
	}
	if err != nil {
		return r, err
	}
	out := c.OutOrStdout()
	if asJSON {
		err = printJSON(out, raw)
	} else {
		fmt.Fprint(c.ErrOrStderr(), r.Problems)
		for _, line := range r.Changes {
			fmt.Fprintln(out, line)
		}
		if len(r.Answers) > 0 {
			fmt.Fprintln(out, "answers that change now:")
		}
		for _, line := range r.Answers {
			fmt.Fprintln(out, "  "+line)
		}
		for _, line := range r.NeedsRestart {
			fmt.Fprintln(out, "needs restart: "+line)
		}
		if r.Applied {
			fmt.Fprintln(out, "serving config "+r.Digest)
		} else if r.Valid && len(r.Changes) == 0 && len(r.NeedsRestart) == 0 {
			fmt.Fprintln(out, "no changes")
		}
		for _, line := range r.Serials {
			fmt.Fprintln(out, line)
		}
	}
	if err != nil {
		return r, err
	}
	if !r.Valid || method == "POST" && len(r.NeedsRestart) > 0 {
		return r, &failure{code: exitFailed}
	}
	return r, nil
}
