package demo

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const rowFormat = "%-16s %-6s %-10s %-6s %5s %8s  %-15s %-12s %6s %7s  %s\n"

// Header writes the heading of the table.
func Header(w io.Writer) error {
	_, err := fmt.Fprintf(w, rowFormat, "path", "family", "PTB", "method", "truth", "measured", "verdict", "PTB grade", "probes", "time", "result")
	return err
}

// Write writes the row as a line of the table.
func (r Row) Write(w io.Writer) error {
	measured, verdict, grades, probes := "-", "-", "-", "-"
	if rec := r.Record; rec != nil {
		if rec.PMTU != nil {
			measured = strconv.Itoa(*rec.PMTU)
		}
		verdict = string(rec.Verdict)
		sent := 0
		for _, m := range rec.Methods {
			sent += m.ProbesSent
		}
		probes = strconv.Itoa(sent)
		if len(rec.PTB) > 0 {
			var names []string
			for _, g := range Grades(rec) {
				names = append(names, string(g))
			}
			grades = strings.Join(names, ",")
		}
	}
	result := "ok"
	if !r.OK {
		result = "WRONG: " + r.Wrong
	}
	_, err := fmt.Fprintf(w, rowFormat,
		fmt.Sprintf("%d-%d-%d", r.Edge, r.Bottleneck, r.Edge), fmt.Sprintf("IPv%d", r.Family), r.PTBBehaviour, r.Method,
		strconv.Itoa(r.Truth), measured, verdict, grades, probes, r.Elapsed.Round(10*time.Millisecond), result)
	return err
}
