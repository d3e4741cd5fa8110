package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pathmtu/results"
	"pathmtu/results/analysis"
	"pathmtu/results/report"
	"pathmtu/results/store"
)

// reportOptions are the flags of "pmtu report".
type reportOptions struct {
	json      bool
	html      string
	title     string
	plots     string
	prior     string
	merge     string
	family    int
	rows      int
	byVantage bool
	skipBad   bool
}

const (
	mostRows     = 1000
	mostReported = 10 // bad records that are named
)

func newReportCommand() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report [FILE...]",
		Short: "Tables and plots of results; merge files; write a prior",
		Long: `Report reads records (JSON Lines, CSV, Parquet or PTO observations, also compressed with
gzip or zstd, whatever the files' names; "-" or none: standard input) and sums them up:
how path MTUs are distributed, by family, method and autonomous system; verdicts; the
honesty of Packet Too Big messages; loss against size; packets and bytes for each target.

Each target counts once: of several records the latest counts that wasn't interrupted.
--merge keeps those in one file, in the order of targets, in the format that its name
asks for: ` + store.Extensions + `.
PTO observations say less than a record, and nothing of targets without an address.

--prior writes how frequent which path MTU is, for plpmtud.ParsePrior. Path MTUs that are
a limit of the host or of what was tried are left out, and some weight is left to sizes
that were not seen; the file says how much.`,
		Example: "  pmtu report survey.jsonl\n  pmtu report --html report.html --plots plots/ shard-*.jsonl.zst\n" +
			"  pmtu report --merge all.parquet --prior prior.txt shard-*.jsonl\n  pmtu probe --json example.net | pmtu report --json",
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if len(files) == 0 {
				if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
					return usagef("no file, and standard input is a terminal")
				}
				files = []string{store.Stdin}
			}
			return runReport(cmd, o, files)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "the summary as one JSON object on standard output")
	f.StringVar(&o.html, "html", "", "file to write the report to, as one page that needs nothing else")
	f.StringVar(&o.title, "title", "Path MTU report", "title of the page")
	f.StringVar(&o.plots, "plots", "", "folder to write the plots to, each as SVG and PNG")
	f.StringVar(&o.prior, "prior", "", "file to write a prior to, for plpmtud")
	f.StringVar(&o.merge, "merge", "", "file to write one record for each target to")
	f.IntVar(&o.family, "family", 0, "only this address family, 4 or 6 (0: both)")
	f.IntVar(&o.rows, "rows", 12, "rows of tables and plots of the most frequent, 1 to 1000")
	f.BoolVar(&o.byVantage, "by-vantage", false, "the same target from another vantage point is another target; also show where they differ")
	f.BoolVar(&o.skipBad, "skip-bad", false, "go on after a record that is bad; the exit code is 1 nevertheless")
	return cmd
}

// check refuses values that are out of range, naming them.
func (o *reportOptions) check() error {
	if o.family != 0 && o.family != 4 && o.family != 6 {
		return usagef("--family %d: want 4, 6, or 0 for both", o.family)
	}
	if o.rows < 1 || o.rows > mostRows {
		return usagef("--rows %d: want 1 to %d", o.rows, mostRows)
	}
	if o.merge != "" {
		if _, err := store.FormatOf(o.merge); err != nil {
			return usagef("--merge %w", err)
		}
	}
	return nil
}

// tally is what reading the files came to, beside the summary.
type tally struct {
	store.MergeStats
	Files   int   `json:"files"`
	Bad     int64 `json:"bad"`     // records that couldn't be read, and don't count
	Skipped int64 `json:"skipped"` // records of the other address family
	Newer   int64 `json:"newer_schema"`
	newerAt string
}

