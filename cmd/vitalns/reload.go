package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

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
			changes := len(r.Changes) > 0 || len(r.NeedsRestart) > 0
			if changes && !asJSON {
				fmt.Fprintln(c.ErrOrStderr(), "to apply it: vitalns reload")
			}
			if exitCode && changes {
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
	raw, err := cl.load(c.Context(), c.ErrOrStderr(), method, path)
	if err == nil {
		err = cl.decode(raw, &r)
	}
	if err != nil {
		return r, err
	}
	if asJSON {
		err = printJSON(c.OutOrStdout(), raw)
	} else {
		err = drawReload(c.OutOrStdout(), c.ErrOrStderr(), r)
	}
	switch {
	case err != nil:
		return r, err
	case !r.Valid && method == "POST":
		return r, &failure{code: exitFailed, err: errors.New("refused: what was served is served on")}
	case !r.Valid, method == "POST" && len(r.NeedsRestart) > 0:
		return r, &failure{code: exitFailed}
	}
	return r, nil
}

// loadingAfter is when somebody who waits for files to be read is told that nothing is amiss.
const loadingAfter = 5 * time.Second

// load is raw for a call that has the daemon read its files. It says on talk that this takes long.
func (c *client) load(ctx context.Context, talk io.Writer, method, path string) (raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err = c.wait(ctx, method, path, nil)
	}()
	timer := time.NewTimer(loadingAfter)
	defer timer.Stop()
	select {
	case <-done:
		return raw, err
	case <-timer.C:
		fmt.Fprintln(talk, "still loading: the files are large or the node is busy")
	}
	<-done
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil {
		return nil, &failure{code: exitNoNode, err: fmt.Errorf("%s was still loading after %s", c.where, loadTimeout),
			hint: "if a reload had begun it is finished without you: `vitalns status` and `vitalns events` say how it ended"}
	}
	return raw, err
}

// drawReload prints what differs; problems are talk.
func drawReload(out, talk io.Writer, r node.Reload) error {
	fmt.Fprint(talk, r.Problems)
	if !r.Valid {
		return nil
	}
	var b strings.Builder
	for _, line := range r.Changes {
		fmt.Fprintln(&b, line)
	}
	if len(r.Answers) > 0 {
		fmt.Fprintln(&b, "answers that change now:")
	}
	for _, line := range r.Answers {
		fmt.Fprintln(&b, "  "+line)
	}
	for _, line := range r.NeedsRestart {
		fmt.Fprintln(&b, "needs restart: "+line)
	}
	if len(r.Changes) == 0 && len(r.NeedsRestart) == 0 {
		fmt.Fprintln(&b, "no changes")
	}
	for _, line := range r.Serials {
		fmt.Fprintln(&b, line)
	}
	if r.Applied {
		fmt.Fprintln(&b, "serving config "+r.Digest)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
