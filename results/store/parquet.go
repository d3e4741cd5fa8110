package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"pathmtu/results"
)

const (
	parquetMagic  = "PAR1"
	schemaKey     = "pathmtu.schema" // in the file's metadata
	parquetBatch  = 256              // rows that are read or written together
	rowGroup      = 1 << 16          // rows: bounds the memory of a writer
	mostFooter    = 64 << 20         // bytes of metadata
	mostRowGroups = 1 << 16
)

// parquetWriter writes records, one row for each.
type parquetWriter struct {
	w    *parquet.GenericWriter[results.Record]
	rows []results.Record
}

func newParquetWriter(w io.Writer) *parquetWriter {
	return &parquetWriter{w: parquet.NewGenericWriter[results.Record](w,
		parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.KeyValueMetadata(schemaKey, strconv.Itoa(results.Schema)),
	)}
}

func (w *parquetWriter) Write(r *results.Record) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("record of %q: %w", r.Target, err)
	}
	w.rows = append(w.rows, *r.Canonical())
	if len(w.rows) == parquetBatch {
		return w.flush()
	}
	return nil
}

func (w *parquetWriter) flush() error {
	_, err := w.w.Write(w.rows)
	w.rows = w.rows[:0]
	return err
}

func (w *parquetWriter) Close() error { return errors.Join(w.flush(), w.w.Close()) }

// parquetReader reads what parquetWriter writes, a batch at a time.
type parquetReader struct {
	r    *parquet.GenericReader[results.Record]
	rows []results.Record // read, not yet handed on
	buf  []results.Record
	row  int64 // of the last record handed on
	end  error
}

// openParquet opens a Parquet file. What its metadata claims is checked against
// its size before anything is allocated for it.
func openParquet(file io.ReaderAt, size int64) (r *parquetReader, err error) {
	defer caught(&err)
	var tail [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%d bytes are too few for a Parquet file", size)
	}
	if _, err := file.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if string(tail[4:]) != parquetMagic {
		return nil, errors.New("the end of a Parquet file is missing: it was not closed, or cut")
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 || n > mostFooter {
		return nil, fmt.Errorf("%d bytes of Parquet metadata, want at most %d", n, min(size-12, mostFooter))
	}
	f, err := parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if n := len(f.Metadata().RowGroups); n > mostRowGroups {
		return nil, fmt.Errorf("%d row groups, want at most %d", n, mostRowGroups)
	}
	for i, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			m := c.MetaData
			if m.TotalCompressedSize < 0 || m.TotalCompressedSize > size {
				return nil, fmt.Errorf("row group %d: a column of %d bytes in a file of %d", i+1, m.TotalCompressedSize, size)
			}
		}
	}
	for _, name := range []string{"schema", "target", "family", "verdict", "direction"} {
		if _, ok := f.Schema().Lookup(name); !ok {
			return nil, fmt.Errorf("no column %q: this is not a Parquet file of records", name)
		}
	}
	return &parquetReader{
		r:   parquet.NewGenericReader[results.Record](f),
		buf: make([]results.Record, parquetBatch),
	}, nil
}

func (r *parquetReader) Read() (*results.Record, error) {
	if len(r.rows) == 0 {
		if r.end != nil {
			return nil, r.end
		}
		n, err := r.fill()
		r.rows, r.end = r.buf[:n], err
		if n == 0 && err == nil {
			r.end = errors.New("a Parquet file that yields no rows")
		}
		if n == 0 {
			return nil, r.end
		}
	}
	rec := &r.rows[0]
	r.rows = r.rows[1:]
	r.row++
	if err := rec.Validate(); err != nil {
		return nil, &RowError{r.row, err}
	}
	return rec.Canonical(), nil
}

func (r *parquetReader) fill() (n int, err error) {
	defer caught(&err)
	clear(r.buf)
	n, err = r.r.Read(r.buf)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("after row %d: %w", r.row, err)
	}
	return n, err
}

func (r *parquetReader) Close() (err error) {
	defer caught(&err)
	return r.r.Close()
}

// caught makes an error of a panic: the Parquet library panics on some files
// that are damaged.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("damaged Parquet file: %v", p)
	}
}
