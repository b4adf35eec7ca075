package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"vitalns/cmd/internal/node"
)

func eventsCommand(opt *options) *cobra.Command {
	var asJSON, follow bool
	var pool string
	c := &cobra.Command{
		Use:   "events",
		Short: "what happened, and why, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			q := url.Values{}
			if pool != "" {
				q.Set("pool", pool)
			}
			if follow {
				q.Set("follow", "1")
				return followEvents(c, cl, "/api/v1/events?"+q.Encode(), asJSON)
			}
			raw, err := cl.raw(c.Context(), "GET", "/api/v1/events?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), raw)
			}
			var all node.Events
			if err := cl.decode(raw, &all); err != nil {
				return err
			}
			for _, e := range all.Events {
				drawEvent(c.OutOrStdout(), e)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON; with --follow one object a line")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on")
	c.Flags().StringVar(&pool, "pool", "", "only this POOL or ZONE/POOL")
	return orderly(c)
}

// followEvents prints events as they come, until interrupted.
func followEvents(c *cobra.Command, cl *client, path string, asJSON bool) error {
	resp, err := cl.do(c.Context(), "GET", path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if asJSON {
			fmt.Fprintln(c.OutOrStdout(), lines.Text())
			continue
		}
		var e node.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return &failure{code: exitNoNode, err: fmt.Errorf("%s does not answer as vitalns does: %w", cl.where, err)}
		}
		drawEvent(c.OutOrStdout(), e)
	}
	if c.Context().Err() != nil {
		return nil
	}
	return &failure{code: exitNoNode, err: fmt.Errorf("%s ended the stream", cl.where)}
}

func drawEvent(out io.Writer, e node.Event) {
	where := ""
	if e.Pool != "" {
		where = e.Zone + "/" + e.Pool + "  "
	}
	fmt.Fprintf(out, "%s  %-8s  %s%s", e.Time.Local().Format("2006-01-02 15:04:05.000"), e.Kind, where, e.Text)
	switch {
	case e.Cause == "":
	case e.Kind == "override":
		fmt.Fprintf(out, "  by %s", e.Cause)
	default:
		fmt.Fprintf(out, "  because %s", e.Cause)
	}
	fmt.Fprintln(out)
}
