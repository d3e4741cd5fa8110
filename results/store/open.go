package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"pathmtu/results"
)

// Stdin is the name of standard input.
const Stdin = "-"

// File reads the records of one file. Errors name the file, and the line or row
// where there is one. It isn't safe for concurrent use.
type File struct {
	name   string
	format Format
	r      Reader
	close  []func() error
}

// mostWindow bounds the memory that a zstd file may ask for, in bytes.
const mostWindow = 64 << 20

// Open opens a file, or stdin if it is called "-". What is in it decides how it
// is read, not its name.
func Open(name string, stdin io.Reader) (*File, error) {
	f := &File{name: name}
	in := stdin
	if name == Stdin {
		f.name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, err // names the file
		}
		f.close = append(f.close, file.Close)
		if s, err := file.Stat(); err == nil && s.IsDir() {
			return nil, errors.Join(fmt.Errorf("%s: is a directory", name), f.Close())
		}
		in = file
	}
	if err := f.open(in); err != nil {
		return nil, errors.Join(&FileError{f.name, err}, f.Close())
	}
	return f, nil
}

func (f *File) open(in io.Reader) error {
	b := bufio.NewReaderSize(in, 64<<10)
	head, err := peek(b, 4)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return err
		}
		b = bufio.NewReaderSize(z, 64<<10)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		f.close = append(f.close, func() error { z.Close(); return nil })
		b = bufio.NewReaderSize(z, 64<<10)
	case string(head) == parquetMagic:
		return f.openParquet(in, b)
	}
	return f.openText(b)
}

// openText tells the formats that are text by their first character.
func (f *File) openText(b *bufio.Reader) error {
	head, err := peek(b, 4096)
	if err != nil {
		return err
	}
	if mark := []byte("\xef\xbb\xbf"); bytes.HasPrefix(head, mark) { // that some spreadsheets write
		if _, err := b.Discard(len(mark)); err != nil {
			return err
		}
		head = head[len(mark):]
	}
	switch head = bytes.TrimLeft(head, " \t\r\n"); {
	case len(head) == 0, head[0] == '{':
		f.format, f.r = JSONL, results.NewReader(b)
	case head[0] == '[':
		f.format, f.r = PTO, results.NewPTOReader(b)
	case head[0] >= 'a' && head[0] <= 'z', head[0] == '"':
		f.format, f.r = CSV, results.NewCSVReader(b)
	default:
		return fmt.Errorf("begins with %.16q: neither JSON Lines, CSV, Parquet nor observations", head)
	}
	return nil
}

// openParquet needs a file: what comes as a stream is copied to one.
func (f *File) openParquet(in io.Reader, b *bufio.Reader) error {
	file, ok := in.(*os.File)
	if ok {
		s, err := file.Stat()
		ok = err == nil && s.Mode().IsRegular() && f.name != "standard input"
	}
	if !ok {
		tmp, err := os.CreateTemp("", "pmtu-*.parquet")
		if err != nil {
			return err
		}
		f.close = append(f.close, func() error { return errors.Join(tmp.Close(), os.Remove(tmp.Name())) })
		if _, err := io.Copy(tmp, b); err != nil {
			return err
		}
		file = tmp
	}
	s, err := file.Stat()
	if err != nil {
		return err
	}
	r, err := openParquet(file, s.Size())
	if err != nil {
		return err
	}
	f.format, f.r = Parquet, r
	f.close = append(f.close, r.Close)
	return nil
}

// peek returns the next bytes, fewer at the end.
func peek(b *bufio.Reader, n int) ([]byte, error) {
	head, err := b.Peek(n)
	if err == io.EOF {
		err = nil
	}
	return head, err
}

// Name returns the file's name, for people.
func (f *File) Name() string { return f.name }

// Format returns what the file was recognised as.
func (f *File) Format() Format { return f.format }

// Read implements Reader. Errors other than io.EOF are *FileError; see
// OfOneRecord.
func (f *File) Read() (*results.Record, error) {
	r, err := f.r.Read()
	if err != nil && err != io.EOF {
		err = &FileError{f.name, err}
	}
	return r, err
}

// OfOneRecord says whether an error of Read is about one record alone, so that
// reading may go on after it.
func OfOneRecord(err error) bool {
	var line *results.LineError
	var row *RowError
	return errors.As(err, &line) || errors.As(err, &row)
}

// Close closes the file.
func (f *File) Close() error {
	var all []error
	for i := len(f.close) - 1; i >= 0; i-- {
		all = append(all, f.close[i]())
	}
	f.close = nil
	return errors.Join(all...)
}
