package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vitalns/gossip"
)

func keygenCommand(*options) *cobra.Command {
	c := &cobra.Command{Use: "keygen", Short: "make keys", RunE: group, Args: cobra.ArbitraryArgs}
	c.AddCommand(&cobra.Command{
		Use:     "cluster",
		Short:   "make a key for `key_file`: the same file on every node",
		Example: "  vitalns keygen cluster > cluster.key && chmod 600 cluster.key",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintln(c.OutOrStdout(), gossip.GenerateKey())
			return nil
		},
	})
	return c
}

func versionCommand(*options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				return printValue(c.OutOrStdout(), struct {
					Schema  int    `json:"schema"`
					Version string `json:"version"`
				}{1, versionText()})
			}
			fmt.Fprintln(c.OutOrStdout(), "vitalns", versionText())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
