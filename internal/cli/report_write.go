package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/results/analysis"
	"pathmtu/results/report"
	"pathmtu/results/store"
)

// writeReports writes the files that were asked for beside the merged records.
func writeReports(o reportOptions, c *analysis.Collector, s *analysis.Summary, t *tally, files []string) error {
	if o.prior != "" {
		if err := store.Replace(o.prior, func(w io.Writer) error { return writePrior(w, c, s, files) }); err != nil {
			return fmt.Errorf("--prior %s: %w", o.prior, err)
		}
	}
	if o.html != "" {
		err := store.Replace(o.html, func(w io.Writer) error { return report.HTML(w, s, o.title, t.notes(), o.rows) })
		if err != nil {
			return fmt.Errorf("--html %s: %w", o.html, err)
		}
	}
	if o.plots != "" {
		if err := writePlots(o.plots, s, o.rows); err != nil {
			return fmt.Errorf("--plots %s: %w", o.plots, err)
		}
	}
	return nil
}

func writePlots(dir string, s *analysis.Summary, rows int) error {
	figures, err := report.Figures(s, rows)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range figures {
		name := filepath.Join(dir, f.Name)
		if err := store.Replace(name+".svg", f.SVG); err != nil {
			return err
		}
		if err := store.Replace(name+".png", f.PNG); err != nil {
			return err
		}
	}
	return nil
}

// writePrior writes the prior that the records speak for. Its comments say where
// it comes from.
func writePrior(w io.Writer, c *analysis.Collector, s *analysis.Summary, files []string) error {
	weights, err := c.Prior()
	if err != nil {
		return err
	}
	var points []plpmtud.PriorPoint
	var ranges []plpmtud.PriorRange
	for _, p := range weights.Points {
		points = append(points, plpmtud.PriorPoint{Size: p.Size, Weight: p.Weight})
	}
	for _, r := range weights.Ranges {
		ranges = append(ranges, plpmtud.PriorRange{Lo: r.Size, Hi: r.To, Weight: r.Weight})
	}
	prior, err := plpmtud.NewPrior(points, ranges)
	if err != nil {
		return err
	}
	for _, line := range []string{
		fmt.Sprintf("Measured: %d path MTUs of %d targets, from %s to %s.", weights.Used, s.Targets, s.First.UTC().Format(time.DateOnly), s.Last.UTC().Format(time.DateOnly)),
		fmt.Sprintf("Left out: %d that are a limit of a host or of what was tried.", weights.Confirmed-weights.Used),
		fmt.Sprintf("Sizes that were not seen have %.3g of the weight, spread evenly.", weights.Unseen),
		fmt.Sprintf("Read by %s, from %d files.", toolVersion(), len(files)),
	} {
		if _, err := io.WriteString(w, comment(line)); err != nil {
			return err
		}
	}
	_, err = prior.WriteTo(w)
	return err
}

// comment makes a line of a prior's file, of at most its longest.
func comment(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return "# " + text[:min(len(text), most)] + "\n"
}
