package results

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// column is one column of a CSV file: a scalar field of Record or of a structure
// in it, or a list as JSON.
type column struct {
	name string
	path []int // field indices from Record
}

// columns are those of Record, in its order; fields of structures have dotted
// names.
var columns = columnsOf(reflect.TypeFor[Record](), "", nil)

// sums are columns for spreadsheets: totals over all methods. A reader ignores
// them.
var sums = []string{"probes_sent", "probes_lost", "bytes_sent"}

func columnsOf(t reflect.Type, prefix string, path []int) []column {
	var all []column
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(slices.Clone(path), i)
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct && ft != timeType {
			all = append(all, columnsOf(ft, prefix+name+".", at)...)
			continue
		}
		all = append(all, column{prefix + name, at})
	}
	return all
}

// CSVColumns returns the names of a CSV file's columns, in order.
func CSVColumns() []string {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	return append(names, sums...)
}

// A CSVWriter writes records as CSV (RFC 4180, but lines end in LF), with a
// header. It isn't safe for concurrent use.
type CSVWriter struct {
	w      *csv.Writer
	header bool
	cells  []string
}

// NewCSVWriter returns a CSVWriter to w. Call Flush at the end.
func NewCSVWriter(w io.Writer) *CSVWriter { return &CSVWriter{w: csv.NewWriter(w)} }

// Write validates the record and appends it as one row.
func (w *CSVWriter) Write(r *Record) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("record of %q: %w", r.Target, err)
	}
	if err := w.writeHeader(); err != nil {
		return err
	}
	v := reflect.ValueOf(r.canonical()).Elem()
	w.cells = w.cells[:0]
	size := 0
	for _, c := range columns {
		cell, err := c.text(v)
		if err != nil {
			return fmt.Errorf("record of %q: %s: %w", r.Target, c.name, err)
		}
		size += len(cell)
		w.cells = append(w.cells, cell)
	}
	if size > MaxLine {
		return fmt.Errorf("record of %q: %w", r.Target, ErrLineTooLong)
	}
	sent, lost, bytes := r.Totals()
	w.cells = append(w.cells, strconv.Itoa(sent), strconv.Itoa(lost), strconv.FormatInt(bytes, 10))
	return w.w.Write(w.cells)
}

func (w *CSVWriter) writeHeader() error {
	if w.header {
		return nil
	}
	w.header = true
	return w.w.Write(CSVColumns())
}

// Flush writes what is buffered; of a file without records, the header.
func (w *CSVWriter) Flush() error {
	err := w.writeHeader()
	w.w.Flush()
	return errors.Join(err, w.w.Error())
}

// Totals returns the sums over all methods: packets sent, those of them without
// an answer, and bytes of IP packets.
func (r *Record) Totals() (sent, lost int, bytes int64) {
	for _, m := range r.Methods {
		sent += m.ProbesSent
		lost += m.ProbesLost
		bytes += m.BytesSent
	}
	return sent, lost, bytes
}

// text returns the cell's content. Null, and each field of a structure that
// isn't there, is empty; all fields of one that is there are written.
func (c column) text(v reflect.Value) (string, error) {
	inside := false
	for _, i := range c.path {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return "", nil
			}
			v, inside = v.Elem(), true
		}
		v = v.Field(i)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "", nil
		}
		v, inside = v.Elem(), true
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), nil
	case reflect.Int, reflect.Int64:
		if v.Int() == 0 && !inside && strings.HasPrefix(c.name, "vantage.") {
			return "", nil
		}
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Uint32:
		if v.Uint() == 0 {
			return "", nil
		}
		return strconv.FormatUint(v.Uint(), 10), nil
	case reflect.Slice:
		if v.Len() == 0 {
			return "", nil
		}
		b, err := json.Marshal(v.Interface())
		return string(b), err
	}
	return v.Interface().(time.Time).Format(time.RFC3339Nano), nil // the last kind that Record has
}
