package cli

import (
	"github.com/spf13/cobra"
)

// newLabCommand returns "pmtu lab".
func newLabCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Build networks out of namespaces and measure in them",
		Long: `Lab builds whole networks out of network namespaces, with kernel routers, on this
machine. Nothing it sends leaves them. It needs root, or a kernel that lets users
create user namespaces.`,
		Example: "  pmtu lab demo\n  pmtu lab list\n  pmtu lab up --shell blackhole",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLabDemoCommand(), newLabUpCommand(), newLabDownCommand(), newLabListCommand(), newLabInternetCommand(), newLabCompareCommand())
	return cmd
}

// labError is an error with the exit code it asks for. Without a cause there is
// nothing to print: a child of the same program already did.
type labError struct {
	code int
	err  error
}

func (e *labError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the cause, nil if there is none.
func (e *labError) Unwrap() error { return e.err }

// ExitCode returns the exit code the error asks for.
func (e *labError) ExitCode() int { return e.code }
