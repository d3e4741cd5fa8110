// Package cli is the program pmtu: its verbs, their flags, and what they print.
// Data goes to standard output; people are spoken to on standard error.
package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// Main runs the program with these arguments (without the program's name) and
// returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	addStandardCommands(root)
	cmd, err := root.ExecuteContextC(context.Background())
	return exitCode(errOut, cmd, err)
}

// Commands returns the commands of the program, for pages about them; to run the
// program, there is [Main]. Defaults that are this machine's are told in words, so
// that the commands are the same on every machine with the same system. Each call
// returns commands of its own, which the caller may change.
func Commands() *cobra.Command {
	root := newRootCommand()
	addStandardCommands(root)
	nameDefaults(root)
	return root
}

// nameDefaults puts words for the defaults that come from this machine.
func nameDefaults(cmd *cobra.Command) {
	if f := cmd.Flags().Lookup("vantage"); f != nil {
		f.DefValue = "the host's name"
	}
	for _, sub := range cmd.Commands() {
		nameDefaults(sub)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pmtu",
		Short: "Find, keep and explain the largest packet that a network path carries",
		Long: `pmtu measures the path MTU of real paths, end to end, and builds networks to try it on.

Exit codes: 0 all was measured, 1 something was not, 2 wrong use, 3 a privilege
is missing (the message names it, and what works without).`,
		Example:       "  pmtu probe example.net\n  pmtu lab demo\n  pmtu help probe",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.AddCommand(newProbeCommand(), newVersionCommand(), newLabCommand(), newRouterCommand(), newHostCommand(), newDecodeCommand(), newReportCommand(), newSurveyCommand(), newTraceCommand())
	if err := addCompletion(root); err != nil {
		panic(err) // completion names a command that there is not
	}
	wrapArgs(root)
	return root
}

// addStandardCommands adds the commands that every program made with cobra has:
// help, and scripts for shells. Their output must be set before.
func addStandardCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			describeHelp(cmd)
		case "completion":
			describeCompletion(cmd)
		}
	}
}

// wrapArgs makes wrong arguments of every verb a matter of wrong use.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}
