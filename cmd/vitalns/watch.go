package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func watchCommand(opt *options) *cobra.Command {
	every := durationFlag(time.Second)
	c := &cobra.Command{
		Use:   "watch [POOL]",
		Short: "status, drawn again and again",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if every < durationFlag(100*time.Millisecond) {
				return usageError("--every %s: at least 100ms", &every)
			}
			cl, err := opt.connect(c.Context())
			if err != nil {
				return err
			}
			return watch(c.Context(), c.OutOrStdout(), cl, args, time.Duration(every))
		},
	}
	c.Flags().Var(&every, "every", "time between two drawings")
	return orderly(c)
}

// watch redraws until ctx is done. A daemon that goes away is waited for: it may be restarting.
func watch(ctx context.Context, out io.Writer, cl *client, args []string, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for first := true; ; first = false {
		s := screen{colours: colour(out)}
		err := drawNow(ctx, &s, cl, args)
		f := new(failure)
		switch {
		case ctx.Err() != nil:
			return nil
		case !first && errors.As(err, &f) && f.code == exitNoNode:
			fmt.Fprintln(&s, f)
		case err != nil:
			return err
		}
		if err := s.show(out); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func drawNow(ctx context.Context, out io.Writer, cl *client, args []string) error {
	_, s, err := readStatus(ctx, cl)
	if err != nil {
		return err
	}
	pools, err := selectPools(s.Pools, args)
	if err != nil {
		return err
	}
	return drawStatus(out, s, pools, len(args) > 0)
}

// A screen is what is shown at once.
type screen struct {
	bytes.Buffer
	colours bool
}

// show writes the screen: on a terminal over what stands there, as far as it has room; elsewhere with an
// empty line behind it.
func (s *screen) show(out io.Writer) error {
	f, ok := out.(*os.File)
	if !ok || !isTerminal(out) {
		_, err := fmt.Fprintln(out, s)
		return err
	}
	_, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || rows == 0 {
		rows = 24
	}
	lines := bytes.SplitAfter(bytes.TrimRight(s.Bytes(), "\n"), []byte("\n"))
	var b bytes.Buffer
	b.WriteString("\x1b[H") // home, then each line over the old one: clearing the screen first would flicker
	for i, line := range lines {
		if more := len(lines) - i; i == rows-1 && more > 1 {
			fmt.Fprintf(&b, "... %d more lines\x1b[K", more)
			break
		}
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
		b.WriteString("\x1b[K")
		if i < len(lines)-1 {
			b.WriteString("\r\n")
		}
	}
	b.WriteString("\x1b[J")
	_, err = out.Write(b.Bytes())
	return err
}
