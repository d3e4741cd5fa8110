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
	var (
		points []PriorPoint
		ranges []PriorRange
		seen   = map[int]int{} // size to line
		line   int
		header bool
	)
	bad := func(format string, args ...any) (*Prior, error) {
		return nil, &PriorError{Line: line, Msg: fmt.Sprintf(format, args...)}
	}
	for scanner.Scan() {
		line++
		if limited.N == 0 {
			return bad("the file is longer than %d bytes", maxPriorFile)
		}
		text, _, _ := strings.Cut(scanner.Text(), "#")
		fields := strings.Fields(text)
		switch {
		case len(fields) == 0:
			continue
		case !header:
			if len(fields) != 2 || fields[0] != priorHeader {
				return bad("header is %.40q, want %q", text, priorHeader+" "+priorVersion)
			}
			if fields[1] != priorVersion {
				return bad("version is %.20q, want %q", fields[1], priorVersion)
			}
			header = true
			continue
		case len(points)+len(ranges) == maxPriorLen:
			return bad("more than %d entries", maxPriorLen)
		}
		if fields[0] == "uniform" {
			if len(fields) != 4 {
				return bad("%d fields, want: uniform LO HI WEIGHT", len(fields))
			}
			r := PriorRange{}
			err := parseFields(fields[1:], []string{"lo", "hi"}, &r.Lo, &r.Hi, &r.Weight)
			if err == nil {
				err = r.check()
			}
			if err != nil {
				return nil, atLine(err, line)
			}
			ranges = append(ranges, r)
			continue
		}
		if len(fields) != 2 {
			return bad("%d fields, want: SIZE WEIGHT, or: uniform LO HI WEIGHT", len(fields))
		}
		q := PriorPoint{}
		err := parseFields(fields, []string{"size"}, &q.Size, nil, &q.Weight)
		if err == nil {
			err = q.check()
		}
		if err != nil {
			return nil, atLine(err, line)
		}
		if first, ok := seen[q.Size]; ok {
			return bad("size %d was given in line %d already", q.Size, first)
		}
		seen[q.Size] = line
		points = append(points, q)
	}
	if err := scanner.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			line++
			return bad("longer than %d bytes", maxPriorLine)
		}
		return nil, err
	}
	if !header {
		line = 0
		return bad("no header, want %q", priorHeader+" "+priorVersion)
	}
	return NewPrior(points, ranges)
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
