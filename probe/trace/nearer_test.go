package trace

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A target whose ration of errors is all but used up when the trace begins stands
// at its distance all the same, however full the ration was and whether or not it
// quotes the hop limit that a packet had left.
func TestRationedTarget(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		for tenths := range 30 {
			s := path(t, false, simHop{mtu: 1500}, simHop{mtu: 1500}, simHop{mtu: 1500})
			s.opaque, s.every, s.tokens, s.last = opaque, time.Second, float64(tenths)/10, epoch
			r, _ := s.run(s.config(1500))
			what := fmt.Sprintf("%.1f errors left at the start, opaque %v", float64(tenths)/10, opaque)
			require.Len(t, r.Hops, 4, what)
			assert.Equal(t, 4, r.Distance, what)
			assert.True(t, r.Hops[3].Target, what)
			assert.Equal(t, simAddr(false, 99), r.Hops[3].Addr, what)
			assert.Positive(t, r.Hops[3].RTT, what)
		}
	}
}

// A router that is truly silent stays before the target. It is asked again only
// if the target's quote leaves a doubt, and then a bounded number of times.
func TestSilentHopBeforeTarget(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		run := func(opaque bool) (int, time.Duration) {
			s := path(t, v6, simHop{mtu: 1500}, simHop{mtu: 1500, dark: true}, simHop{mtu: 1500, dark: true})
			if s.opaque, s.every = opaque, every4; v6 {
				s.every = every6
			}
			r, took := s.run(s.config(1500))
			require.Len(t, r.Hops, 4)
			assert.Equal(t, 4, r.Distance)
			assert.False(t, r.Hops[1].Addr.IsValid())
			assert.False(t, r.Hops[2].Addr.IsValid())
			assert.True(t, r.Hops[3].Target)
			return s.sent, took
		}
		sure, atOnce := run(false)
		doubtful, waited := run(true)
		assert.Equal(t, sure+2*DefaultProbes, doubtful, "three times, each with a packet to the target")
		assert.Less(t, waited-atOnce, 6*time.Second)
	})
}

// A router that had no errors left at first is found by the same questions.
func TestRationedRouterBeforeTarget(t *testing.T) {
	s := path(t, false, simHop{mtu: 1500}, simHop{mtu: 1500, every: 1200 * time.Millisecond})
	s.opaque, s.hops[1].tokens, s.hops[1].last = true, 0, epoch
	r, _ := s.run(s.config(1500))
	require.Len(t, r.Hops, 3)
	assert.Equal(t, simAddr(false, 12), r.Hops[1].Addr)
	assert.Equal(t, 3, r.Distance)
}

// What is known of the hops is reported, though the trace ends while it asks again.
func TestInterruptedWhileLookingNearer(t *testing.T) {
	s := path(t, false, simHop{mtu: 1500}, simHop{mtu: 1500, dark: true})
	s.opaque = true
	cfg := s.config(1500)
	cfg.Budget.Time = 1500 * time.Millisecond
	r, _ := s.run(cfg)
	require.Len(t, r.Hops, 3)
	assert.Equal(t, 3, r.Distance)
	assert.True(t, r.Hops[2].Target)
	assert.Zero(t, r.End.ProbesSent, "the Session has not begun")
}
