package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/results"
	"pathmtu/results/resultstest"
)

func readAll(t require.TestingT, name string, stdin io.Reader) []*results.Record {
	f, err := Open(name, stdin)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var all []*results.Record
	for {
		r, err := f.Read()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, r)
	}
}

func writeAll(all []*results.Record) func(*Writer) error {
	return func(w *Writer) error {
		for _, r := range all {
			if err := w.Write(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func draws(t *rapid.T, most int) []*results.Record {
	var all []*results.Record
	for range rapid.IntRange(0, most).Draw(t, "n") {
		all = append(all, resultstest.Draw(t))
	}
	return all
}

// TestRoundTrips: from any lossless format to any other, compressed or not,
// from a file or standard input, and under any name, records stay the same.
func TestRoundTrips(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a.jsonl", "a.ndjson.gz", "a.json.zst", "a.csv", "a.CSV.gz", "a.csv.zst", "a.parquet"}
	rapid.Check(t, func(t *rapid.T) {
		all := draws(t, 3)
		want := all
		for range 2 {
			name := filepath.Join(dir, rapid.SampledFrom(names).Draw(t, "name"))
			require.NoError(t, Create(name, writeAll(all)))
			if rapid.Bool().Draw(t, "stdin") {
				file, err := os.Open(name)
				require.NoError(t, err)
				all = readAll(t, Stdin, file)
				require.NoError(t, file.Close())
			} else {
				other := filepath.Join(dir, "nameless")
				require.NoError(t, os.Rename(name, other))
				all = readAll(t, other, nil)
			}
			require.Equal(t, want, all)
		}
	})
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files")
}

// TestManyRows: more than a batch, and more than a row group's page.
func TestManyRows(t *testing.T) {
	var all []*results.Record
	for i := range 3*parquetBatch + 7 {
		r := resultstest.Example()
		r.AS = uint32(i + 1)
		all = append(all, r)
	}
	name := filepath.Join(t.TempDir(), "x.parquet")
	require.NoError(t, Create(name, writeAll(all)))
	assert.Equal(t, all, readAll(t, name, nil))
	info, err := os.Stat(name)
	require.NoError(t, err)
	t.Logf("%d bytes for %d records", info.Size(), len(all))
}

// TestOlderParquet: a file whose writer didn't know of some fields is read
// without them.
func TestOlderParquet(t *testing.T) {
	type older struct {
		Schema    int               `parquet:"schema"`
		Target    string            `parquet:"target"`
		Family    int               `parquet:"family"`
		Verdict   results.Verdict   `parquet:"verdict"`
		Direction results.Direction `parquet:"direction"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[older](&b)
	_, err := w.Write([]older{{2, "192.0.2.1", 4, results.Unresponsive, results.Forward}})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	all := readAll(t, Stdin, &b)
	require.Len(t, all, 1)
	assert.Equal(t, "192.0.2.1", all[0].Target)
	assert.Nil(t, all[0].Worker)
	assert.Nil(t, all[0].PMTU)
}

func TestObservationsAreRecognised(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.pto.ndjson.gz")
	require.NoError(t, Create(name, writeAll([]*results.Record{resultstest.Example()})))
	all := readAll(t, name, nil)
	require.Len(t, all, 1)
	assert.Equal(t, 1420, *all[0].PMTU)
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{"x.jsonl": JSONL, "a/b.csv.zst": CSV, "x.PARQUET": Parquet, "x.pto": PTO, "x.pto.jsonl.gz": PTO} {
		got, err := FormatOf(name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	for name, want := range map[string]string{
		"x": `"x": the extension says no format`, "x.gz": `"x.gz": the extension says`, "x.parquet.gz": "Parquet is compressed inside",
	} {
		_, err := FormatOf(name)
		assert.ErrorContains(t, err, want)
		assert.Error(t, Create(name, nil))
	}
	_, err := NewWriter(io.Discard, "xml")
	assert.ErrorContains(t, err, `format is "xml", want jsonl, csv`)
}

// TestErrorsNameFileAndLine in every format.
func TestErrorsNameFileAndLine(t *testing.T) {
	dir := t.TempDir()
	parquet := parquetBytes(t, 1)
	for _, c := range []struct{ name, content, want string }{
		{"a", "{\"schema\":1,\"target\":\"x\",\"family\":5}\n", "a: line 1: family is 5"},
		{"b", "\xef\xbb\xbfschema,target,family,verdict,direction\n1,x,5,ok,forward\n", "b: line 2: family is 5"},
		{"c", "\n\n[]\n", "c: line 3: 0 elements"},
		{"d", "\x89PNG", `d: begins with "\x89PNG"`},
		{"e", "PAR1xx", "e: 6 bytes are too few"},
		{"f", string(parquet[:len(parquet)-1]), "f: the end of a Parquet file is missing"},
		{"g", "PAR1" + strings.Repeat("x", 20) + "\xff\xff\xff\x7fPAR1", "g: 2147483647 bytes of Parquet metadata"},
		{"h", "\x1f\x8b\x00", "h: "},
		{"i", "\x28\xb5\x2f\xfdxxxxxxxxx", "i: "},
	} {
		name := filepath.Join(dir, c.name)
		require.NoError(t, os.WriteFile(name, []byte(c.content), 0o600))
		f, err := Open(name, nil)
		if err == nil {
			_, err = f.Read()
			require.NoError(t, f.Close())
		}
		var fe *FileError
		if assert.ErrorAs(t, err, &fe, c.name) {
			assert.ErrorContains(t, err, filepath.Join(dir, c.want))
		}
	}
	_, err := Open(filepath.Join(dir, "none"), nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(dir, nil)
	assert.ErrorContains(t, err, "is a directory")
	assert.Empty(t, readAll(t, Stdin, strings.NewReader("")))
}

func TestBadRowIsNamed(t *testing.T) {
	rows := []results.Record{*resultstest.Example(), *resultstest.Example(), *resultstest.Example()}
	rows[1].Verdict = "fine"
	var b bytes.Buffer
	w := newParquetWriter(&b)
	w.rows = rows
	require.NoError(t, w.Close())
	r, err := openParquet(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	_, err = r.Read()
	require.NoError(t, err)
	_, err = r.Read()
	assert.ErrorContains(t, err, `row 2: verdict is "fine"`)
	assert.True(t, OfOneRecord(err))
	_, err = r.Read()
	require.NoError(t, err, "reading goes on")
	_, err = r.Read()
	assert.Equal(t, io.EOF, err)
}

// TestCreateIsAllOrNothing: what was there stays until all is written.
func TestCreateIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x.jsonl")
	require.NoError(t, Create(name, writeAll([]*results.Record{resultstest.Example()})))
	broken := errors.New("broken")
	assert.ErrorIs(t, Create(name, func(*Writer) error { return broken }), broken)
	assert.ErrorContains(t, Create(name, writeAll([]*results.Record{{}})), "schema is 0")
	assert.Len(t, readAll(t, name, nil), 1)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
	assert.ErrorContains(t, Create(filepath.Join(dir, "none", "x.csv"), nil), "no such file")
	require.NoError(t, Replace(os.DevNull, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }))
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.False(t, info.Mode().IsRegular(), "a device stays one")
}

func parquetBytes(t require.TestingT, n int) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, Parquet)
	require.NoError(t, err)
	for range n {
		require.NoError(t, w.Write(resultstest.Example()))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestCutParquet: every prefix of a good file is an error.
func TestCutParquet(t *testing.T) {
	whole := parquetBytes(t, 2)
	for n := range whole {
		_, err := openParquet(bytes.NewReader(whole[:n]), int64(n))
		assert.Error(t, err, n)
	}
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetBytes(f, 1))
	f.Add(parquetBytes(f, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := openParquet(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for range 1000 {
			rec, err := r.Read()
			if err != nil && !OfOneRecord(err) {
				break
			}
			if err == nil {
				require.NoError(t, rec.Validate())
			}
		}
		_ = r.Close()
	})
}

func FuzzOpen(f *testing.F) {
	for _, format := range []Format{JSONL, CSV, PTO} {
		var b bytes.Buffer
		w, err := NewWriter(&b, format)
		require.NoError(f, err)
		require.NoError(f, w.Write(resultstest.Example()))
		require.NoError(f, w.Close())
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(Stdin, bytes.NewReader(data))
		if err != nil {
			return
		}
		for range 2*len(data) + 2 {
			if _, err := file.Read(); err != nil && !OfOneRecord(err) {
				require.NoError(t, file.Close())
				return
			}
		}
		if file.Format() != Parquet { // rows may be many in few bytes
			t.Fatal("doesn't come to an end")
		}
	})
}
