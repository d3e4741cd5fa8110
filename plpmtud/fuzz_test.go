package plpmtud

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// invariants watches a Path through every call and fails when a promise is
// broken:
//
//   - the PLPMTU rises only by an acknowledgement of exactly that size
//   - MIN <= PLPMTU <= MAX as they are now, unless DISABLED
//   - one probe in flight, of a size in [MIN, MAX]
//   - at least ProbeInterval between two probes
//   - Next is never lost: what Poll would send later, Next announces
//   - probes get new IDs
type invariants struct {
	t     require.TestingT
	p     *Path
	cfg   Config
	now   time.Time
	last  time.Time // of the last probe
	sizes map[ProbeID]int
	acked int // size that the running call acknowledges, -1: none
}

func watch(t require.TestingT, cfg Config) *invariants {
	in := &invariants{t: t, cfg: cfg, now: time.Unix(1e9, 0), sizes: map[ProbeID]int{}, acked: -1}
	cfg.Trace = in.observe
	p, err := New(cfg)
	require.NoError(t, err)
	in.p = p
	return in
}

func (in *invariants) observe(e Event) {
	if e.Kind == SizeChange && e.New > e.Old && e.Cause != Started {
		require.Equal(in.t, in.acked, e.New, "PLPMTU rose without an acknowledgement of that size: %+v", e)
	}
	if e.Kind == SizeChange && e.Cause == Started && e.New > e.Old {
		require.True(in.t, e.New == in.acked || e.New <= in.cfg.Min, "%+v", e)
	}
}

func (in *invariants) check() {
	p := in.p
	top := int(p.max)
	require.LessOrEqual(in.t, p.PLPMTU(), top)
	require.LessOrEqual(in.t, int(p.ceil), top)
	if p.State() == Disabled {
		require.Zero(in.t, p.Next())
		require.False(in.t, p.flying)
		return
	}
	require.GreaterOrEqual(in.t, p.PLPMTU(), min(in.cfg.Min, top))
	if p.State() == Searching || p.State() == Base {
		require.True(in.t, p.flying || p.next != 0, "%v with nothing to probe", p.State())
	}
	e := p.evidence()
	for i := range e.N {
		require.Greater(in.t, int(e.Lost[i].Size), e.Floor)
		require.LessOrEqual(in.t, int(e.Lost[i].Size), e.Ceiling)
		require.True(in.t, i == 0 || e.Lost[i-1].Size < e.Lost[i].Size)
	}
}

// poll checks Poll against what Next had announced.
func (in *invariants) poll() {
	p := in.p
	announced, idle, flying := p.Next(), p.idle, p.flying
	probe, ok := p.Poll(in.now)
	if !ok {
		if !announced.IsZero() && !announced.After(in.now) {
			// Next promised something: it is done, and Next has moved on.
			require.NotEqual(in.t, announced, p.Next(), "Next is stuck")
		}
		return
	}
	require.False(in.t, announced.IsZero() && p.hole.stage != asked, "a probe that Next had not announced")
	require.False(in.t, announced.After(in.now) && p.hole.stage != asked, "a probe before its time")
	require.False(in.t, idle)
	require.True(in.t, !flying || in.cfg.Layer == Unacknowledged, "two probes in flight")
	require.NotContains(in.t, in.sizes, probe.ID)
	require.GreaterOrEqual(in.t, probe.Size, min(in.cfg.Min, int(p.max)))
	require.LessOrEqual(in.t, probe.Size, int(p.max))
	if !in.last.IsZero() {
		require.GreaterOrEqual(in.t, in.now.Sub(in.last), in.cfg.ProbeInterval, "probe gap")
	}
	in.last = in.now
	in.sizes[probe.ID] = probe.Size
}

// step performs one event that three bytes choose.
func (in *invariants) step(op byte, arg uint16) {
	p := in.p
	newest := p.newest()
	in.now = in.now.Add(time.Duration(arg>>8) * time.Millisecond)
	size := int(arg)%1600 + 1
	switch op % 16 {
	case 0, 1, 2:
		in.poll()
	case 3, 4:
		in.acked = in.sizes[newest]
		p.Acked(in.now, newest)
	case 5:
		id := newest - ProbeID(arg%6)
		in.acked = in.sizes[id]
		p.Acked(in.now, id)
	case 6, 7:
		p.Lost(in.now, newest)
	case 8:
		p.Hint(in.now, Hint{Source: Source(arg % 4), MTU: int(arg) >> 2})
	case 9:
		if arg%8 == 0 {
			in.last = time.Time{}
			in.acked = min(size, int(p.max))
			p.Start(in.now, size)
		} else if arg%8 == 1 {
			p.Stop(in.now)
		} else {
			p.BlackHole(in.now)
		}
	case 10:
		p.SetMax(in.now, size)
	case 11:
		p.SetIdle(arg%3 == 0)
	case 12:
		in.now = in.now.Add(time.Duration(arg) * time.Second)
		in.poll()
	case 13:
		in.acked = size
		p.PacketAcked(in.now, size, in.now.Add(-time.Duration(arg>>4)*time.Millisecond))
	case 14:
		p.PacketLost(in.now, size, in.now.Add(-time.Duration(arg>>4)*time.Millisecond))
	case 15:
		p.SetRTT(time.Duration(arg) * time.Microsecond)
	}
	in.acked = -1
	in.check()
}

// FuzzEvents drives a Path by arbitrary sequences of events.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{0, 9, 0, 0, 0, 0, 0, 3, 50, 0, 0, 50, 0, 6, 50, 0})
	f.Add([]byte{1, 9, 0, 0, 0, 0, 0, 3, 50, 0, 12, 2, 0, 8, 20, 0, 12, 2, 0, 13, 5, 0, 14, 5, 1})
	f.Add([]byte{2, 9, 0, 0, 0, 0, 0, 12, 0, 16, 12, 0, 16, 12, 0, 16, 10, 5, 0, 8, 5, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 3000 {
			return
		}
		cfg := Config{Overhead: 28, Min: 500, Base: 1200, Max: 1472, ProbeInterval: 5 * time.Millisecond, MaxProbes: 3}
		switch data[0] % 4 {
		case 1:
			cfg.Layer, cfg.ProbeTimeout, cfg.ConfirmInterval = Unacknowledged, time.Second, 5*time.Second
		case 2:
			cfg.Search = Binary{}
		case 3:
			cfg.Search, cfg.SoftCap = PlateauTable, true
		}
		in := watch(t, cfg)
		for data = data[1:]; len(data) >= 3; data = data[3:] {
			in.step(data[0], binary.LittleEndian.Uint16(data[1:]))
		}
	})
}
