package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/plpmtud"
	"pathmtu/results"
	"pathmtu/results/resultstest"
	"pathmtu/results/store"
)

// shards writes records to two files of different formats, with some in both,
// and returns the files' names.
func shards(t *testing.T, all []*results.Record) (dir string, files []string) {
	dir = t.TempDir()
	half := len(all) / 2
	for name, part := range map[string][]*results.Record{"a.jsonl.zst": all[:half+10], "b.parquet": all[half:]} {
		name = filepath.Join(dir, name)
		require.NoError(t, store.Create(name, func(w *store.Writer) error {
			for _, r := range part {
				if err := w.Write(r); err != nil {
					return err
				}
			}
			return nil
		}))
		files = append(files, name)
	}
	return dir, files
}

type reportJSON struct {
	Input struct {
		Records, Targets, Identical, Superseded, Files, Bad int64
	}
	Summary struct{ Targets, Measured int64 }
}

func TestReport(t *testing.T) {
	all := resultstest.Survey(1, 400)
	dir, files := shards(t, all)
	at := func(name string) string { return filepath.Join(dir, name) }
	code, out, errOut := call(append([]string{"report", "--html", at("r.html"), "--plots", at("plots"), "--prior", at("prior.txt"), "--title", "Test"}, files...)...)
	require.Equal(t, exitOK, code, errOut)
	assert.Contains(t, out, "400 targets, of which")
	assert.Contains(t, errOut, "10 of 410 records are not counted: 10 are there twice, 0 are superseded")

	page, err := os.ReadFile(at("r.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<title>Test</title>")
	assert.Contains(t, string(page), "10 of 410 records are not counted")
	for _, end := range []string{"svg", "png"} {
		plots, err := filepath.Glob(at("plots/*." + end))
		require.NoError(t, err)
		assert.Len(t, plots, 10)
	}

	code, out, _ = call(append([]string{"report", "--json", "--family", "6"}, files...)...)
	require.Equal(t, exitOK, code)
	var six reportJSON
	require.NoError(t, json.Unmarshal([]byte(out), &six))
	want := int64(0)
	for _, r := range all {
		if r.Family == 6 {
			want++
		}
	}
	assert.Equal(t, want, six.Summary.Targets)
	assert.EqualValues(t, 2, six.Input.Files)
}

// TestReportPrior: the prior that is written is one that the library loads, and
// says what was measured.
func TestReportPrior(t *testing.T) {
	all := resultstest.Survey(2, 2000)
	dir, files := shards(t, all)
	name := filepath.Join(dir, "prior.txt")
	code, _, errOut := call(append([]string{"report", "--prior", name}, files...)...)
	require.Equal(t, exitOK, code, errOut)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	prior, err := plpmtud.ParsePrior(bytes.NewReader(text))
	require.NoError(t, err)
	used, full := 0, 0
	for _, r := range all {
		if r.PMTU != nil && r.Verdict != results.ResponderLimit {
			used++
			if *r.PMTU == 1500 {
				full++
			}
		}
	}
	sizes := 0
	for size, share := range prior.All() {
		sizes++
		if size == 1500 {
			assert.InDelta(t, float64(full)/float64(used), share, 0.01)
		}
	}
	assert.Equal(t, 65535-68+1, sizes, "nothing is impossible")
	_, err = plpmtud.New(plpmtud.Config{Overhead: 28, Search: plpmtud.OptimalFor(prior)})
	require.NoError(t, err)
	var again bytes.Buffer
	_, err = prior.WriteTo(&again)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(text), again.String()), "read and written it stays the same")
	assert.Contains(t, string(text), "# Measured: ")
}

// TestReportMerge: whatever the format, what is merged holds each target once,
// and merging what was merged changes nothing.
func TestReportMerge(t *testing.T) {
	dir, files := shards(t, resultstest.Survey(3, 120))
	lines := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	first := filepath.Join(dir, "first.jsonl")
	code, _, errOut := call(append([]string{"report", "--merge", first}, files...)...)
	require.Equal(t, exitOK, code, errOut)
	assert.Equal(t, 120, strings.Count(lines(first), "\n"))
	for _, name := range []string{"m.parquet", "m.csv", "m.csv.gz", "m.jsonl.zst"} {
		other, again := filepath.Join(dir, name), filepath.Join(dir, "again.jsonl")
		code, _, errOut = call("report", "--merge", other, first)
		require.Equal(t, exitOK, code, errOut)
		code, _, errOut = call("report", "--merge", again, other, first)
		require.Equal(t, exitOK, code, errOut)
		assert.Equal(t, lines(first), lines(again), name)
		assert.Contains(t, errOut, "120 of 240 records are not counted: 120 are there twice")
	}
	code, _, errOut = call("report", "--merge", first, first)
	require.Equal(t, exitOK, code, errOut)
	assert.Equal(t, 120, strings.Count(lines(first), "\n"), "a file may be merged into itself")
}

