package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

// ProbeRun is one run of the program in a namespace.
type ProbeRun struct {
	Record   *results.Record // nil when it printed none
	ExitCode int             // -1 when it was killed
	Stderr   string
}

// Probe runs "PROGRAM probe --json ARGS" on a node and decodes the one record
// it prints. The error is about the run and its output, never about what was
// measured.
func Probe(ctx context.Context, node *netlab.LiveNode, program string, args ...string) (ProbeRun, error) {
	stdout, stderr, err := node.Run(ctx, program, append([]string{"probe", "--json"}, args...)...)
	m := ProbeRun{Stderr: strings.TrimSpace(string(stderr))}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return m, fmt.Errorf("probe %s: %w", strings.Join(args, " "), context.Cause(ctx))
	case errors.As(err, &exit):
		m.ExitCode = exit.ExitCode()
	case err != nil:
		return m, fmt.Errorf("probe %s: %w", strings.Join(args, " "), err)
	}
	lines := results.NewReader(bytes.NewReader(stdout))
	m.Record, err = lines.Read()
	if errors.Is(err, io.EOF) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("probe %s: %w", strings.Join(args, " "), err)
	}
	if _, err := lines.Read(); !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("probe %s: printed more than one record", strings.Join(args, " "))
	}
	return m, nil
}
