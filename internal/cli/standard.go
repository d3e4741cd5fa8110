package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// describeHelp gives "pmtu help" words and exit codes like those of the others.
func describeHelp(cmd *cobra.Command) {
	cmd.Use = "help [COMMAND...]"
	cmd.Short = "Say what a command does, and which flags it has"
	cmd.Long = `Help prints what "pmtu COMMAND --help" prints: what the command does, its flags and
examples. Without COMMAND it lists the commands.`
	cmd.Example = "  pmtu help probe\n  pmtu help lab up"
	cmd.Run = nil
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		about, rest, err := cmd.Root().Find(args)
		if err != nil || len(rest) > 0 {
			return usagef("%q: there is no such command", strings.Join(args, " "))
		}
		about.InitDefaultHelpFlag()
		return about.Help()
	}
}

// describeCompletion gives "pmtu completion" words like those of the others. What
// its commands say of each shell is cobra's.
func describeCompletion(cmd *cobra.Command) {
	cmd.Short = "Print a script that lets a shell complete commands, flags and values"
	cmd.Long = `Completion prints a script for bash, zsh, fish or PowerShell. With it the Tab key
completes commands, flags and the values that they take. The help of each shell's
command says how to load its script.`
	cmd.Example = "  pmtu completion bash > /etc/bash_completion.d/pmtu\n  pmtu help completion zsh"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	wrapArgs(cmd)
	for _, shell := range cmd.Commands() {
		shell.Short = "Print the script for " + shellTitle(shell.Name())
		shell.Long = strings.TrimSpace(shell.Long)
	}
}

func shellTitle(name string) string {
	if name == "powershell" {
		return "PowerShell"
	}
	return name
}
