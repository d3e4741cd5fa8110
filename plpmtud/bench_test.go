package plpmtud

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// eventCosts are the events of a Path, each as something that can be repeated:
// reset brings the Path to where the event means something.
var eventCosts = []struct {
	name  string
	reset func(p *Path, now time.Time)
	event func(p *Path, now time.Time)
}{
	{"Poll/idle", complete, func(p *Path, now time.Time) { p.Poll(now) }},
	{"Poll/probe+Acked", restart, func(p *Path, now time.Time) {
		if probe, ok := p.Poll(now); ok {
			p.Acked(now, probe.ID)
		}
	}},
	{"Poll/probe+Lost", restart, func(p *Path, now time.Time) {
		if probe, ok := p.Poll(now); ok {
			p.Lost(now, probe.ID)
		}
	}},
	{"Next", complete, func(p *Path, _ time.Time) { p.Next() }},
	{"Complete", complete, func(*Path, time.Time) {}},
	{"Start", nil, func(p *Path, now time.Time) { p.Start(now, 1200) }},
	{"Stop+Start", nil, func(p *Path, now time.Time) { p.Stop(now); p.Start(now, 1200) }},
	{"Acked/stale", complete, func(p *Path, now time.Time) { p.Acked(now, 1<<30) }},
	{"Hint/PacketTooBig", complete, func(p *Path, now time.Time) { p.Hint(now, Hint{PacketTooBig, 1300}) }},
	{"Hint/HopByHop", complete, func(p *Path, now time.Time) { p.Hint(now, Hint{HopByHop, 1300}) }},
	{"SetMax", complete, func(p *Path, now time.Time) { p.SetMax(now, 1300); p.SetMax(now, 1472) }},
	{"BlackHole", complete, func(p *Path, now time.Time) { p.BlackHole(now) }},
	{"PacketAcked", complete, func(p *Path, now time.Time) { p.PacketAcked(now, 1400, now.Add(-testRTT)) }},
	{"PacketLost", complete, func(p *Path, now time.Time) { p.PacketLost(now, 1400, now.Add(-testRTT)) }},
}

func restart(p *Path, now time.Time) { p.Start(now, 1200) }

// complete brings the Path to SEARCH_COMPLETE at MAX_PLPMTU.
func complete(p *Path, now time.Time) {
	p.Start(now, 1472)
	p.Poll(now)
}

func costPath(tb testing.TB) (*Path, time.Time) {
	p, err := New(Config{Overhead: 28, Trace: func(Event) {}})
	require.NoError(tb, err)
	now := time.Unix(1e9, 0)
	restart(p, now)
	return p, now
}

// No event allocates, whatever the state.
func TestEventsDoNotAllocate(t *testing.T) {
	for _, c := range eventCosts {
		t.Run(c.name, func(t *testing.T) {
			p, now := costPath(t)
			allocs := testing.AllocsPerRun(200, func() {
				now = now.Add(testRTT)
				if c.reset != nil {
					c.reset(p, now)
				}
				c.event(p, now)
			})
			require.Zero(t, allocs)
		})
	}
}

// BenchmarkEvent times each event together with what brings the Path to where
// it means something; the rows Start and Complete are that alone.
func BenchmarkEvent(b *testing.B) {
	for _, c := range eventCosts {
		b.Run(c.name, func(b *testing.B) {
			p, now := costPath(b)
			b.ReportAllocs()
			for range b.N {
				now = now.Add(testRTT)
				if c.reset != nil {
					c.reset(p, now)
				}
				c.event(p, now)
			}
			b.ReportMetric(float64(unsafe.Sizeof(*p)), "state-B")
		})
	}
}
