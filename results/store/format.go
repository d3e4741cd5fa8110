package store

import (
	"fmt"
	"strings"

	"pathmtu/results"
)

// Format is a way to keep records.
type Format string

const (
	JSONL   Format = "jsonl"
	CSV     Format = "csv"
	Parquet Format = "parquet"
	PTO     Format = "pto" // says less than a record
)

// compression of a file.
type compression string

const (
	plain compression = ""
	gz    compression = "gzip"
	zst   compression = "zstd"
)

// extensions, the longest first.
var extensions = []struct {
	end    string
	format Format
}{
	{".pto.ndjson", PTO}, {".pto.jsonl", PTO}, {".pto", PTO},
	{".jsonl", JSONL}, {".ndjson", JSONL}, {".json", JSONL},
	{".csv", CSV}, {".parquet", Parquet},
}

// Extensions describes what FormatOf knows.
const Extensions = ".jsonl, .csv or .pto, each also with .gz or .zst after it, or .parquet"

// FormatOf returns the format that a file's name asks for.
func FormatOf(name string) (Format, error) {
	f, _, err := formatOf(name)
	return f, err
}

func formatOf(name string) (Format, compression, error) {
	base, c := strings.ToLower(name), plain
	for end, kind := range map[string]compression{".gz": gz, ".zst": zst} {
		if s, ok := strings.CutSuffix(base, end); ok {
			base, c = s, kind
			break
		}
	}
	for _, e := range extensions {
		if strings.HasSuffix(base, e.end) {
			if e.format == Parquet && c != plain {
				return "", plain, fmt.Errorf("%q: Parquet is compressed inside: want .parquet alone", name)
			}
			return e.format, c, nil
		}
	}
	return "", plain, fmt.Errorf("%q: the extension says no format: want %s", name, Extensions)
}

// Reader reads records. The records are in the form of Record.Canonical. At the
// end it returns io.EOF. A *results.LineError or *RowError is about one record:
// reading may go on after it.
type Reader interface {
	Read() (*results.Record, error)
}

// FileError says in which file something is wrong, and where and what.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// RowError says which row of a Parquet file is bad, and why.
type RowError struct {
	Row int64 // the first is 1
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d: %v", e.Row, e.Err) }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }
