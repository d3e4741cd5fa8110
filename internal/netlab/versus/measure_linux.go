package versus

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/wiretap"
)

// MostTime is how long a tool may take for a path.
const MostTime = 60 * time.Second

// Measure runs a tool once, in a network of its own. The error says that there is
// nothing to judge: the network or the tool could not be started.
func Measure(ctx context.Context, p Path, tool Tool, family, seed int) (Row, error) {
	row := Row{Tool: tool.Name, Group: p.Group, Path: p.Name(), Family: family, Seed: seed}
	truth, err := p.Truth(family)
	if err != nil {
		return row, err
	}
	row.Truth, row.Router = truth.MTU, truth.Router
	lab, err := netlab.Build(ctx, p.network(seed))
	if err != nil {
		return row, err
	}
	defer lab.Close()
	target, _ := lab.Addr("srv", family)
	client := lab.Node("cli")
	var mu sync.Mutex
	tap, err := wiretap.Open(client.Namespace, "to-r1", func(w wiretap.Packet) {
		if w.Out && w.To == target {
			mu.Lock()
			row.Packets++
			row.Bytes += w.Size
			mu.Unlock()
		}
	})
	if err != nil {
		return row, err
	}
	limited, cancel := context.WithTimeout(ctx, MostTime)
	defer cancel()
	began := time.Now()
	stdout, stderr, err := client.Run(limited, tool.Needs, tool.Args(target)...)
	seconds := time.Since(began).Seconds()
	missed, lostErr := tap.Lost()
	if err := errors.Join(lostErr, tap.Close()); err != nil {
		return row, err
	}
	row.Seconds, row.Missed, row.TimedOut = seconds, missed, limited.Err() != nil && ctx.Err() == nil
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return row, context.Cause(ctx)
	case errors.As(err, &exit):
		row.Exit = exit.ExitCode()
	case err != nil:
		return row, fmt.Errorf("%s: %w: %s", tool.Name, err, stderr)
	}
	row.judge(tool, truth, tool.Read(stdout, target))
	return row, nil
}