func runReport(cmd *cobra.Command, o reportOptions, files []string) (err error) {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	m := &store.Merger{ByVantage: o.byVantage}
	defer func() { err = errors.Join(err, m.Close()) }()
	t := tally{Files: len(files)}
	bar := newProgress(cmd.ErrOrStderr(), "reading", len(files))
	for _, name := range files {
		if err := readFile(ctx, cmd, o, name, m, &t, bar); err != nil {
			bar.close()
			return err
		}
	}
	bar.close()
	if t.Newer > 0 && o.merge != "" {
		return fmt.Errorf("%s, newer than %d: --merge would lose what it added", t.newerAt, results.Schema)
	}
	c := analysis.Collector{ByVantage: o.byVantage}
	if err := eachTarget(ctx, o, m, &c); err != nil {
		return err
	}
	t.MergeStats = m.Stats()
	s := c.Summary(o.rows)
	if err := writeReports(o, &c, s, &t, files); err != nil {
		return err
	}
	if err := printReport(cmd.OutOrStdout(), o, s, &t); err != nil {
		return err
	}
	for _, n := range t.notes() {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), n)
	}
	if t.Bad > 0 {
		return badRecords(t.Bad)
	}
	return nil
}

// badRecords says that some records were left out.
type badRecords int64

func (b badRecords) Error() string { return fmt.Sprintf("%d bad records were left out", int64(b)) }

// ExitCode returns the code for something not measured.
func (badRecords) ExitCode() int { return exitNotMeasured }

// readFile adds a file's records to the merger.
func readFile(ctx context.Context, cmd *cobra.Command, o reportOptions, name string, m *store.Merger, t *tally, bar progress) (err error) {
	f, err := store.Open(name, cmd.InOrStdin())
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if ctx.Err() != nil {
				return errors.New(results.Interrupted)
			}
			bar.describe(fmt.Sprintf("reading, %d records", n))
		}
		r, err := f.Read()
		switch {
		case err == io.EOF:
			bar.add()
			return nil
		case err != nil && o.skipBad && store.OfOneRecord(err):
			if t.Bad++; t.Bad <= mostReported {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: left out: %v\n", cmd.CommandPath(), err)
			}
			continue
		case err != nil:
			return err
		case o.family != 0 && r.Family != o.family:
			t.Skipped++
			continue
		}
		if r.Schema > results.Schema {
			if t.Newer++; t.newerAt == "" {
				t.newerAt = fmt.Sprintf("%s: record of %q: schema is %d", f.Name(), r.Target, r.Schema)
			}
		}
		if err := m.Add(r); err != nil {
			return err
		}
	}
}

// eachTarget sums up the merged records, and writes them where that is asked for.
func eachTarget(ctx context.Context, o reportOptions, m *store.Merger, c *analysis.Collector) error {
	collect := func(w *store.Writer) error {
		n := 0
		return m.Each(func(r *results.Record) error {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return errors.New(results.Interrupted)
			}
			c.Add(r)
			if w == nil {
				return nil
			}
			return w.Write(r)
		})
	}
	if o.merge == "" {
		return collect(nil)
	}
	return store.Create(o.merge, collect)
}

// notes says for people what is not in the tables.
func (t *tally) notes() []string {
	var notes []string
	if dup := t.Identical + t.Superseded; dup > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d records are not counted: %d are there twice, %d are superseded by a later or complete one", dup, t.Records, t.Identical, t.Superseded))
	}
	if t.NotFinal > 0 {
		notes = append(notes, fmt.Sprintf("%d targets have no complete record: their measurement was interrupted", t.NotFinal))
	}
	if t.Skipped > 0 {
		notes = append(notes, fmt.Sprintf("%d records of another address family are not counted", t.Skipped))
	}
	if t.Newer > 0 {
		notes = append(notes, fmt.Sprintf("%d records have a newer schema than %d: what it added is not shown", t.Newer, results.Schema))
	}
	return notes
}

func printReport(w io.Writer, o reportOptions, s *analysis.Summary, t *tally) error {
	if !o.json {
		return report.Text(w, s, o.rows)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Input   *tally            `json:"input"`
		Summary *analysis.Summary `json:"summary"`
	}{t, s})
}
