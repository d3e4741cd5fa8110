package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/pathsim"
	"pathmtu/plpmtud"
)

// scenario is a Path at work on a simulated path: an access link of 1500 bytes,
// then the link in question.
type scenario struct {
	t      *testing.T
	sim    *pathsim.Sim
	flow   *pathsim.Flow
	path   *plpmtud.Path
	events []plpmtud.Event
}

const scenarioRTT = 50 * time.Millisecond

type options struct {
	seed     uint64
	narrow   pathsim.Hop // the link in question
	cfg      plpmtud.Config
	interval time.Duration // between data packets, 0: 1.25 ms
	every    int           // packets for an ACK frame
	hints    bool
	echo     bool // no data: only probes are answered
	flow     uint64
	quiet    bool // no events when the test fails
}

func link(mtus pathsim.MTUs) pathsim.Hop { return pathsim.One(pathsim.Link{MTU: mtus}) }

func newScenario(t *testing.T, o options) *scenario {
	t.Helper()
	s := &scenario{t: t, sim: pathsim.New(o.seed)}
	o.cfg.Overhead = 28
	o.cfg.Trace = func(e plpmtud.Event) { s.events = append(s.events, e) }
	path, err := plpmtud.New(o.cfg)
	require.NoError(t, err)
	s.path = path
	access := pathsim.One(pathsim.Link{MTU: pathsim.MTU(1500), Delay: scenarioRTT / 4})
	for i := range o.narrow.Links {
		o.narrow.Links[i].Delay = scenarioRTT / 4
	}
	cfg := pathsim.FlowConfig{
		Forward: []pathsim.Hop{access, o.narrow}, Back: []pathsim.Hop{pathsim.One(pathsim.Link{Delay: scenarioRTT / 2})},
		Overhead: 28, Traffic: pathsim.ExactTraffic, Interval: 1250 * time.Microsecond, AckEvery: o.every, Flow: o.flow,
	}
	if o.interval != 0 {
		cfg.Interval = o.interval
	}
	cfg.Window = max(int(2*scenarioRTT/cfg.Interval), 10)
	end := &PathEndpoint{Path: path, Hints: o.hints}
	if o.echo {
		cfg.Traffic, cfg.AckEvery, cfg.PacketThresholdOnly = nil, 1, true
		s.flow = pathsim.NewFlow(s.sim, cfg, echoEndpoint{end})
	} else {
		s.flow = pathsim.NewFlow(s.sim, cfg, end)
		end.RTT = s.flow.SRTT
	}
	path.Start(s.sim.Now(), 1200)
	s.flow.Start()
	t.Cleanup(func() {
		if t.Failed() && !o.quiet {
			t.Logf("%v; the last events:\n%s", s.sim, s.tail(40))
		}
	})
	return s
}

// echoEndpoint is an unacknowledged layer: it hears of nothing but answers.
type echoEndpoint struct{ *PathEndpoint }

func (echoEndpoint) ProbeLost(time.Time, uint32)   {}
func (echoEndpoint) Acked(time.Time, pathsim.Sent) {}
func (echoEndpoint) Lost(time.Time, pathsim.Sent)  {}
func (echoEndpoint) AckDone(time.Time)             {}

func (s *scenario) tail(n int) string {
	var b strings.Builder
	for _, e := range s.events[max(0, len(s.events)-n):] {
		fmt.Fprintf(&b, "%12v %v %v size %d, PLPMTU %d to %d, %v to %v\n", e.Time.Sub(pathsim.Epoch), e.Kind, e.Cause, e.Size, e.Old, e.New, e.From, e.To)
	}
	return b.String()
}

// found wants the path's MTU to have been found to within 0.2 %, or a few bytes
// where the search has a reason to stop.
func (s *scenario) found(mtu int) {
	s.t.Helper()
	assert.LessOrEqual(s.t, s.path.MTU(), mtu)
	assert.GreaterOrEqual(s.t, float64(s.path.PLPMTU()), 0.998*float64(mtu-28))
	assert.Equal(s.t, plpmtud.SearchComplete, s.path.State())
}

// falls returns when the PLPMTU was lowered.
func (s *scenario) falls() (times []time.Duration) {
	for _, e := range s.events {
		if e.Kind == plpmtud.SizeChange && e.New < e.Old {
			times = append(times, e.Time.Sub(pathsim.Epoch))
		}
	}
	return times
}

// honest checks the one invariant that is above all others: the PLPMTU rises
// only to a size that was just acknowledged. A late acknowledgement of data
// takes back a fall; that is a Refuted event.
func (s *scenario) honest() {
	s.t.Helper()
	proof := map[int]bool{1200: true}
	for _, e := range s.events {
		switch {
		case e.Kind == plpmtud.ProbeAcked, e.Kind == plpmtud.Refuted:
			proof[e.Size] = true
		case e.Kind == plpmtud.SizeChange && e.New > e.Old && e.Cause != plpmtud.Started:
			require.True(s.t, proof[e.New], "PLPMTU rose to %d bytes at %v without proof\n%s", e.New, e.Time.Sub(pathsim.Epoch), s.tail(40))
		}
	}
}

