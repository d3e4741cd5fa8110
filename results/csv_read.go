package results

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"
)

// A CSVReader reads records from CSV with a header, as CSVWriter writes it:
// columns in any order; those that it doesn't know are ignored, those that are
// missing are empty, but there must be schema, target, family, verdict and
// direction. It isn't safe for concurrent use.
type CSVReader struct {
	limit *budgetReader
	r     *csv.Reader
	line  int   // of the last row
	at    []int // index of columns for each column of the file; -1: unknown
}

// NewCSVReader returns a CSVReader of r.
func NewCSVReader(r io.Reader) *CSVReader {
	limit := &budgetReader{r: r}
	c := csv.NewReader(limit)
	c.ReuseRecord = true
	return &CSVReader{limit: limit, r: c}
}

// budgetReader fails once more was read for one row than a row may have.
type budgetReader struct {
	r    io.Reader
	left int
}

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrLineTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// next returns the next row and its line. Memory is bounded by some multiple of
// MaxLine.
func (r *CSVReader) next() ([]string, int, error) {
	r.limit.left = 4 * MaxLine // quotes are doubled, and the reader reads ahead
	row, err := r.r.Read()
	var pe *csv.ParseError
	switch {
	case err == nil:
		r.line, _ = r.r.FieldPos(0)
		return row, r.line, nil
	case errors.As(err, &pe):
		return nil, pe.StartLine, &LineError{pe.StartLine, pe.Err}
	case errors.Is(err, ErrLineTooLong):
		return nil, r.line + 1, &LineError{r.line + 1, err}
	}
	return nil, 0, err
}

// Read returns the next record. At the end it returns io.EOF. A row that isn't a
// valid record gives a *LineError; reading may go on after it, unless the header
// is bad or the row too long.
func (r *CSVReader) Read() (*Record, error) {
	if r.at == nil {
		row, line, err := r.next()
		if err != nil {
			return nil, err
		}
		if err := r.header(row); err != nil {
			return nil, &LineError{line, err}
		}
	}
	row, line, err := r.next()
	if err != nil {
		return nil, err
	}
	rec := new(Record)
	v := reflect.ValueOf(rec).Elem()
	for i, cell := range row {
		if k := r.at[i]; k >= 0 && cell != "" {
			if err := columns[k].set(v, cell); err != nil {
				return nil, &LineError{line, err}
			}
		}
	}
	if err := rec.Validate(); err != nil {
		return nil, &LineError{line, err}
	}
	return rec.canonical(), nil
}

func (r *CSVReader) header(row []string) error {
	at := make([]int, len(row))
	seen := map[string]bool{}
	for i, name := range row {
		at[i] = -1
		for k, c := range columns {
			if c.name == name {
				at[i] = k
			}
		}
		if at[i] >= 0 && seen[name] {
			return fmt.Errorf("column %q comes twice", name)
		}
		seen[name] = true
	}
	for _, name := range []string{"schema", "target", "family", "verdict", "direction"} {
		if !seen[name] {
			return fmt.Errorf("no column %q: this is not a CSV file of records", name)
		}
	}
	r.at = at
	return nil
}

// set parses a cell that isn't empty into its field.
func (c column) set(v reflect.Value, cell string) error {
	for _, i := range c.path {
		v = settable(v).Field(i)
	}
	v = settable(v)
	bad := func(want string) error {
		return &ValueError{c.name, shorten(cell), want}
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(cell)
	case reflect.Bool:
		b, err := strconv.ParseBool(cell)
		if err != nil {
			return bad("true or false")
		}
		v.SetBool(b)
	case reflect.Float64:
		f, err := strconv.ParseFloat(cell, 64)
		if err != nil {
			return bad("a number")
		}
		v.SetFloat(f)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil {
			return bad("an integer")
		}
		v.SetInt(n)
	case reflect.Uint32:
		n, err := strconv.ParseUint(cell, 10, 32)
		if err != nil {
			return bad("an integer from 0 to 4294967295")
		}
		v.SetUint(n)
	case reflect.Slice:
		if err := json.Unmarshal([]byte(cell), v.Addr().Interface()); err != nil {
			return bad("a list as JSON: " + err.Error())
		}
	default:
		t, err := time.Parse(time.RFC3339, cell)
		if err != nil {
			return bad("a time as 2006-01-02T15:04:05Z")
		}
		v.Set(reflect.ValueOf(t))
	}
	return nil
}

// settable follows a pointer, and makes what it should point to.
func settable(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

func shorten(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
