package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A PTOReader reads observations as PTOWriter writes them, and makes records of
// them that hold what the observations say: the target is its address; there
// are neither flows nor counts nor losses. Observations with other conditions
// are ignored. It isn't safe for concurrent use.
type PTOReader struct {
	lines *Reader
	first *Observation // of the next record
	line  int          // its line
	err   error        // to be returned after the record that is being built
}

// NewPTOReader returns a PTOReader of r.
func NewPTOReader(r io.Reader) *PTOReader { return &PTOReader{lines: NewReader(r)} }

// next returns the next observation; empty lines are skipped.
func (r *PTOReader) next() (*Observation, int, error) {
	for {
		b, err := r.lines.readLine()
		if err != nil {
			return nil, r.lines.line, err
		}
		if len(strings.TrimSpace(string(b))) == 0 {
			continue
		}
		o := new(Observation)
		if err := json.Unmarshal(b, o); err != nil {
			return nil, r.lines.line, &LineError{r.lines.line, err}
		}
		return o, r.lines.line, nil
	}
}

// Read returns the record of the next observations that belong together: a
// verdict, and what follows it about the same path and time. At the end it
// returns io.EOF. A line that isn't a valid observation gives a *LineError;
// reading may go on after it.
func (r *PTOReader) Read() (*Record, error) {
	if err := r.err; err != nil {
		r.err = nil
		return nil, err
	}
	for r.first == nil {
		o, line, err := r.next()
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(o.Condition, conditionVerdict) {
			r.first, r.line = o, line
		} else if strings.HasPrefix(o.Condition, "pmtu.") {
			return nil, &LineError{line, &ValueError{"condition", shorten(o.Condition), "a verdict before what else is said about a path"}}
		}
	}
	first, line := r.first, r.line
	r.first = nil
	rec, err := begin(first)
	if err != nil {
		return nil, &LineError{line, err}
	}
	for {
		o, at, err := r.next()
		if err != nil {
			if err != io.EOF { // of a later record, or of this one: both are told
				r.err = err
			}
			break
		}
		if !strings.HasPrefix(o.Condition, "pmtu.") {
			continue
		}
		if !o.same(first) || strings.HasPrefix(o.Condition, conditionVerdict) {
			if !strings.HasPrefix(o.Condition, conditionVerdict) {
				r.err = &LineError{at, &ValueError{"condition", shorten(o.Condition), "a verdict before what else is said about a path"}}
				break
			}
			r.first, r.line = o, at
			break
		}
		if err := observe(rec, o); err != nil {
			return nil, &LineError{at, err}
		}
		if len(rec.Methods)+len(rec.PTB) > mostObservations {
			return nil, &LineError{at, errors.New("more than " + strconv.Itoa(mostObservations) + " observations of one measurement")}
		}
	}
	if len(rec.Methods) > 0 {
		rec.Methods[0].Elapsed = first.End.Sub(first.Start).Microseconds() // of all together
	}
	if err := rec.Validate(); err != nil {
		return nil, &LineError{line, err}
	}
	return rec.canonical(), nil
}

const mostObservations = 4096

func begin(o *Observation) (*Record, error) {
	dst, err := netip.ParseAddr(o.Path[len(o.Path)-1])
	if err != nil {
		return nil, &ValueError{"path", shorten(strings.Join(o.Path, " ")), "an address at its end"}
	}
	dst = dst.Unmap()
	r := &Record{
		Schema: Schema, Run: o.Set, Time: o.Start, Target: dst.String(), Address: dst.String(), Family: 6,
		Verdict: Verdict(strings.TrimPrefix(o.Condition, conditionVerdict)), Direction: Forward,
	}
	if dst.Is4() {
		r.Family = 4
	}
	if o.Path[0] != "*" {
		r.Vantage.Source = o.Path[0]
	}
	if as, ok := strings.CutPrefix(o.Path[len(o.Path)-2], "AS"); ok {
		n, err := strconv.ParseUint(as, 10, 32)
		if err != nil {
			return nil, &ValueError{"path", shorten(o.Path[len(o.Path)-2]), "AS0 to AS4294967295"}
		}
		r.AS = uint32(n)
	}
	if o.Value != nil {
		r.Confidence = *o.Value
	}
	if elapsed := o.End.Sub(o.Start); elapsed < 0 || elapsed > 100*365*24*time.Hour {
		return nil, &ValueError{"end", o.End, "a time after start"}
	}
	return r, nil
}

// observe adds to a record what an observation says.
func observe(r *Record, o *Observation) error {
	size := 0
	if o.Value != nil {
		if v := *o.Value; v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return &ValueError{"value", v, "bytes, an integer"}
		}
		size = int(*o.Value)
	}
	via := ""
	if len(o.Path) >= 5 && o.Path[2] != "*" {
		via = o.Path[2]
	}
	if d, ok := strings.CutPrefix(o.Condition, conditionDirection); ok {
		r.Direction = Direction(d)
		return nil
	}
	if m, ok := strings.CutPrefix(o.Condition, conditionMethod); ok {
		dot := strings.LastIndexByte(m, '.')
		if dot < 0 {
			return &ValueError{"condition", shorten(o.Condition), "a method and its verdict"}
		}
		method := Method{Method: m[:dot], Verdict: Verdict(m[dot+1:]), Direction: r.Direction}
		if method.Verdict == noVerdictText {
			method.Verdict, method.Error = NoVerdict, "not told"
		}
		if o.Value != nil {
			method.PMTU = &size
		}
		r.Methods = append(r.Methods, method)
		return nil
	}
	if o.Value == nil {
		return fmt.Errorf("condition %q: value is null, want bytes", shorten(o.Condition))
	}
	if d, ok := strings.CutPrefix(o.Condition, conditionValue); ok {
		r.PMTU, r.Direction = &size, Direction(d)
		if via != "" {
			r.Bottleneck = &Bottleneck{Addr: via}
		}
		return nil
	}
	if g, ok := strings.CutPrefix(o.Condition, conditionPTB); ok {
		r.PTB = append(r.PTB, PTB{From: via, MTU: size, Grade: Grade(g)})
		return nil
	}
	switch o.Condition {
	case conditionSurvived, conditionNot:
		r.HBH = &HBH{Sent: true, Survived: o.Condition == conditionSurvived, MinPMTU: size}
	case conditionTruncation, conditionNotTrunc:
		r.Truncation = &Truncation{Sent: true, Survived: o.Condition == conditionTruncation, MTU: size}
	case conditionClamped, conditionUnclamped:
		r.MSS = &MSS{Received: size, Clamped: o.Condition == conditionClamped}
	}
	return nil
}
