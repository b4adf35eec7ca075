package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// shells are the shells that completion knows, each with what writes its script.
var shells = map[string]func(root *cobra.Command, out io.Writer) error{
	"bash":       func(root *cobra.Command, out io.Writer) error { return root.GenBashCompletionV2(out, true) },
	"zsh":        func(root *cobra.Command, out io.Writer) error { return root.GenZshCompletion(out) },
	"fish":       func(root *cobra.Command, out io.Writer) error { return root.GenFishCompletion(out, true) },
	"powershell": func(root *cobra.Command, out io.Writer) error { return root.GenPowerShellCompletionWithDesc(out) },
}

func completionCommand(*options) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "a script that completes commands: for bash, zsh, fish or powershell",
		Example: "  vitalns completion bash > /etc/bash_completion.d/vitalns\n" +
			"  vitalns completion zsh > \"${fpath[1]}/_vitalns\"\n" +
			"  vitalns completion fish > ~/.config/fish/completions/vitalns.fish",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(c *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return &failure{code: exitUsage, err: fmt.Errorf("no completion for %q", args[0]), hint: "there is bash, zsh, fish, powershell"}
			}
			return write(c.Root(), c.OutOrStdout())
		},
	}
}
