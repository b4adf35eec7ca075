package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitalns/cmd/internal/node"
)

func membersCommand(opt *options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "members",
		Short: "the nodes of the cluster as the daemon sees them",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			raw, err := cl.raw(c.Context(), "GET", "/api/v1/members", nil)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), raw)
			}
			var all node.Members
			if err := cl.decode(raw, &all); err != nil {
				return err
			}
			t := newTable(c.OutOrStdout(), "NODE", "ADDRESS", "SITE", "STATE", "VOTES", "HEARD", "RTT", "ZONES", "VERSION", "PROBLEM")
			for _, m := range all.Members {
				name, heard, rtt := m.Node, ago(time.Duration(m.Heard)), ago(time.Duration(m.RTT))
				if m.Node == all.Self {
					name, heard, rtt = name+" (this one)", "-", "-"
				}
				t.row(dash(name), dash(m.Address), dash(m.Site), m.State, memberVotes(m), heard, rtt, dash(m.Zones), dash(m.Version), m.Problem)
				if m.Problem != "" || !m.Fresh {
					t.colour(3, red)
				}
			}
			return t.flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func memberVotes(m node.MemberState) string {
	var notes []string
	if m.Abstains {
		notes = append(notes, "abstains")
	}
	if m.Starting {
		notes = append(notes, "starting")
	}
	if !m.Fresh {
		notes = append(notes, "not fresh")
	}
	if len(notes) == 0 && !m.Votes {
		notes = append(notes, "disagrees")
	}
	if len(notes) == 0 {
		return "yes"
	}
	return strings.Join(notes, ", ")
}
