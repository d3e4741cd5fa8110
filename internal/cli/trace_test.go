package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
	"pathmtu/probe/trace"
	"pathmtu/results"
)

// someTrace is a report with something in every place.
func someTrace() (*results.Record, *trace.Report) {
	pmtu := 1400
	r := &trace.Report{
		Hops: []trace.Hop{
			{Hop: 1, Addr: netip.MustParseAddr("2001:db8::1"), RTT: 1200 * time.Microsecond, Passes: 1500, MinPMTU: 1500, MSS: 1440},
			{Hop: 2, Passes: 1400, Fails: 1401, MinPMTU: -1},
			{Hop: 3, Addr: netip.MustParseAddr("2001:db8::3"), RTT: 5 * time.Millisecond, Passes: 1400, Fails: 1401, MinPMTU: 1400, MSS: 1340, Target: true},
		},
		Shrinks:  []trace.Shrink{{Hop: 1, Next: 3, MTU: 1400, Fails: 1401}},
		Options:  []trace.OptionFate{{Arm: trace.HBHPadding, Fate: trace.Dropped, Hop: 1, Next: 3}, {Arm: trace.HBHMinPMTU, Fate: trace.Lowered}},
		Rewrites: []trace.Rewrite{{Hop: 1, Next: 3, From: 1500, To: 1400}},
	}
	r.End.PMTU, r.End.Verdict, r.End.Confidence = &pmtu, results.OKSilent, 0.9
	r.End.Method.Direction = results.Forward
	rec := &results.Record{Schema: results.Schema, Target: "host", Address: "2001:db8::3", Family: 6, Vantage: results.Vantage{MTU: 1500}}
	r.Fill(rec)
	return rec, r
}

func TestPrintTrace(t *testing.T) {
	rec, r := someTrace()
	var b strings.Builder
	require.NoError(t, printTrace(&b, rec, r))
	lines := strings.Split(b.String(), "\n")
	assert.Contains(t, lines[0], "host (2001:db8::3): path MTU 1400 bytes, ok-silent")
	assert.Equal(t, []string{"hop", "address", "RTT", "carries", "Min-PMTU", "MSS"}, strings.Fields(lines[1]))
	assert.Regexp(t, `^  1 +2001:db8::1 +1.2ms +>=1500 +1500 +1440 +narrows to 1400 \(silent\); last to get hbh-padding; Min-PMTU becomes 1400`, lines[2])
	assert.Regexp(t, `^  2 +\* +1400 +- +-`, lines[3])
	assert.Regexp(t, `^  3 +2001:db8::3 +5ms +1400 +1400 +1340 +target`, lines[4])
	assert.Contains(t, b.String(), "bottleneck  2001:db8::1 (hop 1)")
	assert.Contains(t, b.String(), "option hbh-padding: dropped between hop 1 and hop 3")
	assert.Contains(t, b.String(), "Min-PMTU 1500 becomes 1400 between hop 1 and hop 3")
}

// The JSON line is a record, with one more field.
func TestWriteTrace(t *testing.T) {
	rec, r := someTrace()
	var b bytes.Buffer
	require.NoError(t, writeTrace(&b, rec, r))
	assert.Equal(t, 1, bytes.Count(b.Bytes(), []byte("\n")))
	got, err := results.NewReader(bytes.NewReader(b.Bytes())).Read()
	require.NoError(t, err)
	assert.Equal(t, 1400, *got.PMTU)
	var whole struct{ Trace tracedPath }
	require.NoError(t, json.Unmarshal(b.Bytes(), &whole))
	require.Len(t, whole.Trace.Hops, 3)
	assert.Nil(t, whole.Trace.Hops[1].MinPMTU)
	assert.Equal(t, "hbh-padding", whole.Trace.Options[0].Option)
	rec.Verdict = "nonsense"
	assert.Error(t, writeTrace(&b, rec, r), "what isn't a record is not written")
	assert.Error(t, printTrace(failingWriter{}, rec, r))
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

// On loopback the target is the first hop.
func TestTraceLoopback(t *testing.T) {
	labtest.Need(t, os.Geteuid() == 0, "root")
	for _, addr := range []string{"127.0.0.1", "::1"} {
		name := filepath.Join(t.TempDir(), "x.pcapng")
		var out, errOut bytes.Buffer
		code := Main([]string{"trace", "--json", "--pcap", name, addr}, nil, &out, &errOut)
		require.Zero(t, code, "%s%s", out.String(), errOut.String())
		rec, err := results.NewReader(&out).Read()
		require.NoError(t, err)
		require.NotNil(t, rec.PMTU)
		assert.Greater(t, *rec.PMTU, 60000)
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Greater(t, info.Size(), int64(*rec.PMTU))
	}
}
