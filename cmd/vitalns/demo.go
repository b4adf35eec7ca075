package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func demoCommand(*options) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "three nodes and three backends on loopback, scripted outages, and a verdict at the end",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo(c.Context(), c.OutOrStdout(), keep)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave everything running at the end, until interrupted")
	return orderly(c)
}

// demo runs the script and fails if one of its expectations does not hold. That nobody reads what it prints
// is an interruption: nothing is left behind.
func demo(ctx context.Context, out io.Writer, keep bool) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE)
	defer stop()
	dir, err := os.MkdirTemp("", "vitalns-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stage, err := newStage(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	s := &show{stage: stage, out: out, live: isTerminal(out), began: time.Now()}
	s.header()
	for i, act := range script {
		err := s.rest(ctx, i)
		if err == nil {
			err = act(ctx, s)
		}
		if err != nil {
			if ctx.Err() != nil {
				return &failure{code: exitFailed, err: errors.New("interrupted")}
			}
			s.say("FAILED  %v", err)
			s.logs()
			return &failure{code: exitFailed, err: fmt.Errorf("demo: %d expectations met, then: %w", s.met, err)}
		}
	}
	fmt.Fprintf(out, "\nresult: %d of %d expectations met in %.1f s\n", s.met, s.met, time.Since(s.began).Seconds())
	if keep {
		s.invite()
		<-ctx.Done()
	}
	return nil
}

// A show prints what happens, with the seconds since it began.
type show struct {
	*stage
	out   io.Writer
	live  bool // a terminal: what is waited for is shown meanwhile
	began time.Time
	met   int // expectations
}

func (s *show) header() {
	fmt.Fprintf(s.out, "vitalns demo: zone %s, three nodes, three backends; the addresses answered are documentation's,\n", demoZone)
	fmt.Fprintln(s.out, "their checks go to ports on loopback")
	for _, n := range s.nodes {
		fmt.Fprintf(s.out, "  %s  dig @127.0.0.1 -p %d %s  http://%s\n", n.name, n.dnsPort, demoName, n.http)
	}
}

func (s *show) stamp() string { return fmt.Sprintf("%5.1fs  ", time.Since(s.began).Seconds()) }

// say prints one line.
func (s *show) say(format string, args ...any) {
	if s.live {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
	fmt.Fprintf(s.out, s.stamp()+format+"\n", args...)
}

// wait shows on a terminal what is waited for; the next line takes its place.
func (s *show) wait(format string, args ...any) {
	if s.live {
		fmt.Fprintf(s.out, "\r\x1b[K"+s.stamp()+"... "+format, args...)
	}
}

// betweenActs lets a reader follow, and what came before settle: each act is measured by itself.
const betweenActs = 1500 * time.Millisecond

func (s *show) rest(ctx context.Context, act int) error {
	if act == 0 {
		return nil
	}
	select {
	case <-time.After(betweenActs):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ok prints an expectation that is met.
func (s *show) ok(format string, args ...any) {
	s.met++
	mark := "ok    "
	if colour(s.out) {
		mark = "\x1b[32mok\x1b[0m    "
	}
	s.say(mark+format, args...)
}

// logs prints the end of what the nodes said, for a demo that failed.
func (s *show) logs() {
	const tail = 2000
	for _, n := range s.nodes {
		raw, err := os.ReadFile(filepath.Join(s.dir, n.name, "log"))
		if err != nil {
			continue
		}
		fmt.Fprintf(s.out, "--- %s said:\n%s\n", n.name, raw[max(0, len(raw)-tail):])
	}
}

func (s *show) invite() {
	n := s.nodes[0]
	fmt.Fprintf(s.out, `
still running; interrupt to stop. Try:
  dig @127.0.0.1 -p %d %s
  vitalns explain %s --server http://%s
  vitalns watch --server http://%s
  vitalns target drain %s/web/lon --for 1m --reason "trying it" --server unix://%s
  kill -STOP %d    # backend lon hangs
`, n.dnsPort, demoName, demoName, n.http, n.http, demoZone, n.socket, s.backends[0].pid())
}
