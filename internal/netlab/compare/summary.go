package compare

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Row is the median of all seeds.
type Row struct {
	Scenario  string  `json:"scenario"`
	Group     string  `json:"group"`
	Mechanism string  `json:"mechanism"`
	Seeds     int     `json:"seeds"`
	Converged float64 `json:"converged"` // share of the seeds
	Exact     float64 `json:"exact"`     // share that ended within one byte below the path MTU
	// Seconds and Packets are medians of those that converged; -1: none did.
	Seconds float64 `json:"seconds"`
	Packets float64 `json:"packets"`
	Worst   float64 `json:"worst_seconds"`
	// Medians of all seeds.
	Truth      float64 `json:"path_mtu"`
	Final      float64 `json:"final"`
	LostBytes  float64 `json:"lost_bytes"`
	Oversized  float64 `json:"oversized"`
	FalseSizes float64 `json:"false_sizes"`
	Probes     float64 `json:"probes"`
	Options    float64 `json:"options"`
	Trials     float64 `json:"trials"`
	ICMP       float64 `json:"icmp"`
	Messages   float64 `json:"messages"`
}

// Summarise makes one row for each mechanism in each scenario, in the order in
// which they were run.
func Summarise(trials []Trial) []Row {
	var rows []Row
	for len(trials) > 0 {
		n := 1
		for n < len(trials) && trials[n].Scenario == trials[0].Scenario && trials[n].Mechanism == trials[0].Mechanism {
			n++
		}
		rows = append(rows, row(trials[:n]))
		trials = trials[n:]
	}
	return rows
}

func row(ts []Trial) Row {
	r := Row{Scenario: ts[0].Scenario, Group: ts[0].Group, Mechanism: ts[0].Mechanism, Seeds: len(ts), Seconds: -1, Packets: -1, Worst: -1}
	var done []Trial
	exact := 0
	for _, t := range ts {
		if t.Final <= t.Truth && t.Truth-t.Final <= 1 {
			exact++
		}
		if t.Converged {
			done = append(done, t)
		}
	}
	r.Converged = float64(len(done)) / float64(len(ts))
	r.Exact = float64(exact) / float64(len(ts))
	if len(done) > 0 {
		r.Seconds = median(done, func(t Trial) float64 { return t.Seconds })
		r.Packets = median(done, func(t Trial) float64 { return float64(t.Packets) })
		for _, t := range done {
			r.Worst = max(r.Worst, t.Seconds)
		}
	}
	for _, f := range []struct {
		to  *float64
		get func(Trial) int
	}{
		{&r.Truth, func(t Trial) int { return t.Truth }}, {&r.Final, func(t Trial) int { return t.Final }},
		{&r.LostBytes, func(t Trial) int { return t.LostBytes }}, {&r.Oversized, func(t Trial) int { return t.Oversized }},
		{&r.FalseSizes, func(t Trial) int { return t.FalseSizes }}, {&r.Probes, func(t Trial) int { return t.Probes }},
		{&r.Options, func(t Trial) int { return t.Options }}, {&r.Trials, func(t Trial) int { return t.Trials }},
		{&r.ICMP, func(t Trial) int { return t.ICMP }}, {&r.Messages, Trial.Messages},
	} {
		*f.to = median(ts, func(t Trial) float64 { return float64(f.get(t)) })
	}
	return r
}

func median(ts []Trial, get func(Trial) float64) float64 {
	v := make([]float64, len(ts))
	for i, t := range ts {
		v[i] = get(t)
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func percent(share float64) string { return fmt.Sprintf("%g %%", share*100) }

// WriteTable writes the rows for people.
func WriteTable(w io.Writer, rows []Row) error {
	var group, scenario string
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		if r.Group != group {
			if err := tw.Flush(); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "\n== %s\n", r.Group); err != nil {
				return err
			}
			group, scenario = r.Group, ""
		}
		if r.Scenario != scenario {
			if err := tw.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(w, "\n%s (path MTU %g)\n", r.Scenario, r.Truth)
			fmt.Fprintln(tw, "mechanism\tconverged\texact\ttime\tworst\tpackets\tfinal\tlost KB\toversized\tfalse\tprobes\toptions\ttrials\tICMP\t")
			scenario = r.Scenario
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%g\t%.1f\t%g\t%g\t%g\t%g\t%g\t%g\t\n", r.Mechanism, fmt.Sprintf("%.3g %%", 100*r.Converged), fmt.Sprintf("%.3g %%", 100*r.Exact),
			seconds(r.Seconds), seconds(r.Worst), count(r.Packets), r.Final, r.LostBytes/1000, r.Oversized, r.FalseSizes, r.Probes, r.Options, r.Trials, r.ICMP)
	}
	return tw.Flush()
}

func seconds(s float64) string {
	switch {
	case s < 0:
		return "never"
	case s < 10:
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}

func count(n float64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprintf("%g", n)
}
