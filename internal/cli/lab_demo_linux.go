package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab/demo"
)

// mostLabJobs bounds --jobs: each path that stands has four measurements in
// progress.
const mostLabJobs = 64

func newLabDemoCommand() *cobra.Command {
	var (
		asJSON, only4, only6 bool
		methods              []string
		jobs                 int
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Measure paths whose MTU is known, and compare",
		Long: `Demo builds paths of known MTU (jumbo and ordinary edges; bottlenecks of 9000, 1500,
1492, 1420 and 1280 bytes; routers whose packet-too-big messages are delivered,
filtered or lying), measures each with "pmtu probe" in both families, and prints
what it found beside the truth. It fails when any measurement is wrong.`,
		Example: "  pmtu lab demo\n  pmtu lab demo -6 --method icmp --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := demo.Config{Program: "/proc/self/exe", Methods: methods, Jobs: jobs}
			switch {
			case only4 && only6, !only4 && !only6:
				c.Families = []int{4, 6}
			case only4:
				c.Families = []int{4}
			case only6:
				c.Families = []int{6}
			}
			if jobs < 1 || jobs > mostLabJobs {
				return usagef("--jobs %d: want 1 to %d", jobs, mostLabJobs)
			}
			for _, m := range methods {
				if m != "icmp" && m != "udp" {
					return usagef("--method %q: want icmp or udp", m)
				}
			}
			return withLab(cmd, func(ctx context.Context) error {
				return runDemo(ctx, c, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print one JSON object a line: the truth, the judgement and the probe's record")
	f.BoolVarP(&only4, "ipv4", "4", false, "IPv4 only")
	f.BoolVarP(&only6, "ipv6", "6", false, "IPv6 only")
	f.StringSliceVar(&methods, "method", []string{"icmp", "udp"}, "methods to measure with")
	f.IntVar(&jobs, "jobs", 4, "paths that stand at the same time")
	return cmd
}

// runDemo runs the plan; the table goes to stdout, what is for people to
// stderr.
func runDemo(ctx context.Context, c demo.Config, asJSON bool, stdout, stderr io.Writer) error {
	var printed error
	if !asJSON {
		printed = demo.Header(stdout)
	}
	bar := newProgress(stderr, "measuring", c.Count())
	measured := 0
	c.Done = func() { measured++; bar.add() }
	c.Row = func(r demo.Row) {
		bar.hide()
		write := r.Write
		if asJSON {
			write = func(w io.Writer) error { return json.NewEncoder(w).Encode(r) }
		}
		if err := write(stdout); err != nil && printed == nil {
			printed = err
		}
		bar.show()
	}
	start := time.Now()
	wrong, err := demo.Run(ctx, c)
	bar.close()
	if err == nil {
		err = printed
	}
	took := time.Since(start).Round(100 * time.Millisecond)
	switch {
	case err != nil:
		return fmt.Errorf("%d of %d measurements taken: %w", measured, c.Count(), err)
	case wrong > 0:
		return &labError{exitNotMeasured, fmt.Errorf("%d of %d measurements wrong", wrong, measured)}
	}
	fmt.Fprintf(stderr, "%d measurements, all exact, in %v\n", measured, took)
	return nil
}
