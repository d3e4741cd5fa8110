package versus

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteTable writes what all tools did, and our tools beside the others, for
// people.
func WriteTable(w io.Writer, rows []Row, tools []Tool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	group := "none yet"
	for _, s := range Summarise(rows) {
		if s.Group != group {
			group = s.Group
			title := group
			if title == "" {
				title = "all"
			}
			fmt.Fprintf(tw, "%s\truns\texact\trange\twrong\tnone\tplace exact\twrong\tnone\tpackets\tbytes\ttime\tall packets\tall time\n", title)
		}
		fmt.Fprintf(tw, "  %s\t%d\t%d\t%d\t%d\t%d\t%s\t%g\t%.0f\t%s\t%.0f\t%s\n",
			s.Tool, s.Runs, s.Exact, s.Range, s.Wrong, s.None, s.places(), s.MedianPackets, s.MedianBytes, duration(s.MedianMS), s.Packets, duration(1000*s.Seconds))
	}
	fmt.Fprintln(tw)
	fmt.Fprintln(tw, "where both are right\tpaths\tours right\ttheirs\tboth\tfewer packets\tsame\tmore\tpackets, sum\ttheirs\tquicker\ttime, median\ttheirs\ttime, sum\ttheirs")
	for _, d := range Duels(rows, tools) {
		fmt.Fprintf(tw, "  %s / %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%g\t%g\t%d\t%s\t%s\t%s\t%s\n",
			d.Ours, d.Theirs, d.Paths, d.OursRight, d.TheirsRight, d.Both, d.Fewer, d.Same, d.More, d.OurPackets, d.TheirPackets, d.Quicker,
			duration(d.OurMS), duration(d.TheirMS), duration(1000*d.OurSeconds), duration(1000*d.TheirSeconds))
	}
	return tw.Flush()
}

// Duels are those of each of our tools with each of the others.
func Duels(rows []Row, tools []Tool) (out []Duel) {
	for _, a := range tools {
		for _, b := range tools {
			if a.Ours && !b.Ours {
				out = append(out, Compare(rows, a.Name, b.Name))
			}
		}
	}
	return out
}

func (s Summary) places() string {
	if s.Named+s.Misnamed+s.Unnamed == 0 {
		return "-\t-\t-"
	}
	return fmt.Sprintf("%d\t%d\t%d", s.Named, s.Misnamed, s.Unnamed)
}

func duration(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f ms", ms)
}