func drop(at time.Duration, mtu int) pathsim.MTUs {
	return pathsim.MTUs{{MTU: 1500}, {After: at, MTU: mtu}}
}

// D4.3-1: without a message of any kind, packets that no longer arrive are
// noticed, and the search finds the new size.
func TestSilentDropInMidTransfer(t *testing.T) {
	for _, mtu := range []int{1492, 1460, 1420, 1400, 1280} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			s := newScenario(t, options{seed: 1, narrow: link(drop(5*time.Second, mtu))})
			s.sim.Run(5 * time.Second)
			s.found(1500)
			require.Empty(t, s.falls())
			s.sim.Run(10 * time.Second)
			require.NotEmpty(t, s.falls())
			assert.Less(t, s.falls()[0]-5*time.Second, 5*scenarioRTT)
			s.found(mtu)
			s.honest()
			// Packets flow again.
			before := s.flow.Stats.BytesAcked
			s.sim.Run(time.Second)
			assert.Greater(t, s.flow.Stats.BytesAcked-before, 500_000)
		})
	}
}

// D4.6.2-4: a Packet Too Big tells at once.
func TestDropWithTooBig(t *testing.T) {
	narrow := pathsim.One(pathsim.Link{MTU: drop(5*time.Second, 1400), TooBig: pathsim.Honest})
	s := newScenario(t, options{seed: 1, narrow: narrow, hints: true})
	s.sim.Run(5 * time.Second)
	s.found(1500)
	s.sim.Run(3 * time.Second)
	require.NotEmpty(t, s.falls())
	assert.Less(t, s.falls()[0]-5*time.Second, 2*scenarioRTT)
	assert.Equal(t, 1400, s.path.MTU())
	s.found(1400)
	s.honest()
}

// Routers that lie can cost some probes, and for some minutes some bytes.
func TestLyingTooBig(t *testing.T) {
	for _, c := range []struct {
		name  string
		claim pathsim.Claim
	}{
		{"zero", func(int, int) int { return 0 }},
		{"too small", func(int, int) int { return 68 }},
		{"below base", func(int, int) int { return 1227 }},
		{"base", func(int, int) int { return 1228 }},
		{"understated", func(int, int) int { return 1300 }},
		{"overstated", func(mtu, _ int) int { return mtu + 20 }},
		{"not smaller", func(_, size int) int { return size }},
		{"larger", func(_, size int) int { return size + 1 }},
		{"huge", func(int, int) int { return 1 << 20 }},
		{"negative", func(int, int) int { return -1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			narrow := pathsim.One(pathsim.Link{MTU: pathsim.MTU(1400), TooBig: c.claim})
			s := newScenario(t, options{seed: 1, narrow: narrow, hints: true, interval: 20 * time.Millisecond})
			s.sim.Run(5 * time.Minute)
			assert.GreaterOrEqual(t, s.path.PLPMTU(), 1200)
			assert.LessOrEqual(t, s.path.MTU(), 1400)
			s.honest()
			for _, e := range s.events {
				require.GreaterOrEqual(t, e.New, 1200, "%v", e)
			}
			assert.Less(t, s.flow.Stats.Probes, 40)
			switch c.name {
			case "understated", "base": // believed until the raise timer; nothing larger is tried
			default:
				s.found(1400)
			}
		})
	}
}

// D5.1.1-3: PMTU_RAISE_TIMER finds that the path carries more.
func TestRaise(t *testing.T) {
	narrow := link(pathsim.MTUs{{MTU: 1400}, {After: 10 * time.Second, MTU: 1500}})
	s := newScenario(t, options{seed: 1, narrow: narrow, interval: 20 * time.Millisecond})
	s.sim.Run(10 * time.Second)
	s.found(1400)
	s.sim.Run(580 * time.Second)
	s.found(1400)
	probes := s.flow.Stats.Probes
	s.sim.Run(30 * time.Second)
	s.found(1500)
	assert.LessOrEqual(t, s.flow.Stats.Probes-probes, 4)
	assert.Empty(t, s.falls())
	s.honest()
}

// D3-d, D3-e, D8-4: several paths of unequal MTU behind one flow. Sizes are
// acknowledged and lost in turn; the end is a conservative size, in ERROR or
// where all paths carry it, and no oscillation.
func TestUnequalPathsByPacket(t *testing.T) {
	for _, small := range []int{1280, 1400, 1480} {
		t.Run(fmt.Sprint(small), func(t *testing.T) {
			links := []pathsim.Link{{MTU: pathsim.MTU(1500)}, {MTU: pathsim.MTU(small)}}
			s := newScenario(t, options{seed: 1, narrow: pathsim.Hop{Links: links, Spread: pathsim.ByPacket}, interval: 5 * time.Millisecond})
			s.sim.Run(time.Minute)
			assert.LessOrEqual(t, s.path.MTU(), small)
			s.sim.Run(8 * time.Minute)
			assert.LessOrEqual(t, s.path.MTU(), small, "state %v", s.path.State())
			assert.LessOrEqual(t, len(s.falls()), 4)
			late := 0
			for _, at := range s.falls() {
				if at > time.Minute {
					late++
				}
			}
			assert.LessOrEqual(t, late, 1, "oscillation: %v", s.falls())
			s.honest()
		})
	}
}

