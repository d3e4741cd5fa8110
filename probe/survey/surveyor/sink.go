package surveyor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"pathmtu/results"
)

// Sink takes results. It isn't safe for concurrent use.
type Sink interface {
	Write(*results.Record) error
	// Sync makes what was written last, and returns how long it is; -1: that can't
	// be known, and a run can't go on from it.
	Sync() (int64, error)
	Close() error
}

// LinesSink appends JSON Lines to a file.
type LinesSink struct {
	f   *os.File
	b   *bufio.Writer
	w   *results.Writer
	len int64
}

// NewLinesFile creates a file of results, which must not exist.
func NewLinesFile(name string) (*LinesSink, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return newLines(f, 0), nil
}

// ResumeLinesFile opens a file of results of which only the first bytes count.
func ResumeLinesFile(name string, length int64) (*LinesSink, error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	s, err := f.Stat()
	if err == nil && s.Size() < length {
		err = fmt.Errorf("%s is %d bytes long, but was %d bytes long at the checkpoint", name, s.Size(), length)
	}
	if err == nil {
		err = f.Truncate(length)
	}
	if err == nil {
		_, err = f.Seek(length, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return newLines(f, length), nil
}

func newLines(f *os.File, length int64) *LinesSink {
	s := &LinesSink{f: f, b: bufio.NewWriterSize(f, 1<<16), len: length}
	s.w = results.NewWriter(countingWriter{s})
	return s
}

type countingWriter struct{ s *LinesSink }

func (c countingWriter) Write(b []byte) (int, error) {
	n, err := c.s.b.Write(b)
	c.s.len += int64(n)
	return n, err
}

// Write implements Sink.
func (s *LinesSink) Write(r *results.Record) error { return s.w.Write(r) }

// Sync implements Sink.
func (s *LinesSink) Sync() (int64, error) {
	if err := s.b.Flush(); err != nil {
		return 0, err
	}
	return s.len, s.f.Sync()
}

// Close implements Sink.
func (s *LinesSink) Close() error { return errors.Join(s.b.Flush(), s.f.Close()) }

// StreamSink writes JSON Lines to a stream, such as a pipe.
type StreamSink struct {
	b *bufio.Writer
	w *results.Writer
}

// NewStreamSink returns a StreamSink of w.
func NewStreamSink(w io.Writer) *StreamSink {
	b := bufio.NewWriterSize(w, 1<<16)
	return &StreamSink{b, results.NewWriter(b)}
}

// Write implements Sink.
func (s *StreamSink) Write(r *results.Record) error { return s.w.Write(r) }

// Sync implements Sink.
func (s *StreamSink) Sync() (int64, error) { return -1, s.b.Flush() }

// Close implements Sink.
func (s *StreamSink) Close() error { return s.b.Flush() }
