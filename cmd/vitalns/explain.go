package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"vitalns/zones"
)

func explainCommand(opt *options) *cobra.Command {
	var asJSON bool
	var from string
	c := &cobra.Command{
		Use:     "explain NAME [TYPE]",
		Short:   "why a question is answered as it is, from the record to the votes",
		Example: "  vitalns explain www.gslb.example.com A --from 192.0.2.7",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			q := url.Values{"name": {args[0]}}
			if len(args) > 1 {
				q.Set("type", args[1])
			}
			if from != "" {
				q.Set("from", from)
			}
			raw, err := cl.raw(c.Context(), "GET", "/api/v1/explain?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), raw)
			}
			var e zones.Explanation
			if err := cl.decode(raw, &e); err != nil {
				return err
			}
			fmt.Fprint(c.OutOrStdout(), e.String())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&from, "from", "", "address of the client who asks; default: none that a rule names")
	return c
}
