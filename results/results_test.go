package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func size(n int) *int { return &n }

func full() *Record {
	return &Record{
		Schema: Schema, Tool: "pmtu test", Run: "r1", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Target: "example.net", Address: "2001:db8::1", Family: 6,
		Vantage: Vantage{Name: "here", Source: "2001:db8::2", Interface: "eth0", MTU: 1500},
		Methods: []Method{{Method: "icmp", Flow: "a > b", PMTU: size(1420), Verdict: OK, Direction: RoundTrip, ProbesSent: 4, ProbesLost: 1, BytesSent: 4000, RTT: 20000, Elapsed: 90000}},
		PMTU:    size(1420), Verdict: OK, Confidence: 0.99, Direction: RoundTrip,
		Bottleneck: &Bottleneck{Hop: 1, Addr: "2001:db8::ff", Evidence: "Packet Too Big"},
		PTB:        []PTB{{From: "2001:db8::ff", Hop: 1, MTU: 1420, Grade: Exact, Count: 2}},
		Loss:       []Loss{{Size: 1500, Sent: 1, Lost: 1}},
		HBH:        &HBH{Sent: true, Survived: true, MinPMTU: 1420, RewrittenAt: "2001:db8::ff"},
		Truncation: &Truncation{Sent: true, MTU: 1420},
		MSS:        &MSS{Sent: 1440, Received: 1380, Clamped: true, At: "2001:db8::ff"},
		Evidence:   []string{"<b>"},
	}
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	none := &Record{Schema: Schema, Target: "x", Direction: RoundTrip, Error: "unknown host"}
	require.NoError(t, w.Write(full()))
	require.NoError(t, w.Write(none))
	assert.Equal(t, 2, strings.Count(b.String(), "\n"))
	assert.Contains(t, b.String(), `"<b>"`, "not escaped for HTML")
	assert.Contains(t, b.String(), `"pmtu":null`, "null when not confirmed")

	r := NewReader(strings.NewReader("\n" + b.String() + "  \n"))
	got, err := r.Read()
	require.NoError(t, err)
	assert.Equal(t, full(), got)
	got, err = r.Read()
	require.NoError(t, err)
	assert.Equal(t, none, got)
	_, err = r.Read()
	assert.Equal(t, io.EOF, err)
}

func TestLastLineWithoutNewline(t *testing.T) {
	line, err := json.Marshal(full())
	require.NoError(t, err)
	r := NewReader(bytes.NewReader(line))
	_, err = r.Read()
	require.NoError(t, err)
	_, err = r.Read()
	assert.Equal(t, io.EOF, err)
}

