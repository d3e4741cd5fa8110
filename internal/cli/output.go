package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"pathmtu/results"
)

// reporter prints records, and shows people how far it is.
type reporter struct {
	out  io.Writer
	json *results.Writer // nil: for people
	bar  progress
}

func newReporter(out, errOut io.Writer, json bool, hosts int) *reporter {
	r := &reporter{out: out, bar: newProgress(errOut, "probing", hosts)}
	if json {
		r.json = results.NewWriter(out)
	}
	return r
}

func (r *reporter) record(rec *results.Record) error {
	r.bar.hide()
	var err error
	if r.json != nil {
		err = r.json.Write(rec)
	} else {
		err = printRecord(r.out, rec)
	}
	r.bar.add()
	return err
}

func (r *reporter) close() { r.bar.close() }

// printRecord writes a record for people.
func printRecord(w io.Writer, r *results.Record) error {
	var b strings.Builder
	name := r.Target
	if r.Address != "" && r.Address != r.Target {
		name += " (" + r.Address + ")"
	}
	switch {
	case r.PMTU != nil:
		fmt.Fprintf(&b, "%s: path MTU %d bytes, %s, confidence %.3g, %s\n", name, *r.PMTU, r.Verdict, r.Confidence, r.Direction)
	case r.Verdict != results.NoVerdict:
		fmt.Fprintf(&b, "%s: not measured, %s: %s\n", name, r.Verdict, r.Error)
	default:
		fmt.Fprintf(&b, "%s: not measured: %s\n", name, r.Error)
	}
	if r.Vantage.Interface != "" {
		fmt.Fprintf(&b, "  first hop   %s, %d bytes, from %s\n", r.Vantage.Interface, r.Vantage.MTU, r.Vantage.Source)
	}
	if k := r.Bottleneck; k != nil {
		fmt.Fprintf(&b, "  bottleneck  %s%s: %s\n", k.Addr, hopText(k.Hop), k.Evidence)
	}
	for _, p := range r.PTB {
		fmt.Fprintf(&b, "  too big     %s%s says MTU %d: %s\n", p.From, hopText(p.Hop), p.MTU, p.Grade)
	}
	for _, m := range r.Methods {
		result := string(m.Verdict)
		if m.PMTU != nil {
			result = fmt.Sprintf("%d bytes, %s", *m.PMTU, m.Verdict)
		}
		if result == "" {
			result = m.Error
		}
		fmt.Fprintf(&b, "  %-11s %s; %d packets, %d lost, RTT %v, %v\n", m.Method, result, m.ProbesSent, m.ProbesLost,
			micros(m.RTT), micros(m.Elapsed).Round(time.Millisecond))
	}
	if r.Verdict == results.LossyAbove {
		for _, l := range r.Loss {
			if l.Sent >= leastLoss {
				fmt.Fprintf(&b, "  loss        %d bytes: %d of %d, %.3g %%\n", l.Size, l.Lost, l.Sent, 100*float64(l.Lost)/float64(l.Sent))
			}
		}
	}
	for _, e := range r.Evidence {
		fmt.Fprintf(&b, "  because     %s\n", e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func hopText(hop int) string {
	if hop == 0 {
		return ""
	}
	return fmt.Sprintf(" (hop %d)", hop)
}
