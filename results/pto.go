package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Observation is one observation of a path, in the model of the Path
// Transparency Observatory: one JSON array a line,
// [set, start, end, path, condition, value].
type Observation struct {
	Set        string // the run
	Start, End time.Time
	Path       []string // source, "*", then AS, "*" and router where known, then the target's address
	Condition  string
	Value      *float64 // of the condition; nil: it has none
}

// What the conditions of a record begin with. After them come a value of a
// closed set (verdict, grade, direction) or what is written here.
const (
	conditionVerdict    = "pmtu.verdict."   // + verdict; the value is the confidence
	conditionValue      = "pmtu.value."     // + direction; the value is the path MTU in bytes
	conditionDirection  = "pmtu.direction." // + direction, of a record without a path MTU
	conditionPTB        = "pmtu.ptb."       // + grade; the value is the MTU that the router named
	conditionMethod     = "pmtu.method."    // + method + "." + its verdict, or error; the value is its path MTU
	conditionSurvived   = "pmtu.hbh.survived"
	conditionNot        = "pmtu.hbh.not_survived"
	conditionTruncation = "pmtu.truncation.survived"
	conditionNotTrunc   = "pmtu.truncation.not_survived"
	conditionClamped    = "pmtu.mss.clamped"
	conditionUnclamped  = "pmtu.mss.unclamped"
)

const noVerdictText = "error"

// Observations returns what a record says about its path; the first is its
// verdict. A record without a verdict or without an address says nothing.
func (r *Record) Observations() []Observation {
	dst := r.destination()
	if r.Verdict == NoVerdict || !dst.IsValid() {
		return nil
	}
	c := r.canonical()
	src := "*"
	if a := addressText(c.Vantage.Source); a != "" {
		src = a
	}
	end := c.Time
	for _, m := range c.Methods { // one after the other
		end = end.Add(time.Duration(m.Elapsed) * time.Microsecond)
	}
	var all []Observation
	add := func(via, condition string, value *float64) {
		path := []string{src, "*"}
		if via != "" {
			path = append(path, via, "*")
		}
		if c.AS != 0 {
			path = append(path, "AS"+strconv.FormatUint(uint64(c.AS), 10))
		}
		all = append(all, Observation{c.Run, c.Time, end, append(path, dst.String()), condition, value})
	}
	number := func(n int) *float64 { f := float64(n); return &f }
	add("", conditionVerdict+string(c.Verdict), &c.Confidence)
	if c.PMTU != nil {
		via := ""
		if c.Bottleneck != nil {
			via = addressText(c.Bottleneck.Addr)
		}
		add(via, conditionValue+string(c.Direction), number(*c.PMTU))
	} else {
		add("", conditionDirection+string(c.Direction), nil)
	}
	for _, m := range c.Methods {
		var value *float64
		if m.PMTU != nil {
			value = number(*m.PMTU)
		}
		verdict := string(m.Verdict)
		if m.Verdict == NoVerdict {
			verdict = noVerdictText
		}
		add("", conditionMethod+m.Method+"."+verdict, value)
	}
	for _, p := range c.PTB {
		add(addressText(p.From), conditionPTB+string(p.Grade), number(p.MTU))
	}
	if h := c.HBH; h != nil && h.Sent {
		add("", pick(h.Survived, conditionSurvived, conditionNot), number(h.MinPMTU))
	}
	if t := c.Truncation; t != nil && t.Sent {
		add("", pick(t.Survived, conditionTruncation, conditionNotTrunc), number(t.MTU))
	}
	if m := c.MSS; m != nil {
		add("", pick(m.Clamped, conditionClamped, conditionUnclamped), number(m.Received))
	}
	return all
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// destination is the address that was measured.
func (r *Record) destination() netip.Addr {
	for _, s := range []string{r.Address, r.Target} {
		if a, err := netip.ParseAddr(addressText(s)); err == nil {
			return a.Unmap()
		}
	}
	return netip.Addr{}
}

// addressText returns an address in its one form; "" of what is none. A zone
// that isn't one word is left out, as blanks separate the elements of a path.
func addressText(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	if len(strings.Fields(a.Zone())) != 1 || strings.ContainsFunc(a.Zone(), unicode.IsSpace) {
		a = a.WithZone("")
	}
	return a.String()
}

// MarshalJSON writes the array.
func (o Observation) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{o.Set, o.Start.UTC(), o.End.UTC(), strings.Join(o.Path, " "), o.Condition, o.Value})
}

// UnmarshalJSON reads the array.
func (o *Observation) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	names := []string{"set", "start", "end", "path", "condition", "value"}
	if len(parts) != len(names) {
		return fmt.Errorf("%d elements, want %s", len(parts), strings.Join(names, ", "))
	}
	var n Observation
	var path string
	for i, dst := range []any{&n.Set, &n.Start, &n.End, &path, &n.Condition, &n.Value} {
		if err := json.Unmarshal(parts[i], dst); err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
	}
	if n.Path = strings.Fields(path); len(n.Path) < 2 {
		return &ValueError{"path", shorten(path), "a source and a target"}
	}
	*o = n
	return nil
}

// same says whether two observations are of the same measurement.
func (o *Observation) same(p *Observation) bool {
	return o.Set == p.Set && o.Start.Equal(p.Start) && o.End.Equal(p.End) &&
		o.Path[0] == p.Path[0] && slices.Equal(o.Path[len(o.Path)-1:], p.Path[len(p.Path)-1:])
}

// A PTOWriter writes the observations of records. It isn't safe for concurrent
// use.
type PTOWriter struct{ w io.Writer }

// NewPTOWriter returns a PTOWriter to w.
func NewPTOWriter(w io.Writer) *PTOWriter { return &PTOWriter{w} }

// Write validates the record and appends its observations. A record that says
// nothing about a path (see Observations) leaves no trace.
func (w *PTOWriter) Write(r *Record) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("record of %q: %w", r.Target, err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, o := range r.Observations() {
		if err := e.Encode(o); err != nil {
			return fmt.Errorf("record of %q: %w", r.Target, err)
		}
	}
	_, err := w.w.Write(b.Bytes())
	return err
}
