package netlab

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"time"
)

// killAfter is how long an interrupted child may take to end.
const killAfter = 3 * time.Second

// mostOutput bounds what is kept of a child's output, in bytes.
const mostOutput = 4 << 20

// Command is exec.CommandContext for a child that is asked before it is
// killed: an interrupt first, a kill some seconds later.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = killAfter
	return cmd
}

// limitedBuffer keeps the first mostOutput bytes written to it.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := mostOutput - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
