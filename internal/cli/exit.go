package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pathmtu/internal/rawsock"
)

// Exit codes of the program.
const (
	exitOK          = 0
	exitNotMeasured = 1
	exitUsage       = 2
	exitPrivilege   = 3
)

// usageError is a mistake in how the program was called.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// ExitCode returns the code for wrong use.
func (e usageError) ExitCode() int { return exitUsage }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// notMeasured says that some targets were not measured; the output has said why.
type notMeasured struct{ failed, all int }

func (e notMeasured) Error() string {
	return fmt.Sprintf("%d of %d not measured", e.failed, e.all)
}

// ExitCode returns the code for something not measured.
func (e notMeasured) ExitCode() int { return exitNotMeasured }

// privilegeError is a missing privilege, with what works without it.
type privilegeError struct {
	err         *rawsock.PrivilegeError
	alternative string
}

func (e privilegeError) Error() string {
	return fmt.Sprintf("%v. Without it: %s", e.err, e.alternative)
}
func (e privilegeError) Unwrap() error { return e.err }

// ExitCode returns the code for a missing privilege.
func (e privilegeError) ExitCode() int { return exitPrivilege }

// exitCode tells people what went wrong and returns the program's exit code.
func exitCode(w io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitNotMeasured
	var coded interface{ ExitCode() int }
	var usage usageError
	if errors.As(err, &coded) {
		code = coded.ExitCode()
	}
	text := err.Error()
	name := "pmtu"
	if cmd != nil {
		name = cmd.CommandPath()
	}
	if text != "" {
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, text)
	}
	if errors.As(err, &usage) {
		_, _ = fmt.Fprintf(w, "See \"%s --help\".\n", name)
	}
	return code
}
