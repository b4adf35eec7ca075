// Command vitalns is an authoritative DNS server that leaves dead addresses out of its answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the build; a build without it says "dev" and the revision it knows.
var version = ""

// Exit codes: 0 ok, and these.
const (
	exitFailed = 1 // failed or invalid
	exitUsage  = 2
	exitNoNode = 3 // no daemon, or it does not answer
	exitAnswer = 4 // "the answer is no"
)

// A failure is an error with the exit code it means and a way out. An err of nil says nothing: all that
// there is to say has been printed.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

func usageError(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func main() {
	os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// orderly gives a command that has something to end a context that SIGINT and SIGTERM end. All others die of
// them, whatever they are at.
func orderly(c *cobra.Command) *cobra.Command {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal does not wait for lameduck
		c.SetContext(ctx)
		return run(c, args)
	}
	return c
}

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	f := new(failure)
	if !errors.As(err, &f) {
		f = &failure{code: exitFailed, err: err}
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(stderr, "vitalns: %s\n", strings.ReplaceAll(msg, "\nhint: ", "\n   hint: "))
	}
	if f.hint != "" {
		fmt.Fprintf(stderr, "   hint: %s\n", f.hint)
	}
	return f.code
}

// commands is every top-level command.
var commands = []func(*options) *cobra.Command{
	runCommand, demoCommand, backendCommand, checkCommand,
	statusCommand, watchCommand, eventsCommand, explainCommand,
	planCommand, reloadCommand,
	targetCommand, poolCommand, zoneCommand, membersCommand,
	keygenCommand, queryCommand, versionCommand, completionCommand,
}

func rootCommand() *cobra.Command {
	opt := new(options)
	root := &cobra.Command{
		Use:           "vitalns",
		Short:         "an authoritative DNS server that leaves dead addresses out of its answers",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          group,
		Args:          cobra.ArbitraryArgs,
	}
	root.PersistentFlags().StringVar(&opt.server, "server", "", "the daemon: unix:///PATH or http://HOST:PORT (default: $VITALNS_SERVER, then the usual places)")
	root.PersistentFlags().StringVar(&opt.tokenFile, "token-file", "", "file with the API token (default: $VITALNS_TOKEN_FILE)")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &failure{code: exitUsage, err: err, hint: "see " + c.CommandPath() + " --help"}
	})
	for _, command := range commands {
		root.AddCommand(command(opt))
	}
	root.CompletionOptions.DisableDefaultCmd = true // ours takes the shell as an argument, and refuses others
	usageArgs(root)
	return root
}

// group is the RunE of a command that only has commands below it: cobra would print its help and exit 0.
func group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		c.SetOut(c.ErrOrStderr())
		_ = c.Usage() // a message on the way to the error below
		return &failure{code: exitUsage, err: errors.New("needs a command"), hint: "usage: " + c.CommandPath() + " COMMAND"}
	}
	hint := "see " + c.CommandPath() + " --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean `" + c.CommandPath() + " " + near[0] + "`?"
	}
	return &failure{code: exitUsage, err: fmt.Errorf("unknown command %q", args[0]), hint: hint}
}

// suggestWithin is how many slips of the finger a suggestion forgives.
const suggestWithin = 2

// usageArgs makes a wrong number of arguments a usage error, in the whole tree.
func usageArgs(c *cobra.Command) {
	c.SuggestionsMinimumDistance = suggestWithin
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &failure{code: exitUsage, err: err, hint: "usage: " + c.UseLine()}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

// versionText is the version of this build.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return "dev"
}
