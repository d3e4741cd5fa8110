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

// Outcome is how what a tool says compares with the truth.
type Outcome string

// Outcomes.
const (
	Exact Outcome = "exact"
	Range Outcome = "range" // a range that holds the truth
	Wrong Outcome = "wrong"
	None  Outcome = "none" // it says nothing
)

// Row is one run of a tool on a path.
type Row struct {
	Tool   string  `json:"tool"`
	Group  string  `json:"group"`
	Path   string  `json:"path"`
	Family int     `json:"family"`
	Seed   int     `json:"seed"`
	Truth  int     `json:"truth"`
	Router string  `json:"router,omitempty"` // before the narrowest link
	MTU    int     `json:"mtu,omitempty"`    // as the tool says, and so on
	Low    int     `json:"low,omitempty"`
	High   int     `json:"high,omitempty"`
	Said   Outcome `json:"outcome"`
	// Place is exact, wrong or none: whether the tool named the router; "": it
	// doesn't mean to, or there is none.
	Place    Outcome `json:"place,omitempty"`
	Named    string  `json:"named,omitempty"`
	Packets  int     `json:"packets"` // sent to the target
	Bytes    int     `json:"bytes"`   // of these IP packets
	Seconds  float64 `json:"seconds"`
	Exit     int     `json:"exit"`
	TimedOut bool    `json:"timed_out,omitempty"`
	Missed   int     `json:"missed,omitempty"` // packets that the counter missed
}

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

// judge compares a reading with the truth.
func (row *Row) judge(tool Tool, truth Truth, r Reading) {
	row.MTU, row.Low, row.High, row.Named = r.MTU, r.Low, r.High, r.Router
	switch {
	case r.MTU == truth.MTU:
		row.Said = Exact
	case r.MTU != 0:
		row.Said = Wrong
	case r.High == 0:
		row.Said = None
	case r.Low <= truth.MTU && truth.MTU < r.High:
		row.Said = Range
	default:
		row.Said = Wrong
	}
	switch {
	case !tool.Places || truth.Router == "":
	case r.Router == truth.Router:
		row.Place = Exact
	case r.Router == "" || r.MTU == 0:
		row.Place = None
	default:
		row.Place = Wrong
	}
}
