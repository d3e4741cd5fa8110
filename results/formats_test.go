package results_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/results"
	"pathmtu/results/resultstest"
)

type reader interface {
	Read() (*results.Record, error)
}

func readAll(t require.TestingT, r reader) []*results.Record {
	var all []*results.Record
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, rec)
	}
}

func draws(t *rapid.T) []*results.Record {
	var all []*results.Record
	for range rapid.IntRange(0, 4).Draw(t, "n") {
		all = append(all, resultstest.Draw(t))
	}
	return all
}

// TestRoundTrips: JSON Lines and CSV hold all of any record.
func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := draws(t)
		var lines, csv bytes.Buffer
		l, c := results.NewWriter(&lines), results.NewCSVWriter(&csv)
		for _, r := range all {
			require.NoError(t, l.Write(r))
			require.NoError(t, c.Write(r))
		}
		require.NoError(t, c.Flush())
		require.Equal(t, all, readAll(t, results.NewReader(&lines)))
		require.Equal(t, all, readAll(t, results.NewCSVReader(&csv)), csv.String())
	})
}

// TestObservationsRoundTrip: what is read from observations makes the same
// observations again, and no PMTU, verdict, direction or grade changes.
func TestObservationsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*results.Record
		for _, r := range draws(t) {
			if r.Observations() != nil {
				all = append(all, r)
			}
		}
		var first, second bytes.Buffer
		for _, r := range all {
			require.NoError(t, results.NewPTOWriter(&first).Write(r))
		}
		text := first.String()
		again := readAll(t, results.NewPTOReader(&first))
		require.Len(t, again, len(all), text)
		for i, r := range again {
			assert.Equal(t, all[i].PMTU, r.PMTU)
			assert.Equal(t, all[i].Verdict, r.Verdict)
			assert.Equal(t, all[i].Direction, r.Direction)
			assert.Equal(t, all[i].AS, r.AS)
			require.Len(t, r.PTB, len(all[i].PTB))
			for k, p := range r.PTB {
				assert.Equal(t, all[i].PTB[k].Grade, p.Grade)
				assert.Equal(t, all[i].PTB[k].MTU, p.MTU)
			}
			require.NoError(t, results.NewPTOWriter(&second).Write(r))
		}
		require.Equal(t, text, second.String())
	})
}

func TestObservations(t *testing.T) {
	r := resultstest.Example()
	var b bytes.Buffer
	require.NoError(t, results.NewPTOWriter(&b).Write(r))
	assert.Equal(t, `["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * AS64500 2001:db8::1","pmtu.verdict.ok",0.99]
["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * 2001:db8::ff * AS64500 2001:db8::1","pmtu.value.round-trip",1420]
["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * AS64500 2001:db8::1","pmtu.method.icmp.ok",1420]
["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * 2001:db8::ff * AS64500 2001:db8::1","pmtu.ptb.exact",1420]
["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * AS64500 2001:db8::1","pmtu.hbh.survived",1420]
["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * AS64500 2001:db8::1","pmtu.truncation.not_survived",1420]
["r1","2026-01-02T03:04:05Z","2026-01-02T03:04:05.09Z","2001:db8::2 * AS64500 2001:db8::1","pmtu.mss.clamped",1380]
`, b.String())
	b.Reset()
	require.NoError(t, results.NewPTOWriter(&b).Write(&results.Record{Schema: 1, Target: "x", Direction: results.Forward, Error: "unknown host"}))
	assert.Empty(t, b.String(), "there is no path")
}

func TestBadObservations(t *testing.T) {
	const good = `["r","2026-01-02T03:04:05Z","2026-01-02T03:04:06Z","* * 192.0.2.1","pmtu.verdict.ok",1]`
	for _, c := range []struct{ line, want string }{
		{`[]`, "0 elements, want set, start"},
		{`["r",1,"2026-01-02T03:04:06Z","a b","x",null]`, "start: "},
		{strings.Replace(good, "* * 192.0.2.1", "x", 1), `path is "x"`},
		{strings.Replace(good, "192.0.2.1", "x", 1), `path is "* * x", want an address`},
		{strings.Replace(good, "* * ", "* * ASx ", 1), `path is "ASx"`},
		{strings.Replace(good, "verdict.ok", "verdict.fine", 1), `verdict is "fine"`},
		{strings.Replace(good, "verdict.ok", "ptb.exact", 1), `condition is "pmtu.ptb.exact", want a verdict`},
		{strings.Replace(good, "05Z", "07Z", 1), "end is "},
		{good + "\n" + strings.Replace(good, "verdict.ok\",1", "value.forward\",1.5", 1), "line 2: value is 1.5"},
		{good + "\n" + strings.Replace(good, "verdict.ok\",1", "value.forward\",null", 1), "line 2: condition"},
		{good + "\n" + strings.Replace(good, "verdict.ok\",1", "value.up\",1500", 1), `direction is "up"`},
	} {
		_, err := results.NewPTOReader(strings.NewReader(c.line + "\n")).Read()
		var le *results.LineError
		if assert.ErrorAs(t, err, &le, c.line) {
			assert.ErrorContains(t, err, c.want)
		}
	}
	all := readAll(t, results.NewPTOReader(strings.NewReader(strings.Replace(good, "pmtu.verdict.ok", "ecn.works", 1)+"\n\n"+good)))
	assert.Len(t, all, 1, "what others observed is ignored")
}

