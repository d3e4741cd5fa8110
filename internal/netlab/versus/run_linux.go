package versus

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sync/errgroup"
)

// Config says what Run does.
type Config struct {
	Tools []Tool
	Paths []Path // nil: Paths()
	Jobs  int    // networks that stand at the same time; 0: 4
	// Runs overrides how often each tool is run on each path; 0: as the path says.
	Runs int
	// Done, if set, is called with each row, in no order, never concurrently.
	Done func(Row)
}

// task is one run.
type task struct {
	path   Path
	tool   Tool
	family int
	seed   int
}

func (c Config) tasks() (all []task) {
	for _, p := range c.Paths {
		runs := p.Runs
		if c.Runs != 0 {
			runs = c.Runs
		}
		for _, family := range []int{4, 6} {
			for _, tool := range c.Tools {
				if tool.Only4 && family != 4 {
					continue
				}
				for seed := range runs {
					all = append(all, task{p, tool, family, seed + 1})
				}
			}
		}
	}
	return all
}

// Count returns how many rows Run makes.
func (c Config) Count() int { return len(c.defaults().tasks()) }

func (c Config) defaults() Config {
	if c.Paths == nil {
		c.Paths = Paths()
	}
	if c.Jobs == 0 {
		c.Jobs = 4
	}
	return c
}

// Run runs every tool on every path in both families, and returns the rows in
// the order of the plan.
func Run(ctx context.Context, c Config) ([]Row, error) {
	c = c.defaults()
	for _, t := range c.Tools {
		if _, err := exec.LookPath(t.Needs); err != nil {
			return nil, fmt.Errorf("versus: %s: %w", t.Name, err)
		}
	}
	// scamper makes this folder if there is none, and gives up if another one just did.
	if err := os.MkdirAll("/var/empty", 0o755); err != nil {
		return nil, err
	}
	tasks := c.tasks()
	rows := make([]Row, len(tasks))
	done := make(chan Row)
	told := make(chan struct{})
	go func() {
		defer close(told)
		for r := range done {
			if c.Done != nil {
				c.Done(r)
			}
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Jobs)
	for i, t := range tasks {
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if rows[i], err = Measure(ctx, t.path, t.tool, t.family, t.seed); err == nil {
				done <- rows[i]
			}
			return err
		})
	}
	err := g.Wait()
	close(done)
	<-told
	return rows, err
}