// Where a flow stays on one path, that path's MTU is found.
func TestUnequalPathsByFlow(t *testing.T) {
	links := []pathsim.Link{{MTU: pathsim.MTU(1500)}, {MTU: pathsim.MTU(1400)}}
	seen := map[int]bool{}
	for flow := range uint64(6) {
		s := newScenario(t, options{seed: 1, narrow: pathsim.Hop{Links: links}, flow: flow})
		s.sim.Run(5 * time.Second)
		s.found(s.flow.Forward.MTU(flow))
		seen[s.path.MTU()] = true
	}
	assert.Len(t, seen, 2)
}

// A grey hole is noticed, advised about, and avoided if the caller asks.
func TestGreyHole(t *testing.T) {
	for _, cap := range []bool{false, true} {
		t.Run(fmt.Sprintf("soft cap %v", cap), func(t *testing.T) {
			narrow := pathsim.One(pathsim.Link{MTU: pathsim.MTU(1500), Grey: pathsim.Grey{Above: 1440, Rate: 0.03}, Loss: pathsim.IID(0.0005)})
			s := newScenario(t, options{seed: 1, narrow: narrow, cfg: plpmtud.Config{SoftCap: cap}})
			s.sim.Run(2 * time.Minute)
			s.found(1500)
			assert.Empty(t, s.falls(), "a grey hole is no black hole")
			advised, _ := s.path.GreyHole()
			require.NotZero(t, advised, "not noticed")
			assert.LessOrEqual(t, advised, 1440-28)
			assert.GreaterOrEqual(t, advised, 1200)
			if cap {
				assert.Equal(t, advised, s.path.MPS())
			} else {
				assert.Equal(t, 1472, s.path.MPS())
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		narrow := pathsim.One(pathsim.Link{MTU: pathsim.MTU(1500), Loss: &pathsim.Burst{Rate: 0.03, Mean: 5}})
		s := newScenario(t, options{seed: 1, narrow: narrow})
		s.sim.Run(2 * time.Minute)
		advised, _ := s.path.GreyHole()
		assert.Zero(t, advised, "loss that has nothing to do with size")
	})
}

// D3-e, D3-f: reordering, duplication, random and bursty loss and aggregated
// acknowledgements lead to the same size, and to no fall.
func TestRoughPaths(t *testing.T) {
	for _, c := range []struct {
		name  string
		link  pathsim.Link
		every int
	}{
		{"reordered", pathsim.Link{Reorder: 0.2, Late: 20 * time.Millisecond}, 2},
		{"reordered and duplicated", pathsim.Link{Reorder: 0.1, Late: 60 * time.Millisecond, Duplicate: 0.2, Loss: pathsim.IID(0.01)}, 2},
		{"random loss", pathsim.Link{Loss: pathsim.IID(0.05)}, 2},
		{"bursts", pathsim.Link{Loss: &pathsim.Burst{Rate: 0.05, Mean: 10}}, 2},
		{"aggregated", pathsim.Link{Loss: pathsim.IID(0.02)}, 16},
		{"slow, with a queue", pathsim.Link{Rate: 2_000_000, Queue: 30_000, Loss: pathsim.IID(0.001)}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			short := 0
			const runs = 10
			for seed := range uint64(runs) {
				c.link.MTU = pathsim.MTU(1492)
				if b, ok := c.link.Loss.(*pathsim.Burst); ok {
					c.link.Loss = &pathsim.Burst{Rate: b.Rate, Mean: b.Mean}
				}
				s := newScenario(t, options{seed: seed, narrow: pathsim.One(c.link), every: c.every})
				s.sim.Run(20 * time.Second)
				assert.Empty(t, s.falls(), "%v", s.sim)
				assert.LessOrEqual(t, s.path.MTU(), 1492, "%v", s.sim)
				s.honest()
				if s.path.MTU() < 1489 {
					short++
				}
			}
			assert.LessOrEqual(t, short, 1, "runs that end short of the path MTU")
		})
	}
}

// D6.1.5: without acknowledgements of data, CONFIRMATION_TIMER notices that the
// path shrank, and PROBE_TIMER drives the search.
func TestUnacknowledgedLayer(t *testing.T) {
	cfg := plpmtud.Config{Layer: plpmtud.Unacknowledged, ProbeTimeout: time.Second, ConfirmInterval: 10 * time.Second}
	s := newScenario(t, options{seed: 1, narrow: link(drop(2*time.Minute, 1400)), cfg: cfg, echo: true})
	s.sim.Run(2 * time.Minute)
	s.found(1500)
	require.Empty(t, s.falls())
	s.sim.Run(time.Minute)
	require.Len(t, s.falls(), 1)
	assert.Less(t, s.falls()[0]-2*time.Minute, 14*time.Second, "one interval and MAX_PROBES timeouts")
	s.found(1400)
	s.honest()
}