func TestBadCSV(t *testing.T) {
	const header = "schema,target,family,verdict,direction,time,pmtu,bottleneck.hop,hbh.sent,as,confidence,ptb\n"
	const good = "1,x,4,ok,forward,2026-01-02T03:04:05Z,1500,,,,,\n"
	for _, c := range []struct{ text, want string }{
		{"a,b\n", `line 1: no column "schema"`},
		{"schema,target,family,verdict,direction,target\n", `line 1: column "target" comes twice`},
		{header + "1,x\n", "line 2: wrong number of fields"},
		{header + good + "1,x,4,ok,forward,yesterday,,,,,,\n", `line 3: time is "yesterday", want a time as`},
		{header + "1,x,4,ok,forward,,1e3,,,,,\n", `line 2: pmtu is "1e3", want an integer`},
		{header + "1,x,4,ok,forward,,,,maybe,,,\n", `line 2: hbh.sent is "maybe"`},
		{header + "1,x,4,ok,forward,,,,,-1,,\n", `line 2: as is "-1"`},
		{header + "1,x,4,ok,forward,,,,,,much,\n", `line 2: confidence is "much"`},
		{header + "1,x,4,ok,forward,,,,,,,[1\n", `line 2: ptb is "[1", want a list as JSON`},
		{header + "1,x,4,fine,forward,,,,,,,\n", `line 2: verdict is "fine"`},
		{header + good + `1,"`, "line 3: "},
		{header + good + `1,"` + strings.Repeat("x\n", 5*results.MaxLine), "line 3: longer than 1048576 bytes"},
	} {
		r := results.NewCSVReader(strings.NewReader(c.text))
		var err error
		for err == nil {
			_, err = r.Read()
		}
		var le *results.LineError
		if assert.ErrorAs(t, err, &le, "%.99q", c.text) {
			assert.ErrorContains(t, err, c.want)
		}
	}
}

// TestCSVIsPlain: few columns do, in any order, beside others.
func TestCSVIsPlain(t *testing.T) {
	all := readAll(t, results.NewCSVReader(strings.NewReader("pmtu,note,family,target,direction,verdict,schema,bottleneck.evidence\n1400,mine,4,192.0.2.1,forward,ok,2,guess\n")))
	require.Len(t, all, 1)
	assert.Equal(t, 1400, *all[0].PMTU)
	assert.Equal(t, &results.Bottleneck{Evidence: "guess"}, all[0].Bottleneck)
	assert.Nil(t, all[0].HBH)

	var b bytes.Buffer
	w := results.NewCSVWriter(&b)
	require.NoError(t, w.Write(resultstest.Example()))
	require.NoError(t, w.Flush())
	lines := strings.Split(b.String(), "\n")
	assert.Equal(t, strings.Join(results.CSVColumns(), ","), lines[0])
	assert.True(t, strings.HasSuffix(lines[1], ",4,1,4000"), "the sums")
	assert.ErrorContains(t, w.Write(&results.Record{Schema: 1}), `target is ""`)
	long := resultstest.Example()
	long.Evidence = []string{strings.Repeat("x", results.MaxLine)}
	assert.ErrorIs(t, w.Write(long), results.ErrLineTooLong)

	var empty bytes.Buffer
	require.NoError(t, results.NewCSVWriter(&empty).Flush())
	assert.Empty(t, readAll(t, results.NewCSVReader(&empty)))
}

// TestExampleIsFull: the example has every field, so that tests that use it
// notice one that a format forgets.
func TestExampleIsFull(t *testing.T) {
	var walk func(v reflect.Value, at string)
	walk = func(v reflect.Value, at string) {
		assert.False(t, v.IsZero() && v.Kind() != reflect.Bool && at != "truncation.survived", at)
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i), at+"."+v.Type().Field(i).Name)
				}
			}
		}
	}
	walk(reflect.ValueOf(resultstest.Example()), "")
}

func FuzzCSVReader(f *testing.F) {
	var b bytes.Buffer
	w := results.NewCSVWriter(&b)
	require.NoError(f, w.Write(resultstest.Example()))
	require.NoError(f, w.Flush())
	f.Add(b.Bytes())
	f.Add([]byte("schema,target,family,verdict,direction\n1,x,4,ok,forward\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ends(t, results.NewCSVReader(bytes.NewReader(data)), len(data))
	})
}

func FuzzPTOReader(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, results.NewPTOWriter(&b).Write(resultstest.Example()))
	f.Add(b.Bytes())
	f.Add([]byte(`["","2026-01-02T03:04:05Z","2026-01-02T03:04:06Z","* * 192.0.2.1","pmtu.verdict.ok",1]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ends(t, results.NewPTOReader(bytes.NewReader(data)), len(data))
	})
}

// ends checks that a reader comes to an end, and that what it reads can be
// written.
func ends(t *testing.T, r reader, n int) {
	for range 2*n + 2 {
		rec, err := r.Read()
		if err == io.EOF {
			return
		}
		var le *results.LineError
		if errors.As(err, &le) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, results.NewWriter(io.Discard).Write(rec))
		require.Equal(t, rec, rec.Canonical())
	}
	t.Fatal("the reader doesn't come to an end")
}
