package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"vitalns/checks/probe"
	"vitalns/cmd/internal/node"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

func zoneCommand(opt *options) *cobra.Command {
	c := &cobra.Command{Use: "zone", Short: "zones: list those served, convert from and to RFC 1035 master files", RunE: group, Args: cobra.ArbitraryArgs}
	c.AddCommand(zoneListCommand(opt), zoneImportCommand(), zoneExportCommand())
	return c
}

func zoneListCommand(opt *options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "the zones that the daemon serves",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			_, s, err := readStatus(c.Context(), cl)
			if err != nil {
				return err
			}
			if asJSON {
				return printValue(c.OutOrStdout(), struct {
					Schema int              `json:"schema"`
					Zones  []node.ZoneState `json:"zones"`
				}{node.Schema, s.Zones})
			}
			t := newTable(c.OutOrStdout(), "ZONE", "SERIAL", "NAMES", "LIVE", "POOLS", "FILE")
			for _, z := range s.Zones {
				t.row(z.Zone, fmt.Sprint(z.Serial), fmt.Sprint(z.Names), fmt.Sprint(z.Live), fmt.Sprint(z.Pools), z.File)
			}
			return t.flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func zoneImportCommand() *cobra.Command {
	var origin string
	c := &cobra.Command{
		Use:     "import FILE --origin NAME",
		Short:   "an RFC 1035 master file as TOML, on stdout",
		Example: "  vitalns zone import db.example.org --origin example.org > example.org.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if origin == "" {
				return &failure{code: exitUsage, err: fmt.Errorf("zone import needs --origin"), hint: "the name of the zone: a master file alone does not say it"}
			}
			name, err := zones.ParseName(origin)
			if err != nil {
				return usageError("--origin %q: %v", origin, err)
			}
			text, err := readInput(c, args[0])
			if err != nil {
				return err
			}
			dir := filepath.Dir(args[0])
			out, problems := zonefile.Import(args[0], text, name, func(path string) ([]byte, error) {
				if !filepath.IsAbs(path) {
					path = filepath.Join(dir, path)
				}
				return node.ReadFile(path)
			})
			return convert(c, out, problems)
		},
	}
	c.Flags().StringVar(&origin, "origin", "", "the name of the zone")
	return c
}

func zoneExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE.toml",
		Short: "a zone as an RFC 1035 master file, on stdout, its pools as when everything is up",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readInput(c, args[0])
			if err != nil {
				return err
			}
			sources, problems := zonefile.Load([]zonefile.File{{Path: args[0], Text: text}}, zonefile.Options{Env: new(probe.Env), ReadFile: node.ReadFile, Apart: true, Nodes: 1})
			if problems.Errors() > 0 {
				return convert(c, nil, problems)
			}
			return convert(c, zonefile.Export(sources[0]), problems)
		},
	}
}

// convert prints what came of a conversion: nothing at all if there were errors.
func convert(c *cobra.Command, out []byte, problems zonefile.Problems) error {
	if len(problems) > 0 {
		if err := problems.Format(c.ErrOrStderr()); err != nil {
			return err
		}
	}
	if problems.Errors() > 0 {
		return &failure{code: exitFailed}
	}
	_, err := c.OutOrStdout().Write(out)
	return err
}

// readInput reads a file, or standard input for "-".
func readInput(c *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		return node.ReadInput(c.InOrStdin())
	}
	return node.ReadFile(path)
}
