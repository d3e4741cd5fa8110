package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/plpmtud"
)

// run drives a path that carries 1400 bytes of PL size to a finished search,
// then into a black hole.
func run(t *testing.T, trace func(plpmtud.Event)) {
	p, err := plpmtud.New(plpmtud.Config{Overhead: 28, Search: plpmtud.Binary{}, Trace: trace})
	require.NoError(t, err)
	now := time.Unix(1e9, 0)
	p.Start(now, 1200)
	for range 50 {
		now = now.Add(50 * time.Millisecond)
		if probe, ok := p.Poll(now); ok && probe.Size <= 1400 {
			p.Acked(now, probe.ID)
		} else if ok {
			p.Lost(now, probe.ID)
		}
	}
	require.Equal(t, plpmtud.SearchComplete, p.State())
	p.Hint(now, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: 9000})
	p.BlackHole(now)
}

func TestSlog(t *testing.T) {
	var out bytes.Buffer
	run(t, Slog(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	counts := map[string]int{}
	for line := range bytes.Lines(out.Bytes()) {
		var r map[string]any
		require.NoError(t, json.Unmarshal(line, &r))
		counts[r["msg"].(string)+" "+r["level"].(string)]++
		require.NotEmpty(t, r["cause"])
	}
	require.Positive(t, counts["plpmtud probe-sent DEBUG"])
	require.Positive(t, counts["plpmtud plpmtu INFO"])
	require.Positive(t, counts["plpmtud hint-ignored DEBUG"])
	require.Equal(t, 1, counts["plpmtud state WARN"], "the black hole")

	out.Reset()
	run(t, Slog(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	require.Empty(t, out.String(), "an expected event is not an error")
}

func TestQlog(t *testing.T) {
	var out bytes.Buffer
	q := NewQlog(&out)
	var c plpmtud.Counters
	run(t, plpmtud.Traces(q.Trace, nil, c.Count))
	require.NoError(t, q.Err())
	records := bytes.Split(out.Bytes(), []byte{0x1e})
	require.Empty(t, records[0])
	var h header
	require.NoError(t, json.Unmarshal(records[1], &h))
	require.Equal(t, "application/qlog+json-seq", h.SerializationFormat)
	counts := map[string]uint64{}
	for _, text := range records[2:] {
		var r record
		require.NoError(t, json.Unmarshal(text, &r))
		counts[r.Name]++
	}
	require.Equal(t, c.ProbesSent, counts["plpmtud:probe-sent"])
	require.Equal(t, c.ProbesLost, counts["plpmtud:probe-lost"])
	require.Equal(t, c.Raised+c.Lowered, counts["recovery:mtu_updated"])
	require.Equal(t, uint64(1), c.BlackHoles)
	require.Equal(t, uint64(1), c.HintsIgnored)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestQlogKeepsTheFirstError(t *testing.T) {
	q := NewQlog(broken{})
	run(t, q.Trace)
	require.EqualError(t, q.Err(), "disk full")
}