func callWith(stdin string, args ...string) (code int, out, errOut string) {
	var o, e strings.Builder
	code = Main(args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

func TestReportStandardInput(t *testing.T) {
	var b bytes.Buffer
	w := results.NewWriter(&b)
	for _, r := range resultstest.Survey(4, 5) {
		require.NoError(t, w.Write(r))
	}
	for _, args := range [][]string{{"report"}, {"report", "-"}} {
		code, out, errOut := callWith(b.String(), args...)
		assert.Equal(t, exitOK, code, errOut)
		assert.Contains(t, out, "5 targets")
	}
	code, out, _ := callWith("", "report")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "0 targets")
}

func TestReportErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	good := `{"schema":1,"target":"192.0.2.1","family":4,"verdict":"ok","direction":"forward","pmtu":1400}` + "\n"
	bad := file("bad.jsonl", good+"nonsense\n"+good)
	newer := file("newer.jsonl", strings.Replace(good, `"schema":1`, `"schema":99,"news":true`, 1))
	limits := file("limits.jsonl", strings.Replace(good, `"ok"`, `"responder-limit"`, 1))
	merged := filepath.Join(dir, "merged.jsonl")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--family 5: want 4, 6", []string{"--family", "5", bad}},
		{exitUsage, "--rows 0: want 1 to 1000", []string{"--rows", "0", bad}},
		{exitUsage, `--merge "x.xml": the extension says no format`, []string{"--merge", "x.xml", bad}},
		{exitUsage, "none.jsonl: no such file", []string{filepath.Join(dir, "none.jsonl")}},
		{exitUsage, "unknown flag", []string{"--nothing"}},
		{exitNotMeasured, "bad.jsonl: line 2: invalid character", []string{"--merge", merged, bad}},
		{exitNotMeasured, "1 bad records were left out", []string{"--skip-bad", bad}},
		{exitNotMeasured, fmt.Sprintf(`newer.jsonl: record of "192.0.2.1": schema is 99, newer than %d: --merge would lose`, results.Schema), []string{"--merge", merged, newer}},
		{exitNotMeasured, "prior.txt: no record has a path MTU that says what a path carries", []string{"--prior", filepath.Join(dir, "prior.txt"), limits}},
		{exitNotMeasured, "is a directory", []string{dir}},
	} {
		code, _, errOut := call(append([]string{"report"}, c.args...)...)
		assert.Equal(t, c.code, code, "%v: %s", c.args, errOut)
		assert.Contains(t, errOut, c.want)
	}
	assert.NoFileExists(t, merged)
	assert.NoFileExists(t, filepath.Join(dir, "prior.txt"))
	code, out, errOut := call("report", newer)
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "1 targets")
	assert.Contains(t, errOut, fmt.Sprintf("1 records have a newer schema than %d", results.Schema))
	_, out, errOut = call("report", "--skip-bad", bad)
	assert.Contains(t, out, "1 targets")
	assert.Contains(t, errOut, "left out: "+bad+": line 2")
}

// TestReportCountsTheLastFinalRecord: an interrupted measurement doesn't hide an
// older one that came to an end; vantage points can be told apart.
func TestReportCountsTheLastFinalRecord(t *testing.T) {
	old, late, elsewhere := resultstest.Example(), resultstest.Example(), resultstest.Example()
	late.Time = late.Time.Add(time.Hour)
	late.PMTU, late.Verdict, late.Error, late.Methods = nil, results.NoVerdict, results.Interrupted, nil
	elsewhere.Vantage.Name = "there"
	var b bytes.Buffer
	w := results.NewWriter(&b)
	for _, r := range []*results.Record{late, old, elsewhere} {
		require.NoError(t, w.Write(r))
	}
	code, out, _ := callWith(b.String(), "report", "--json")
	require.Equal(t, exitOK, code)
	var got reportJSON
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.EqualValues(t, 1, got.Summary.Measured)
	assert.EqualValues(t, 2, got.Input.Superseded)
	_, out, _ = callWith(b.String(), "report", "--json", "--by-vantage")
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.EqualValues(t, 2, got.Summary.Measured)
}

// TestReportByVantage: what workers at different places found of the same targets
// is shown side by side where it differs, whatever the order of records.
func TestReportByVantage(t *testing.T) {
	var b bytes.Buffer
	w := results.NewWriter(&b)
	for _, vantage := range []string{"nrt", "ams"} {
		for i, r := range resultstest.Survey(5, 60) {
			r.Vantage.Name, r.Worker = vantage, &results.Worker{ID: "worker-" + vantage, Epoch: 1}
			if i%20 == 0 && vantage == "nrt" {
				size := 1300
				r.PMTU, r.Verdict, r.Error = &size, results.OKSilent, ""
			}
			require.NoError(t, w.Write(r))
		}
	}
	code, out, errOut := callWith(b.String(), "report", "--by-vantage")
	require.Equal(t, exitOK, code, errOut)
	assert.Regexp(t, `(?m)^  the same +57  95\.0 %$`, out)
	assert.Regexp(t, `(?m)^  another path MTU +3 `, out)
	assert.Regexp(t, `(?m)^  target +ams +nrt$`, out)
	assert.Equal(t, 3, strings.Count(out, "1300 ok-silent\n"))
	code, out, _ = callWith(b.String(), "report", "--by-vantage", "--json")
	require.Equal(t, exitOK, code)
	var got struct {
		Summary struct {
			Agreement struct {
				Targets, Same int64
				Differ        []struct{ Target string }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.EqualValues(t, 60, got.Summary.Agreement.Targets)
	assert.EqualValues(t, 57, got.Summary.Agreement.Same)
	assert.Len(t, got.Summary.Agreement.Differ, 3)
	_, out, _ = callWith(b.String(), "report")
	assert.NotContains(t, out, "vantage points differ", "one record of each target counts")
}
