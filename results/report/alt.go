package report

import (
	"fmt"

	"pathmtu/results/analysis"
)

// Alternative texts say in words what a figure shows.

func coverageAlt(curves []curve) string {
	var parts []string
	for _, c := range curves {
		d := c.dist
		text := fmt.Sprintf("%s, %d paths:", c.name, d.N)
		for _, size := range []int{1280, 1400, 1492, 1500, 9000} {
			if k := d.AtLeast(size); k > 0 {
				text += fmt.Sprintf(" %s carry %d bytes,", percent(k, d.N), size)
			}
		}
		parts = append(parts, text[:len(text)-1])
	}
	return sentence("Falling step curves of the share of paths over packet size. ", parts)
}

func sizesAlt(s *analysis.Summary, rows int) string {
	d := s.PMTU()
	var parts []string
	for _, b := range d.Top(min(rows, 5)) {
		parts = append(parts, fmt.Sprintf("%d bytes %s", b.Size, percent(b.Count, d.N)))
	}
	return sentence("Shares of the most frequent path MTUs, on a logarithmic scale. All families: ", parts)
}

func systemsAlt(s *analysis.Summary) string {
	var parts []string
	for _, a := range s.Systems[:min(5, len(s.Systems))] {
		parts = append(parts, fmt.Sprintf("AS%d %s of %d paths carry 1500 bytes", a.AS, percent(a.PMTU.AtLeast(1500), a.PMTU.N), a.PMTU.N))
	}
	return sentence("Stacked bars of path MTU classes by autonomous system. ", parts)
}

func verdictsAlt(s *analysis.Summary) string {
	var parts []string
	for _, v := range s.Verdicts {
		parts = append(parts, fmt.Sprintf("%s %s", verdictName(v.Verdict), percent(v.Count(), s.Targets)))
	}
	return sentence("Bars of verdicts by family. All targets: ", parts)
}

func gradesAlt(s *analysis.Summary) string {
	var n int64
	for _, g := range s.Grades {
		n += g.Kinds
	}
	var parts []string
	for _, g := range s.Grades {
		parts = append(parts, fmt.Sprintf("%s %s", g.Grade, percent(g.Kinds, n)))
	}
	return sentence("Bars of the grades of Packet Too Big messages: ", parts)
}

func lossAlt(bins []analysis.LossBin) string {
	var sent, lost int64
	least, most := bins[0], bins[0]
	for _, b := range bins {
		sent += b.Sent
		lost += b.Lost
		if share(b.Lost, b.Sent) < share(least.Lost, least.Sent) {
			least = b
		}
		if share(b.Lost, b.Sent) > share(most.Lost, most.Sent) {
			most = b
		}
	}
	return sentence("Points with error bars of the share of packets lost over packet size: ", []string{
		fmt.Sprintf("%s of %d packets in all", percent(lost, sent), sent),
		fmt.Sprintf("least %s up to %d bytes", percent(least.Lost, least.Sent), least.To),
		fmt.Sprintf("most %s up to %d bytes", percent(most.Lost, most.Sent), most.To),
	})
}

func costAlt(s *analysis.Summary, what string) string {
	var parts []string
	for _, f := range s.Families {
		c := f.Probes
		if what == "bytes" {
			c = f.Bytes
		}
		if c.N > 0 {
			parts = append(parts, fmt.Sprintf("%s mean %.1f, median %d, 90 %% at most %d, largest %d", familyName(f.Family), c.Mean, c.P50, c.P90, c.Max))
		}
	}
	return sentence("Rising step curves of the share of targets over "+what+" sent. ", parts)
}
