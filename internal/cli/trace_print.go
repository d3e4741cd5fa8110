package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"pathmtu/probe/trace"
	"pathmtu/results"
)

// tracedHop is a hop in JSON. See docs/tracing.md.
type tracedHop struct {
	Hop     int    `json:"hop"`
	Addr    string `json:"addr,omitempty"`
	RTT     int64  `json:"rtt_us,omitempty"`
	Target  bool   `json:"target,omitempty"`
	Passes  int    `json:"passes,omitempty"`
	Fails   int    `json:"fails,omitempty"`
	MinPMTU *int   `json:"min_pmtu,omitempty"`
	MSS     int    `json:"mss,omitempty"`
}

// tracedOption is the fate of an option in JSON.
type tracedOption struct {
	Option string     `json:"option"`
	Fate   trace.Fate `json:"fate"`
	Hop    *int       `json:"last_hop,omitempty"`
	Next   int        `json:"next_hop,omitempty"`
	By     string     `json:"by,omitempty"`
	Code   *uint8     `json:"code,omitempty"`
}

// tracedPath is what only a trace knows. It is one more field of the record,
// which a reader of records ignores.
type tracedPath struct {
	Hops    []tracedHop    `json:"hops"`
	Options []tracedOption `json:"options,omitempty"`
	Packets int            `json:"packets"`
	Bytes   int64          `json:"bytes"`
}

// writeTrace writes one line of JSON.
func writeTrace(w io.Writer, rec *results.Record, r *trace.Report) error {
	var line bytes.Buffer
	if err := results.NewWriter(&line).Write(rec); err != nil {
		return err
	}
	path, err := json.Marshal(pathOf(r))
	if err != nil {
		return err
	}
	line.Truncate(line.Len() - len("}\n"))
	_, _ = fmt.Fprintf(&line, ",\"trace\":%s}\n", path)
	_, err = w.Write(line.Bytes())
	return err
}

func pathOf(r *trace.Report) tracedPath {
	out := tracedPath{Hops: []tracedHop{}, Packets: r.Packets, Bytes: r.Bytes}
	for _, h := range r.Hops {
		j := tracedHop{Hop: h.Hop, Addr: r.Addr(h.Hop), RTT: h.RTT.Microseconds(), Target: h.Target, Passes: h.Passes, Fails: h.Fails, MSS: h.MSS}
		if h.MinPMTU >= 0 {
			j.MinPMTU = &h.MinPMTU
		}
		out.Hops = append(out.Hops, j)
	}
	for _, f := range r.Options {
		j := tracedOption{Option: f.Arm.String(), Fate: f.Fate}
		if f.Fate == trace.Dropped {
			j.Hop, j.Next = &f.Hop, f.Next
		}
		if f.Fault.IsValid() {
			j.By, j.Code = f.Fault.String(), &f.Code
		}
		out.Options = append(out.Options, j)
	}
	return out
}

// printTrace writes a trace for people: the record, with the hops in a table.
func printTrace(w io.Writer, rec *results.Record, r *trace.Report) error {
	var b strings.Builder
	if err := printRecord(&b, rec); err != nil {
		return err
	}
	head, rest, _ := strings.Cut(b.String(), "\n")
	if _, err := fmt.Fprintln(w, head); err != nil {
		return err
	}
	if err := printHops(w, r); err != nil {
		return err
	}
	_, err := io.WriteString(w, rest)
	return err
}

func printHops(w io.Writer, r *trace.Report) error {
	if len(r.Hops) == 0 {
		return nil
	}
	withMin, withMSS := false, false
	for _, h := range r.Hops {
		withMin, withMSS = withMin || h.MinPMTU >= 0, withMSS || h.MSS != 0
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(hop, addr, rtt, carries, min, mss, note string) {
		cells := []string{"  " + hop, addr, rtt, carries}
		if withMin {
			cells = append(cells, min)
		}
		if withMSS {
			cells = append(cells, mss)
		}
		if note != "" {
			cells = append(cells, note)
		}
		_, _ = fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	row("hop", "address", "RTT", "carries", "Min-PMTU", "MSS", "")
	for _, h := range r.Hops {
		addr, rtt := "*", ""
		if a := r.Addr(h.Hop); a != "" {
			addr, rtt = a, h.RTT.Round(10*time.Microsecond).String()
		}
		row(strconv.Itoa(h.Hop), addr, rtt, carries(h), number(h.MinPMTU, h.MinPMTU >= 0), number(h.MSS, h.MSS != 0), hopNote(h, r))
	}
	return tw.Flush()
}

// carries says which sizes come to a hop.
func carries(h trace.Hop) string {
	switch {
	case h.Fails != 0 && h.Fails == h.Passes+1:
		return strconv.Itoa(h.Passes)
	case h.Fails != 0:
		return fmt.Sprintf("%d..%d", h.Passes, h.Fails-1)
	case h.Passes != 0:
		return ">=" + strconv.Itoa(h.Passes)
	}
	return ""
}

func number(n int, ok bool) string {
	if !ok {
		return "-"
	}
	return strconv.Itoa(n)
}

func hopNote(h trace.Hop, r *trace.Report) string {
	var notes []string
	if h.Target {
		notes = append(notes, "target")
	}
	if h.Halt {
		notes = append(notes, "says that the target can't be reached")
	}
	for _, s := range r.Shrinks {
		if s.Hop == h.Hop {
			what := "silent"
			if s.Refused {
				what = "Packet Too Big"
			}
			notes = append(notes, fmt.Sprintf("narrows to %d (%s)", s.MTU, what))
		}
	}
	for _, f := range r.Options {
		if f.Fate == trace.Dropped && f.Hop == h.Hop {
			notes = append(notes, "last to get "+f.Arm.String())
		}
	}
	for _, c := range r.Rewrites {
		if c.Hop == h.Hop {
			notes = append(notes, fmt.Sprintf("Min-PMTU becomes %d", c.To))
		}
	}
	return strings.Join(notes, "; ")
}
