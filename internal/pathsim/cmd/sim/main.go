// Command sim measures the searches and black-hole detectors of other
// implementations, and those of package plpmtud, on simulated paths. It prints
// tables, and records them with a manifest in a folder. The same seed gives the
// same tables.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"pathmtu/internal/pathsim/compare"
)

func main() {
	quick := flag.Bool("quick", false, "a small run, for a look")
	seed := flag.Uint64("seed", 1, "of all that is random")
	out := flag.String("out", "", "folder to record the run in (default results/DATE-sim; \"-\": nowhere)")
	prior := flag.String("prior", "", "file with a measured prior, to evaluate the searches under it too")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "sim: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	scale := compare.Full
	if *quick {
		scale = compare.Quick
	}
	scale.Seed = *seed
	now := time.Now()
	if *out == "" {
		*out = filepath.Join("results", now.Format(time.DateOnly)+"-sim")
	}
	if err := run(scale, *quick, *out, *prior, now); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

func run(scale compare.Scale, quick bool, out, prior string, now time.Time) error {
	tables, err := compute(scale, prior)
	if err != nil {
		return err
	}
	if err := writeText(os.Stdout, tables); err != nil {
		return err
	}
	if out == "-" {
		return nil
	}
	if err := record(out, tables, newManifest(scale, quick, now)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "recorded in", out)
	return nil
}

func compute(scale compare.Scale, measured string) ([]*compare.Table, error) {
	priors, err := compare.Priors("A", "B", "C")
	if err != nil {
		return nil, err
	}
	if measured != "" {
		p, err := compare.ReadPrior("own", measured)
		if err != nil {
			return nil, err
		}
		priors = append(priors, p)
	}
	jumbo, err := compare.Priors("D")
	if err != nil {
		return nil, err
	}
	var tables []*compare.Table
	for _, step := range []struct {
		name string
		run  func() []*compare.Table
	}{
		{"path MTUs", compare.Paths},
		{"expected times", func() []*compare.Table { return compare.Expected(priors) }},
		{"rivals", func() []*compare.Table { return compare.RivalTables(compare.Rivals(priors, compare.LossCosts)) }},
		{"jumbo", func() []*compare.Table { return []*compare.Table{compare.Jumbo(jumbo[0])} }},
		{"too big", func() []*compare.Table { return []*compare.Table{compare.TooBig(priors, scale)} }},
		{"random loss", func() []*compare.Table { return []*compare.Table{compare.RandomLoss(scale)} }},
		{"false verdicts", func() []*compare.Table { return []*compare.Table{compare.FalseVerdicts(scale)} }},
		{"detection delay", func() []*compare.Table { return []*compare.Table{compare.Delays(scale)} }},
	} {
		begin := time.Now()
		tables = append(tables, step.run()...)
		fmt.Fprintf(os.Stderr, "%-16s %v\n", step.name, time.Since(begin).Round(time.Millisecond))
	}
	return tables, nil
}

func writeText(w io.Writer, tables []*compare.Table) error {
	for _, t := range tables {
		if t.ForPrograms {
			continue
		}
		if err := t.WriteText(w); err != nil {
			return err
		}
	}
	return nil
}
