package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// newUnsupportedCommand returns a command that this system can't have, and why. It
// takes whatever flags the command has elsewhere, so that the answer is the reason.
func newUnsupportedCommand(use, short, why string) *cobra.Command {
	return &cobra.Command{
		Use:                use,
		Short:              short,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE:               func(*cobra.Command, []string) error { return unsupported(why) },
	}
}

// unsupported is an error for what this system can't do. It wraps errors.ErrUnsupported.
func unsupported(why string) error {
	return usageError{fmt.Errorf("%s: %w", why, errors.ErrUnsupported)}
}
