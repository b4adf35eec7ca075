package main

import (
	"errors"

	"github.com/spf13/cobra"

	"vitalns/cmd/internal/node"
)

func runCommand(*options) *cobra.Command {
	opt := node.Options{Version: versionText()}
	c := &cobra.Command{
		Use:   "run [-c FILE] [ZONE.toml...]",
		Short: "serve in the foreground",
		Example: "  vitalns run zone.toml                  # DNS on 127.0.0.1:5300, HTTP on 127.0.0.1:8053\n" +
			"  vitalns run -c /etc/vitalns/vitalns.toml",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if opt.File == "" && len(args) == 0 {
				return &failure{code: exitUsage, err: errors.New("run needs a zone file, or a node file with -c"), hint: "vitalns run ZONE.toml"}
			}
			opt.Zones, opt.Stderr = args, c.ErrOrStderr()
			return advised(node.Serve(c.Context(), opt))
		},
	}
	c.Flags().StringVarP(&opt.File, "config", "c", "", "node file")
	c.Flags().StringSliceVar(&opt.DNS, "dns", nil, "address to answer on, UDP and TCP; may be repeated (default 127.0.0.1:5300)")
	c.Flags().StringVar(&opt.HTTP, "http", "", "address of status, API and metrics (default 127.0.0.1:8053)")
	c.Flags().StringVar(&opt.StateDir, "state-dir", "", "where state is kept over a restart")
	return orderly(c)
}

// advised turns an error of the node into one with a hint and an exit code.
func advised(err error) error {
	if errors.Is(err, node.ErrInvalid) {
		return &failure{code: exitFailed} // the problems have been printed
	}
	if a := new(node.Advice); errors.As(err, &a) {
		return &failure{code: exitFailed, err: err, hint: a.Hint}
	}
	return err
}
