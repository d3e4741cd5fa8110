package cli

import (
	"context"
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab"
)

// withLab runs f where labs can be built: here, or else in a new user namespace
// in which this program runs again. Its context ends with an interrupt.
func withLab(cmd *cobra.Command, f func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return labHereOrReexec(ctx, f)
}

func labHereOrReexec(ctx context.Context, f func(ctx context.Context) error) error {
	if netlab.Capable() {
		return withExitCode(f(ctx))
	}
	code, err := netlab.Reexec(ctx)
	if err != nil {
		return withExitCode(err)
	}
	if code != 0 {
		return &labError{code: code}
	}
	return nil
}

// withExitCode gives a lack of privilege its exit code.
func withExitCode(err error) error {
	var privilege *netlab.PrivilegeError
	if errors.As(err, &privilege) {
		return &labError{code: exitPrivilege, err: err}
	}
	return err
}
