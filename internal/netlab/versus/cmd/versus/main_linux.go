// Program versus measures the same networks with pmtu, scamper, tracepath and
// nmap, and prints how often each is right, how many packets it sends, and how
// long it takes. Every network is a set of namespaces that it makes; no packet
// leaves them. It needs root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/netlab/versus"
)

type options struct {
	out, program, paths, tools string
	jobs, runs                 int
	most                       time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "", "folder for the results; empty: print only")
	flag.StringVar(&o.program, "program", "", "pmtu to run; empty: build it")
	flag.StringVar(&o.paths, "paths", "", "only the paths and groups whose name contains this")
	flag.StringVar(&o.tools, "tools", "", "only the tools whose name contains this")
	flag.IntVar(&o.jobs, "jobs", 4, "networks that stand at the same time")
	flag.IntVar(&o.runs, "runs", 0, "runs of each tool on each path; 0: as planned")
	flag.DurationVar(&o.most, "timeout", time.Hour, "for all of it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.most)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "versus:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if !netlab.Capable() {
		return errors.New("needs CAP_NET_ADMIN and CAP_SYS_ADMIN, for network namespaces")
	}
	if o.jobs < 1 || o.runs < 0 {
		return fmt.Errorf("-jobs %d, -runs %d: want 1 or more, and 0 or more", o.jobs, o.runs)
	}
	if o.program == "" {
		dir, err := os.MkdirTemp("", "versus")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if o.program, err = build(ctx, dir); err != nil {
			return err
		}
	}
	c := versus.Config{Jobs: o.jobs, Runs: o.runs}
	for _, t := range versus.Tools(o.program) {
		if strings.Contains(t.Name, o.tools) {
			c.Tools = append(c.Tools, t)
		}
	}
	for _, p := range versus.Paths() {
		if strings.Contains(p.Name(), o.paths) || strings.Contains(p.Group, o.paths) {
			c.Paths = append(c.Paths, p)
		}
	}
	if len(c.Tools) == 0 || len(c.Paths) == 0 {
		return fmt.Errorf("-tools %q, -paths %q: no such tool or path", o.tools, o.paths)
	}
	n, all := 0, c.Count()
	c.Done = func(r versus.Row) {
		n++
		fmt.Fprintf(os.Stderr, "%d/%d %s, IPv%d, %s: %s, %d packets, %.2f s\n", n, all, r.Path, r.Family, r.Tool, r.Said, r.Packets, r.Seconds)
	}
	m := versus.NewManifest(append([]string{"versus"}, os.Args[1:]...), c.Tools, o.jobs)
	began := time.Now()
	before, err := labtest.BacklogDrops()
	if err != nil {
		return err
	}
	rows, err := versus.Run(ctx, c)
	if err != nil {
		return err
	}
	after, err := labtest.BacklogDrops()
	if err != nil {
		return err
	}
	m.Seconds, m.Backlog = time.Since(began).Seconds(), after-before
	if err := versus.WriteTable(os.Stdout, rows, c.Tools); err != nil || o.out == "" {
		return err
	}
	return versus.Record(o.out, rows, c.Tools, m)
}

// build builds pmtu as it is released.
func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "pmtu")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "pathmtu/cmd/pmtu")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build pmtu: %w\n%s", err, out)
	}
	return program, nil
}
