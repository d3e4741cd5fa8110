package surveyor

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

func record(target string) *results.Record {
	return &results.Record{Schema: results.Schema, Target: target, Family: 4, Verdict: results.Unresponsive, Direction: results.Forward}
}

// TestLinesFile: what was written after a checkpoint doesn't count.
func TestLinesFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r.jsonl")
	s, err := NewLinesFile(name)
	require.NoError(t, err)
	_, err = NewLinesFile(name)
	require.ErrorIs(t, err, os.ErrExist)
	require.NoError(t, s.Write(record("10.0.0.1")))
	length, err := s.Sync()
	require.NoError(t, err)
	require.NoError(t, s.Write(record("10.0.0.2")))
	require.NoError(t, s.Close())

	s, err = ResumeLinesFile(name, length)
	require.NoError(t, err)
	require.NoError(t, s.Write(record("10.0.0.3")))
	end, err := s.Sync()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	assert.Equal(t, 2*length, end)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Len(t, b, int(end))
	assert.NotContains(t, string(b), "10.0.0.2")
	_, err = ResumeLinesFile(name, end+1)
	assert.ErrorContains(t, err, "bytes long at the checkpoint")
}

func TestStream(t *testing.T) {
	var b bytes.Buffer
	s := NewStreamSink(&b)
	require.NoError(t, s.Write(record("10.0.0.1")))
	n, err := s.Sync()
	require.NoError(t, err)
	assert.EqualValues(t, -1, n, "a run can't go on from a stream")
	require.NoError(t, s.Close())
	r, err := results.NewReader(&b).Read()
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.1", r.Target)
}

func TestCheckpointRoundTrip(t *testing.T) {
	c := Checkpoint{Version: checkpointVersion, Run: "r", Plan: "p", Batch: 3, List: "l", Offset: 77}
	c.setProgress(survey.Progress{Base: 5, Finished: []uint64{1, math.MaxUint64}})
	name := filepath.Join(t.TempDir(), "c")
	b, err := c.Encode()
	require.NoError(t, err)
	require.NoError(t, WriteFile(name, []byte("old")))
	require.NoError(t, WriteFile(name, b))
	got, err := ReadCheckpoint(name)
	require.NoError(t, err)
	require.Equal(t, &c, got)
	p, err := got.progress()
	require.NoError(t, err)
	assert.Equal(t, &survey.Progress{Base: 5, Finished: []uint64{1, math.MaxUint64}}, p)
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing is left beside it")
}

func TestCheckpointErrors(t *testing.T) {
	for want, text := range map[string]string{
		"checkpoint is 9":          `{"checkpoint":9}`,
		"offset is -1":             `{"checkpoint":1,"offset":-1}`,
		"finished is not base 64":  `{"checkpoint":1,"finished":"*"}`,
		"not base 64 of whole":     `{"checkpoint":1,"finished":"AAAA"}`,
		"not a checkpoint":         `[]`,
		"unexpected end of JSON":   `{`,
		"cannot unmarshal":         `{"checkpoint":1,"base":-1}`,
		"not a checkpoint: longer": strings.Repeat(" ", mostCheckpoint+1),
	} {
		_, err := DecodeCheckpoint([]byte(text))
		assert.ErrorIs(t, err, ErrNoCheckpoint)
		assert.ErrorContains(t, err, want)
	}
}

func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(`{"checkpoint":1,"base":7,"finished":"AAAAAAAAAAA=","offset":3}`))
	f.Add([]byte(`{"checkpoint":1,"base":18446744073709551615,"finished":"//////////8="}`))
	l := &survey.List{}
	if err := l.Add("10.0.0.0/24"); err != nil {
		f.Fatal(err)
	}
	set, _, err := survey.Selection{Lab: true}.Select(l)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCheckpoint(b)
		if err != nil {
			return
		}
		p, err := c.progress()
		require.NoError(t, err)
		// An Engine goes on from it, or says why not.
		e, err := survey.New(survey.Config{Link4: 1500, Final: func(survey.Final) {}}, set, p, time.Unix(0, 0))
		if err != nil {
			return
		}
		again := e.Progress()
		c.setProgress(again)
		_, err = c.Encode()
		require.NoError(t, err)
	})
}

func FuzzMeta(f *testing.F) {
	b, err := json.Marshal(Meta{Schema: results.Schema, Run: "r", Args: []string{"survey"}, Timeout: Duration(time.Second), Links: []MetaLink{{Family: 4}}, Status: &Status{Batch: 1}})
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"timeout":"1e9h","links":[null],"status":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			require.Nil(t, m)
			return
		}
		m.Plan.Hash()
	})
}

// TestBatches: any number of lines in bounded pieces, args first.
func TestBatches(t *testing.T) {
	args := &survey.List{}
	require.NoError(t, args.Add("10.0.0.1"))
	b := NewBatches(args, []Input{
		{"a", strings.NewReader("10.0.0.2\n10.0.0.3 # x\n\n10.0.0.3")},
		{"b", strings.NewReader("")},
		{"c", strings.NewReader("127.0.0.1\n10.0.0.9/31\n10.0.0.5\n")},
	}, survey.Selection{Lab: true}, 3)
	var got [][]string
	for {
		s, err := b.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		var one []string
		for i := range s.Len() {
			one = append(one, s.At(i).String())
		}
		got = append(got, one)
	}
	assert.Equal(t, [][]string{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.0.3", "10.0.0.8", "10.0.0.9"}, {"10.0.0.5"}}, got)
	assert.EqualValues(t, 1, b.Blocked)
	bad := NewBatches(nil, []Input{{"list", strings.NewReader("10.0.0.1\nx\n")}}, survey.Selection{}, 10)
	_, err := bad.Next()
	assert.ErrorContains(t, err, `list: line 2: "x"`)
}
