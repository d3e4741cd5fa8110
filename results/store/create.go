package store

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"pathmtu/results"
)

// Writer writes records to one file. It isn't safe for concurrent use.
type Writer struct {
	w     interface{ Write(*results.Record) error }
	close []func() error // in this order
}

// NewWriter returns a Writer of a format to w, which it doesn't close.
func NewWriter(w io.Writer, format Format) (*Writer, error) {
	b := bufio.NewWriterSize(w, 64<<10)
	out := &Writer{}
	switch format {
	case JSONL:
		out.w = results.NewWriter(b)
	case PTO:
		out.w = results.NewPTOWriter(b)
	case CSV:
		c := results.NewCSVWriter(b)
		out.w, out.close = c, append(out.close, c.Flush)
	case Parquet:
		p := newParquetWriter(b)
		out.w, out.close = p, append(out.close, p.Close)
	default:
		return nil, fmt.Errorf("format is %q, want %s, %s, %s or %s", format, JSONL, CSV, Parquet, PTO)
	}
	out.close = append(out.close, b.Flush)
	return out, nil
}

// Write validates a record and appends it.
func (w *Writer) Write(r *results.Record) error { return w.w.Write(r) }

// Close writes what is still to be written.
func (w *Writer) Close() error {
	var all []error
	for _, f := range w.close {
		all = append(all, f())
	}
	w.close = nil
	return errors.Join(all...)
}

// Create makes a file in the format that its name asks for. The file appears
// under its name, all of it, once write returned nil; otherwise nothing changes.
func Create(name string, write func(*Writer) error) error {
	format, c, err := formatOf(name)
	if err != nil {
		return err
	}
	return Replace(name, func(out io.Writer) error {
		packed := io.WriteCloser(nopCloser{out})
		switch c {
		case gz:
			packed = gzip.NewWriter(out)
		case zst:
			if packed, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1)); err != nil {
				return err
			}
		}
		w, err := NewWriter(packed, format)
		if err != nil {
			return err
		}
		return errors.Join(write(w), w.Close(), packed.Close())
	})
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Replace makes a file, or replaces its content, all of it or nothing. A name of
// something other than a regular file, such as /dev/stdout, is written to.
func Replace(name string, write func(io.Writer) error) error {
	if s, err := os.Stat(name); err == nil && !s.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("create %s: %w", name, errors.Unwrap(err))
	}
	err = errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
