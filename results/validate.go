package results

import "fmt"

// MaxSize is the largest IP packet without a jumbogram, in bytes.
const MaxSize = 65575 // an IPv6 header and 65535 bytes

// mostCount bounds what is counted, so that sums don't overflow: packets, bytes
// and microseconds (35 years).
const mostCount = 1 << 50

// Validate returns a *ValueError for the first field whose value is outside of
// its closed set or range, or contradicts another field.
func (r *Record) Validate() error {
	if r.Schema < 1 {
		return &ValueError{"schema", r.Schema, "1 or more"}
	}
	if r.Target == "" {
		return &ValueError{"target", r.Target, "a name or an address"}
	}
	if r.Family != 4 && r.Family != 6 && (r.Family != 0 || r.Error == "") {
		return &ValueError{"family", r.Family, "4 or 6 (0 only beside an error)"}
	}
	if y := r.Time.UTC().Year(); y < 1 || y > 9999 {
		return &ValueError{"time", r.Time, "a year from 1 to 9999"}
	}
	if r.Worker != nil {
		if err := r.Worker.Validate(); err != nil {
			return err
		}
	}
	if err := checkOutcome("", r.PMTU, r.Verdict, r.Direction, r.Error); err != nil {
		return err
	}
	if !(r.Confidence >= 0 && r.Confidence <= 1) {
		return &ValueError{"confidence", r.Confidence, "0 to 1"}
	}
	for i, m := range r.Methods {
		at := fmt.Sprintf("methods[%d].", i)
		if m.Method == "" {
			return &ValueError{at + "method", m.Method, "a method's name"}
		}
		if err := checkOutcome(at, m.PMTU, m.Verdict, m.Direction, m.Error); err != nil {
			return err
		}
		for _, n := range []struct {
			field string
			value int64
		}{{"probes_sent", int64(m.ProbesSent)}, {"bytes_sent", m.BytesSent}, {"rtt_us", m.RTT}, {"elapsed_us", m.Elapsed}} {
			if n.value < 0 || n.value > mostCount {
				return &ValueError{at + n.field, n.value, fmt.Sprintf("0 to %d", int64(mostCount))}
			}
		}
		if m.ProbesLost < 0 || m.ProbesLost > m.ProbesSent {
			return &ValueError{at + "probes_lost", m.ProbesLost, fmt.Sprintf("0 to probes_sent (%d)", m.ProbesSent)}
		}
	}
	for i, p := range r.PTB {
		if err := oneOf(fmt.Sprintf("ptb[%d].grade", i), p.Grade, Grades()); err != nil {
			return err
		}
	}
	for i, l := range r.Loss {
		if l.Sent < 0 || l.Sent > mostCount {
			return &ValueError{fmt.Sprintf("loss[%d].sent", i), l.Sent, fmt.Sprintf("0 to %d", int64(mostCount))}
		}
		if l.Lost < 0 || l.Lost > l.Sent {
			return &ValueError{fmt.Sprintf("loss[%d].lost", i), l.Lost, fmt.Sprintf("0 to sent (%d)", l.Sent)}
		}
	}
	return nil
}

// Validate returns a *ValueError for the first field that is out of range, named
// as in a Record.
func (w *Worker) Validate() error {
	if w.ID == "" {
		return &ValueError{"worker.id", w.ID, "a worker's name"}
	}
	if w.PID < 0 || w.PID > mostCount {
		return &ValueError{"worker.pid", w.PID, fmt.Sprintf("0 to %d", int64(mostCount))}
	}
	switch {
	case w.ClockOffset == nil && w.ClockError == nil:
		return nil
	case w.ClockError == nil:
		return &ValueError{"worker.clock_offset_us", *w.ClockOffset, "null without worker.clock_error_us"}
	case w.ClockOffset == nil:
		return &ValueError{"worker.clock_error_us", *w.ClockError, "null without worker.clock_offset_us"}
	}
	if o := *w.ClockOffset; o < -mostCount || o > mostCount {
		return &ValueError{"worker.clock_offset_us", o, fmt.Sprintf("%d to %d", int64(-mostCount), int64(mostCount))}
	}
	if e := *w.ClockError; e < 0 || e > mostCount {
		return &ValueError{"worker.clock_error_us", e, fmt.Sprintf("0 to %d", int64(mostCount))}
	}
	return nil
}

func checkOutcome(at string, pmtu *int, v Verdict, d Direction, problem string) error {
	if v == NoVerdict && problem != "" {
		if pmtu != nil {
			return &ValueError{at + "pmtu", *pmtu, "null without a verdict"}
		}
	} else if err := oneOf(at+"verdict", v, Verdicts()); err != nil {
		return err
	}
	if err := oneOf(at+"direction", d, Directions()); err != nil {
		return err
	}
	if pmtu == nil {
		return nil
	}
	if *pmtu < 1 || *pmtu > MaxSize {
		return &ValueError{at + "pmtu", *pmtu, fmt.Sprintf("1 to %d bytes, or null", MaxSize)}
	}
	if v == Unresponsive || v == Refused {
		return &ValueError{at + "pmtu", *pmtu, fmt.Sprintf("null beside verdict %q", v)}
	}
	return nil
}
