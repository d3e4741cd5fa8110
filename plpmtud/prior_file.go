package plpmtud

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The file format of a prior: lines of ASCII text,
//
//	pathmtu-prior 1
//	# a comment, to the end of the line
//	1500 76.5
//	uniform 1280 1499 1
//
// The first line that is neither empty nor a comment is the header, with the
// version. Each further line gives a path MTU (bytes of a whole IP packet) and
// its weight, or a range of them and the weight of the whole range. Fields are
// separated by spaces or tabs.
const (
	priorHeader  = "pathmtu-prior"
	priorVersion = "1"
	maxPriorLine = 256     // bytes
	maxPriorFile = 1 << 20 // bytes
)

// ParsePrior reads a prior from a file; see NewPrior for its bounds. It reads
// at most 1 MiB, in lines of at most 256 bytes. What is wrong with the text is
// a *PriorError with the line's number; errors of r are returned as they are.
func ParsePrior(r io.Reader) (*Prior, error) {
	limited := &io.LimitedReader{R: r, N: maxPriorFile + 1}
	scanner := bufio.NewScanner(limited)
	scanner.Buffer(make([]byte, maxPriorLine+2), maxPriorLine+2)
	f := priorFile{seen: map[int]int{}}
	for scanner.Scan() {
		f.line++
		if limited.N == 0 {
			return nil, f.bad("the file is longer than %d bytes", maxPriorFile)
		}
		if err := f.add(scanner.Text()); err != nil {
			return nil, err
		}
	}
	if err := scanner.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			f.line++
			return nil, f.bad("longer than %d bytes", maxPriorLine)
		}
		return nil, err
	}
	if !f.header {
		f.line = 0
		return nil, f.bad("no header, want %q", priorHeader+" "+priorVersion)
	}
	return NewPrior(f.points, f.ranges)
}

// priorFile is what has been read of a file.
type priorFile struct {
	points []PriorPoint
	ranges []PriorRange
	seen   map[int]int // size to line
	line   int
	header bool
}

func (f *priorFile) bad(format string, args ...any) error {
	return &PriorError{Line: f.line, Msg: fmt.Sprintf(format, args...)}
}

// add takes the next line.
func (f *priorFile) add(text string) error {
	text, _, _ = strings.Cut(text, "#")
	fields := strings.Fields(text)
	switch {
	case len(fields) == 0:
		return nil
	case !f.header:
		return f.addHeader(text, fields)
	case len(f.points)+len(f.ranges) == maxPriorLen:
		return f.bad("more than %d entries", maxPriorLen)
	case fields[0] == "uniform":
		return f.addRange(fields)
	}
	return f.addPoint(fields)
}

func (f *priorFile) addHeader(text string, fields []string) error {
	if len(fields) != 2 || fields[0] != priorHeader {
		return f.bad("header is %.40q, want %q", text, priorHeader+" "+priorVersion)
	}
	if fields[1] != priorVersion {
		return f.bad("version is %.20q, want %q", fields[1], priorVersion)
	}
	f.header = true
	return nil
}

func (f *priorFile) addRange(fields []string) error {
	if len(fields) != 4 {
		return f.bad("%d fields, want: uniform LO HI WEIGHT", len(fields))
	}
	r := PriorRange{}
	err := parseFields(fields[1:], []string{"lo", "hi"}, &r.Lo, &r.Hi, &r.Weight)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return atLine(err, f.line)
	}
	f.ranges = append(f.ranges, r)
	return nil
}

func (f *priorFile) addPoint(fields []string) error {
	if len(fields) != 2 {
		return f.bad("%d fields, want: SIZE WEIGHT, or: uniform LO HI WEIGHT", len(fields))
	}
	q := PriorPoint{}
	err := parseFields(fields, []string{"size"}, &q.Size, nil, &q.Weight)
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return atLine(err, f.line)
	}
	if first, ok := f.seen[q.Size]; ok {
		return f.bad("size %d was given in line %d already", q.Size, first)
	}
	f.seen[q.Size] = f.line
	f.points = append(f.points, q)
	return nil
}

// parseFields parses one or two sizes, then a weight.
func parseFields(fields, names []string, a, b *int, weight *float64) error {
	for i, dst := range []*int{a, b} {
		if dst == nil {
			continue
		}
		v, err := strconv.ParseUint(fields[i], 10, 16)
		if err != nil {
			return &PriorError{Msg: fmt.Sprintf("%s is %.40q, want %d to %d bytes", names[i], fields[i], minPathMTU, maxPathMTU)}
		}
		*dst = int(v)
	}
	text := fields[len(fields)-1]
	w, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return &PriorError{Msg: fmt.Sprintf("weight is %.40q, want %v to %v", text, minWeight, maxWeight)}
	}
	*weight = w
	return nil
}

func atLine(err error, line int) error {
	var pe *PriorError
	if errors.As(err, &pe) {
		return &PriorError{Line: line, Msg: pe.Msg}
	}
	return err
}

// WriteTo writes the prior in the format that ParsePrior reads. It implements
// io.WriterTo.
func (p *Prior) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", priorHeader, priorVersion)
	for _, q := range p.points {
		fmt.Fprintf(&b, "%d %s\n", q.Size, formatWeight(q.Weight))
	}
	for _, r := range p.ranges {
		fmt.Fprintf(&b, "uniform %d %d %s\n", r.Lo, r.Hi, formatWeight(r.Weight))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func formatWeight(w float64) string { return strconv.FormatFloat(w, 'g', -1, 64) }
