package plpmtud

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ladder is a search that climbs fixed PL sizes and repeats a lost one.
type ladder []int

func (ladder) Counting() Counting { return PerSize }

func (l ladder) Next(e Evidence) int {
	if s := e.lowestLost(); s != 0 {
		return s
	}
	for _, s := range l {
		if s > e.Floor && s <= e.Ceiling {
			return s
		}
	}
	return 0
}

// pathTest drives a Path by verbs, on a clock of its own, and keeps its events.
type pathTest struct {
	*testing.T
	p      *Path
	now    time.Time
	events []Event
	probe  Probe // the newest
}

var testConfig = Config{Overhead: 28, Min: 500, Base: 1200, Max: 1472, Search: ladder{1300, 1400, 1472}}

func newPathTest(t *testing.T, cfg Config) *pathTest {
	t.Helper()
	pt := &pathTest{T: t, now: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	cfg.Trace = func(e Event) { pt.events = append(pt.events, e) }
	p, err := New(cfg)
	require.NoError(t, err)
	pt.p = p
	return pt
}

func (t *pathTest) advance(d time.Duration) *pathTest { t.now = t.now.Add(d); return t }

func (t *pathTest) start(confirmed int) *pathTest { t.p.Start(t.now, confirmed); return t }

// send wants a probe of this size to be due now, and takes it.
func (t *pathTest) send(size int) *pathTest {
	t.Helper()
	probe, ok := t.p.Poll(t.now)
	require.True(t, ok, "no probe due; want %d", size)
	require.Equal(t, size, probe.Size)
	t.probe = probe
	return t
}

func (t *pathTest) silent() *pathTest {
	t.Helper()
	probe, ok := t.p.Poll(t.now)
	require.False(t, ok, "unexpected probe %+v", probe)
	return t
}

const testRTT = 50 * time.Millisecond

// ack acknowledges the newest probe one round trip later.
func (t *pathTest) ack() *pathTest {
	t.Helper()
	t.advance(testRTT)
	require.True(t, t.p.Acked(t.now, t.probe.ID))
	return t
}

// lose declares the newest probe lost.
func (t *pathTest) lose() *pathTest {
	t.Helper()
	t.advance(testRTT * 5 / 4)
	require.True(t, t.p.Lost(t.now, t.probe.ID))
	return t
}

// fail sends the size MAX_PROBES times in vain.
func (t *pathTest) fail(size int) *pathTest {
	t.Helper()
	for range t.p.set.maxProbes {
		t.send(size).lose()
	}
	return t
}

func (t *pathTest) hint(s Source, size int) *pathTest {
	t.p.Hint(t.now, Hint{Source: s, MTU: size + int(t.p.set.overhead)})
	return t
}

// is wants this state, PLPMTU, and what is probed: "fly N", "next N" or "-".
func (t *pathTest) is(want string) *pathTest {
	t.Helper()
	require.Equal(t, want, t.snapshot())
	return t
}

func (t *pathTest) snapshot() string {
	what := "-"
	switch {
	case t.p.flying:
		what = fmt.Sprintf("fly %d", t.p.flyingSize())
	case t.p.next != 0:
		what = fmt.Sprintf("next %d", t.p.next)
	}
	return fmt.Sprintf("%s %d %s", t.p.State(), t.p.PLPMTU(), what)
}

// causes lists the causes of the events of one kind, and forgets all events.
func (t *pathTest) causes(k Kind) []Cause {
	var c []Cause
	for _, e := range t.events {
		if e.Kind == k {
			c = append(c, e.Cause)
		}
	}
	t.events = nil
	return c
}