func TestBadLines(t *testing.T) {
	good, err := json.Marshal(full())
	require.NoError(t, err)
	long := `{"target":"` + strings.Repeat("x", MaxLine) + `"}`
	r := NewReader(strings.NewReader(string(good) + "\nnonsense\n" + long + "\n" + `{"schema":1,"target":"x","family":5}` + "\n" + string(good) + "\n"))
	_, err = r.Read()
	require.NoError(t, err)
	for _, want := range []string{"line 2: invalid character", "line 3: longer than 1048576 bytes", "line 4: family is 5, want 4 or 6"} {
		_, err = r.Read()
		var le *LineError
		require.ErrorAs(t, err, &le)
		assert.Contains(t, err.Error(), want)
	}
	_, err = r.Read()
	require.NoError(t, err, "reading goes on after a bad line")
	_, err = r.Read()
	assert.Equal(t, io.EOF, err)
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader("{"), errReader{broken}))
	_, err := r.Read()
	assert.ErrorIs(t, err, broken)
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestValidate(t *testing.T) {
	tests := []struct {
		change func(*Record)
		want   string
	}{
		{func(r *Record) { r.Schema = 0 }, "schema is 0, want 1 or more"},
		{func(r *Record) { r.Target = "" }, `target is "", want a name or an address`},
		{func(r *Record) { r.Family = 0 }, "family is 0, want 4 or 6"},
		{func(r *Record) { r.Verdict = "fine" }, `verdict is "fine", want one of ok, ok-silent`},
		{func(r *Record) { r.Verdict = NoVerdict }, `verdict is ""`},
		{func(r *Record) { r.Verdict, r.Error = NoVerdict, "interrupted" }, "pmtu is 1420, want null without a verdict"},
		{func(r *Record) { r.Verdict = Unresponsive }, `pmtu is 1420, want null beside verdict "unresponsive"`},
		{func(r *Record) { r.Direction = "up" }, `direction is "up", want one of forward, round-trip`},
		{func(r *Record) { r.Confidence = 1.5 }, "confidence is 1.5, want 0 to 1"},
		{func(r *Record) { r.PMTU = size(0) }, "pmtu is 0, want 1 to"},
		{func(r *Record) { r.Worker = &Worker{} }, `worker.id is "", want a worker's name`},
		{func(r *Record) { r.Worker = &Worker{ID: "w", PID: -1} }, "worker.pid is -1, want 0 to"},
		{func(r *Record) { r.Worker = &Worker{ID: "w", ClockOffset: new(int64)} }, "worker.clock_offset_us is 0, want null without worker.clock_error_us"},
		{func(r *Record) { r.Worker = &Worker{ID: "w", ClockError: new(int64)} }, "worker.clock_error_us is 0, want null without worker.clock_offset_us"},
		{func(r *Record) {
			e := int64(-1)
			r.Worker = &Worker{ID: "w", ClockOffset: new(int64), ClockError: &e}
		}, "worker.clock_error_us is -1, want 0 to"},
		{func(r *Record) {
			o := int64(1) << 51
			r.Worker = &Worker{ID: "w", ClockOffset: &o, ClockError: new(int64)}
		}, "worker.clock_offset_us is 2251799813685248, want -1125899906842624 to"},
		{func(r *Record) { r.Methods[0].Method = "" }, `methods[0].method is ""`},
		{func(r *Record) { r.Methods[0].Verdict = "x" }, `methods[0].verdict is "x"`},
		{func(r *Record) { r.Methods[0].ProbesLost = 9 }, "methods[0].probes_lost is 9, want 0 to probes_sent (4)"},
		{func(r *Record) { r.PTB[0].Grade = "x" }, `ptb[0].grade is "x", want one of exact`},
		{func(r *Record) { r.Loss[0].Lost = 2 }, "loss[0].lost is 2, want 0 to sent (1)"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			r := full()
			test.change(r)
			assert.ErrorContains(t, r.Validate(), test.want)
			assert.ErrorContains(t, NewWriter(io.Discard).Write(r), test.want, "a Writer refuses it")
		})
	}
	require.NoError(t, full().Validate())
}

// TestSchemaPage: every JSON field and every value of the closed sets is on the page.
func TestSchemaPage(t *testing.T) {
	page, err := os.ReadFile("SCHEMA.md")
	require.NoError(t, err)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			assert.Contains(t, string(page), "`"+name+"`", "%v.%s", typ, name)
			walk(typ.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Record]())
	for _, v := range Verdicts() {
		assert.Contains(t, string(page), "| `"+string(v)+"` |")
	}
	for _, g := range Grades() {
		assert.Contains(t, string(page), "| `"+string(g)+"` |")
	}
}

func FuzzReader(f *testing.F) {
	good, err := json.Marshal(full())
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte("{}\n[]\n\x00"))
	f.Add([]byte(`{"schema":1,"target":"x","family":4,"verdict":"ok","direction":"forward","pmtu":1500}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data))
		for range len(data) + 2 {
			rec, err := r.Read()
			if err == io.EOF {
				return
			}
			var le *LineError
			if errors.As(err, &le) {
				continue
			}
			require.NoError(t, err)
			var b bytes.Buffer
			require.NoError(t, NewWriter(&b).Write(rec), "what was read can be written")
			again, err := NewReader(&b).Read()
			require.NoError(t, err)
			require.Equal(t, rec.PMTU, again.PMTU)
			require.Equal(t, rec.Verdict, again.Verdict)
		}
		t.Fatal("the reader doesn't come to an end")
	})
}
