package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the longest line, in bytes without the newline, that a Reader
// accepts and a Writer writes.
const MaxLine = 1 << 20

// LineError says which line of a JSON Lines file is bad, and why.
type LineError struct {
	Line int // the first is 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// ErrLineTooLong is the cause of a LineError for a line of more than MaxLine bytes.
var ErrLineTooLong = fmt.Errorf("longer than %d bytes", MaxLine)

// A Writer writes records as JSON Lines. It isn't safe for concurrent use.
type Writer struct{ w io.Writer }

// NewWriter returns a Writer that makes one Write call to w for each record.
func NewWriter(w io.Writer) *Writer { return &Writer{w} }

// Write validates the record and appends it as one line.
func (w *Writer) Write(r *Record) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("record of %q: %w", r.Target, err)
	}
	c := r.canonical()
	if c.Methods == nil {
		c.Methods = []Method{} // an array, not null
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return fmt.Errorf("record of %q: %w", r.Target, err)
	}
	if b.Len() > MaxLine+1 {
		return fmt.Errorf("record of %q: %w", r.Target, ErrLineTooLong)
	}
	_, err := w.w.Write(b.Bytes())
	return err
}

// A Reader reads records from JSON Lines. It isn't safe for concurrent use.
type Reader struct {
	r    *bufio.Reader
	line int
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Read returns the next record; empty lines are skipped. At the end it returns
// io.EOF. A line that isn't a valid record gives a *LineError; reading may go
// on after it. Memory is bounded by MaxLine.
func (r *Reader) Read() (*Record, error) {
	for {
		b, err := r.readLine()
		if err != nil {
			return nil, err
		}
		if b = bytes.TrimSpace(b); len(b) == 0 {
			continue
		}
		rec := new(Record)
		if err := json.Unmarshal(b, rec); err != nil {
			return nil, &LineError{r.line, err}
		}
		if err := rec.Validate(); err != nil {
			return nil, &LineError{r.line, err}
		}
		return rec.canonical(), nil
	}
}

// readLine returns one line. Of one that is too long it reads all, but keeps
// nothing.
func (r *Reader) readLine() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.r.ReadSlice('\n')
		if len(part) > 0 {
			if line == nil {
				r.line++
				line = []byte{}
			}
			if !long {
				line = append(line, part...)
			}
			long = long || len(bytes.TrimSuffix(line, []byte("\n"))) > MaxLine
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && line != nil, err == nil:
			if long {
				return nil, &LineError{r.line, ErrLineTooLong}
			}
			return line, nil
		default:
			return nil, err
		}
	}
}
