package pathsim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// journal is an endpoint that keeps what it is told, and sends given probes.
type journal struct {
	size         int
	probes       []int
	acked, lost  []Sent
	probeFate    []string
	frames       int
	tooBig       []int
	wakeAt       time.Time
	polledAtWake bool
}

func (j *journal) Size() int { return j.size }

func (j *journal) Poll(now time.Time) (uint32, int, bool) {
	if !j.wakeAt.IsZero() && now.Equal(j.wakeAt) {
		j.polledAtWake = true
		j.wakeAt = time.Time{}
	}
	if len(j.probes) == 0 {
		return 0, 0, false
	}
	size := j.probes[0]
	j.probes = j.probes[1:]
	return uint32(size), size, true
}

func (j *journal) Next() time.Time { return j.wakeAt }
func (j *journal) ProbeAcked(_ time.Time, id uint32) {
	j.probeFate = append(j.probeFate, fmt.Sprintf("+%d", id))
}
func (j *journal) ProbeLost(_ time.Time, id uint32) {
	j.probeFate = append(j.probeFate, fmt.Sprintf("-%d", id))
}
func (j *journal) Acked(_ time.Time, p Sent)   { j.acked = append(j.acked, p) }
func (j *journal) Lost(_ time.Time, p Sent)    { j.lost = append(j.lost, p) }
func (j *journal) AckDone(time.Time)           { j.frames++ }
func (j *journal) TooBig(_ time.Time, mtu int) { j.tooBig = append(j.tooBig, mtu) }

func testFlow(forward Link) FlowConfig {
	forward.Delay = 20 * time.Millisecond
	return FlowConfig{
		Forward: []Hop{One(forward)}, Back: []Hop{One(Link{Delay: 20 * time.Millisecond})},
		Overhead: 28, Traffic: ExactTraffic, Interval: time.Millisecond, Packets: 1000,
	}
}

func TestFlowKnowsEachPacketsFate(t *testing.T) {
	for _, c := range []struct {
		name string
		link Link
	}{
		{"clean", Link{}},
		{"lossy", Link{Loss: IID(0.05)}},
		{"bursty", Link{Loss: &Burst{Rate: 0.05, Mean: 10}}},
		{"black hole", Link{MTU: MTU(1400)}},
		{"reordered", Link{Reorder: 0.1, Late: 30 * time.Millisecond, Duplicate: 0.1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(3)
			j := &journal{size: 1472}
			f := NewFlow(s, testFlow(c.link), j)
			f.Start()
			require.True(t, s.RunUntil(time.Minute, f.Done), s)
			assert.GreaterOrEqual(t, f.Stats.Data, 1000)
			assert.Equal(t, f.Stats.Data, f.Stats.DataAcked+f.Stats.DataLost-f.Stats.Spurious)
			assert.Len(t, j.acked, f.Stats.DataAcked)
			assert.Len(t, j.lost, f.Stats.DataLost)
			switch c.name {
			case "clean":
				assert.Zero(t, f.Stats.DataLost)
				assert.InDelta(t, 40*time.Millisecond, f.SRTT(), float64(10*time.Millisecond))
			case "black hole":
				for _, p := range j.acked {
					require.LessOrEqual(t, p.Size, 1372)
				}
				for _, p := range j.lost {
					require.Greater(t, p.Size, 1372)
				}
			case "reordered":
				assert.Positive(t, f.Stats.Spurious)
			}
		})
	}
}

func TestFlowReplaysFromItsSeed(t *testing.T) {
	run := func(seed uint64) (Stats, []Sent) {
		s := New(seed)
		j := &journal{size: 1472}
		f := NewFlow(s, testFlow(Link{Loss: IID(0.05), Reorder: 0.1, Late: time.Millisecond}), j)
		f.Start()
		s.Run(10 * time.Second)
		return f.Stats, j.lost
	}
	a, lostA := run(5)
	b, lostB := run(5)
	c, _ := run(6)
	assert.Equal(t, a, b)
	assert.Equal(t, lostA, lostB)
	assert.NotEqual(t, a, c)
}

func TestFlowCarriesProbes(t *testing.T) {
	s := New(1)
	j := &journal{size: 1200, probes: []int{1300, 1400, 1472}, wakeAt: Epoch.Add(1234567 * time.Microsecond)}
	cfg := testFlow(Link{MTU: MTU(1428), TooBig: Honest})
	cfg.Traffic = nil // probes alone: only the probe timeout tells of the loss
	f := NewFlow(s, cfg, j)
	f.Start()
	s.Run(10 * time.Second)
	assert.Equal(t, []string{"+1300", "+1400", "-1472"}, j.probeFate)
	assert.Equal(t, []int{1428}, j.tooBig)
	assert.Equal(t, 3, f.Stats.Probes)
	assert.Equal(t, 1, f.Stats.ProbesLost)
	assert.Equal(t, 1300+1400+1472+3*28, f.Stats.ProbeBytes)
	assert.True(t, j.polledAtWake)
}

func TestFlowWindow(t *testing.T) {
	s := New(1)
	cfg := testFlow(Link{})
	cfg.Window, cfg.Packets = 10, 0
	f := NewFlow(s, cfg, &journal{size: 1200})
	f.Start()
	s.Run(10 * time.Second)
	perRTT := float64(f.Stats.DataAcked) / (10 / 0.04)
	assert.InDelta(t, 9, perRTT, 2)
}

func TestFlowLostAcks(t *testing.T) {
	s := New(1)
	cfg := testFlow(Link{})
	cfg.Back = []Hop{One(Link{Delay: 20 * time.Millisecond, Loss: IID(0.1)})}
	f := NewFlow(s, cfg, &journal{size: 1200})
	f.Start()
	require.True(t, s.RunUntil(time.Minute, f.Done))
	assert.Less(t, f.Stats.DataLost, 30, "a frame repeats the one before")
}
