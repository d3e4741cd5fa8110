package compare

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// Manifest says how a run came about, so that it can be repeated.
type Manifest struct {
	Command  []string `json:"command"`
	Time     string   `json:"time"`
	Seed     uint64   `json:"seed"`
	Seeds    int      `json:"seeds"`
	Quick    bool     `json:"quick"`
	Routers  int      `json:"routers"`
	Version  string   `json:"version"`
	Commit   string   `json:"commit"` // "" if the program doesn't know
	Changed  bool     `json:"changed"`
	Go       string   `json:"go"`
	System   string   `json:"system"`
	CPUs     int      `json:"cpus"`
	Elapsed  float64  `json:"elapsed_seconds"`
	Trials   int      `json:"trials"`
	Files    []string `json:"files"`
	Holding  int      `json:"conclusions_that_hold"`
	Checking int      `json:"conclusions"`
}

// Report is all that a run has to say.
type Report struct {
	Rows        []Row        `json:"rows"`
	Conclusions []Conclusion `json:"conclusions"`
	Costs       []Cost       `json:"costs,omitempty"`
}

// Write writes the files of a run into a folder, which is made, and the manifest
// last.
func Write(dir string, trials []Trial, r Report, m Manifest) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	create := func(name string, write func(io.Writer) error) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		m.Files = append(m.Files, name)
		return errors.Join(write(f), f.Close())
	}
	err := errors.Join(
		create("table.txt", func(w io.Writer) error {
			return errors.Join(WriteConclusions(w, r.Conclusions), WriteTable(w, r.Rows), WriteCosts(w, r.Costs))
		}),
		create("summary.csv", func(w io.Writer) error { return WriteSummaryCSV(w, r.Rows) }),
		create("trials.csv", func(w io.Writer) error { return WriteTrialsCSV(w, trials) }),
		create("summary.json", func(w io.Writer) error { return WriteJSON(w, r) }),
	)
	if err != nil {
		return err
	}
	plots, err := WritePlots(dir, r.Rows)
	m.Files = append(m.Files, plots...)
	if err != nil {
		return err
	}
	m.Checking = len(r.Conclusions)
	for _, c := range r.Conclusions {
		if c.Holds {
			m.Holding++
		}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), append(b, '\n'), 0o644)
}

// WriteJSON writes the report as one JSON object.
func WriteJSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteSummaryCSV writes the medians.
func WriteSummaryCSV(w io.Writer, rows []Row) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"group", "scenario", "mechanism", "seeds", "converged", "exact", "seconds", "worst_seconds", "packets", "path_mtu", "final",
		"lost_bytes", "oversized", "false_sizes", "probes", "options", "trials", "icmp", "messages"})
	for _, r := range rows {
		line := []string{r.Group, r.Scenario, r.Mechanism, strconv.Itoa(r.Seeds)}
		for _, v := range []float64{r.Converged, r.Exact, r.Seconds, r.Worst, r.Packets, r.Truth, r.Final, r.LostBytes, r.Oversized, r.FalseSizes,
			r.Probes, r.Options, r.Trials, r.ICMP, r.Messages} {
			line = append(line, strconv.FormatFloat(v, 'g', 6, 64))
		}
		_ = c.Write(line)
	}
	c.Flush()
	return c.Error()
}

// WriteTrialsCSV writes each trial.
func WriteTrialsCSV(w io.Writer, trials []Trial) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"group", "scenario", "mechanism", "seed", "path_mtu", "final", "converged", "seconds", "packets",
		"lost_bytes", "lost_packets", "oversized", "false_sizes", "probes", "options", "trials", "icmp"})
	for _, t := range trials {
		line := []string{t.Group, t.Scenario, t.Mechanism, strconv.FormatUint(t.Seed, 10), strconv.Itoa(t.Truth), strconv.Itoa(t.Final),
			strconv.FormatBool(t.Converged), strconv.FormatFloat(t.Seconds, 'g', 6, 64)}
		for _, v := range []int{t.Packets, t.LostBytes, t.LostPackets, t.Oversized, t.FalseSizes, t.Probes, t.Options, t.Trials, t.ICMP} {
			line = append(line, strconv.Itoa(v))
		}
		_ = c.Write(line)
	}
	c.Flush()
	return c.Error()
}
