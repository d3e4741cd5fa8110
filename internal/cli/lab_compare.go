package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	comparison "pathmtu/internal/netlab/compare"
)

// compareOptions are the flags of "pmtu lab compare".
type compareOptions struct {
	quick, asJSON, asCSV bool
	seed                 uint64
	seeds                int
	out, source          string
}

// mostCompareSeeds bounds --seeds: a hundred take about half an hour.
const mostCompareSeeds = 100

func newLabCompareCommand() *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Compare ways of path MTU discovery",
		Long: `Compare runs classic PMTUD (RFC 8201), DPLPMTUD (RFC 8899), the Minimum Path MTU option
(HBH, RFC 9268), packet truncation, and combinations of them, over one set of networks of
four routers: path MTUs of 9000, 4000 and 1500 bytes, Packet Too Big messages filtered,
options dropped, 0 to 100 % of the routers taking part, path MTUs that shrink and grow,
random loss. It is a simulation on virtual time with the real protocol code on real
packets: it needs no privileges, and the same seed gives the same numbers.

It prints the conclusions and a table of medians, and writes them, every trial, plots and
a manifest into a folder. It also measures what each proposal costs on this machine:
lines of code (if the source is at hand), bytes for each flow, time for each packet.
It fails when a conclusion is not borne out.`,
		Example: "  pmtu lab compare --quick --out -\n  pmtu lab compare --seeds 9 --seed 42",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runCompare(cmd, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.quick, "quick", false, "fewer scenarios, three seeds: well under a minute")
	f.Uint64Var(&o.seed, "seed", 1, "first seed")
	f.IntVar(&o.seeds, "seeds", 0, "seeds for each scenario; 0: 9, or 3 with --quick")
	f.StringVar(&o.out, "out", "", "folder for table, CSV, JSON, plots and manifest; default results/DATE-compare; -: none")
	f.StringVar(&o.source, "source", ".", "folder of this program's source, to count lines in")
	f.BoolVar(&o.asJSON, "json", false, "print the report as one JSON object")
	f.BoolVar(&o.asCSV, "csv", false, "print the medians as CSV")
	return cmd
}

func runCompare(cmd *cobra.Command, o compareOptions) error {
	switch {
	case o.seeds < 0 || o.seeds > mostCompareSeeds:
		return usagef("--seeds %d: want 1 to %d, or 0", o.seeds, mostCompareSeeds)
	case o.asJSON && o.asCSV:
		return usagef("--json and --csv: want one of them")
	case o.seeds == 0 && o.quick:
		o.seeds = 3
	case o.seeds == 0:
		o.seeds = 9
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	trials, err := compareTrials(ctx, cmd, o)
	if err != nil {
		return err
	}
	rows := comparison.Summarise(trials)
	r := comparison.Report{Rows: rows, Conclusions: comparison.Conclude(rows)}
	if r.Costs, err = comparison.Costs(sourceFolder(o.source)); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case o.asJSON:
		err = comparison.WriteJSON(out, r)
	case o.asCSV:
		err = comparison.WriteSummaryCSV(out, rows)
	default:
		err = errors.Join(comparison.WriteConclusions(out, r.Conclusions), comparison.WriteTable(out, rows), comparison.WriteCosts(out, r.Costs))
	}
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("results", began.UTC().Format(time.DateOnly)+"-compare")
	}
	if o.out != "-" {
		m := comparison.Manifest{
			Command: append([]string{"pmtu"}, os.Args[1:]...), Time: began.UTC().Format(time.RFC3339), Seed: o.seed, Seeds: o.seeds, Quick: o.quick,
			Routers: comparison.Routers, Version: toolVersion(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
			CPUs: runtime.NumCPU(), Elapsed: time.Since(began).Round(100 * time.Millisecond).Seconds(), Trials: len(trials),
		}
		m.Commit, m.Changed = builtFrom(ctx, sourceFolder(o.source))
		if err := comparison.Write(o.out, trials, r, m); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%d trials in %v, written to %s\n", len(trials), time.Since(began).Round(100*time.Millisecond), o.out)
	}
	failed := 0
	for _, c := range r.Conclusions {
		if !c.Holds {
			failed++
		}
	}
	if failed > 0 {
		return &labError{exitNotMeasured, fmt.Errorf("%d of %d conclusions are not borne out", failed, len(r.Conclusions))}
	}
	return nil
}

func compareTrials(ctx context.Context, cmd *cobra.Command, o compareOptions) ([]comparison.Trial, error) {
	c := comparison.Config{Quick: o.quick, Seed: o.seed, Seeds: o.seeds}
	bar := newProgress(cmd.ErrOrStderr(), "measuring", c.Count())
	c.Done = bar.add
	trials, err := comparison.RunAll(ctx, c)
	bar.close()
	return trials, err
}

// sourceFolder returns the folder if it is this module's source, "" otherwise.
func sourceFolder(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(text), "module pathmtu\n") {
		return ""
	}
	return dir
}

// builtFrom is the commit that the program was built from, and whether files had
// been changed since; if it doesn't know, that of the source. "": nobody knows.
func builtFrom(ctx context.Context, source string) (commit string, changed bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			changed = s.Value == "true"
		}
	}
	if commit != "" || source == "" {
		return commit, changed
	}
	out, err := exec.CommandContext(ctx, "git", "-C", source, "rev-parse", "HEAD").Output()
	if err != nil {
		return "", false
	}
	status, err := exec.CommandContext(ctx, "git", "-C", source, "status", "--porcelain", "--", "*.go", "go.mod").Output()
	return strings.TrimSpace(string(out)), err != nil || len(status) > 0
}
