package plpmtud

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// D3-1, D4.3-1: the whole life of a path, with the cause of each change. D3-b:
// what is in use stays in use while a larger size is searched for. D6.1.4:
// connectivity is checked by a BASE-size probe before anything larger is used.
func TestLifeOfAPath(t *testing.T) {
	pt := newPathTest(t, testConfig)
	pt.is("DISABLED 500 -").silent()
	pt.start(0).is("BASE 500 next 1200")
	pt.send(1200).silent().ack().is("SEARCHING 1200 next 1300")
	pt.send(1300).ack().send(1400).ack().fail(1472).is("SEARCH_COMPLETE 1400 -")
	require.Equal(t, []Cause{Started, BaseConfirmed, NothingLarger}, pt.causes(StateChange))
	pt.advance(DefaultRaiseInterval + time.Second)
	pt.send(1472).is("SEARCHING 1400 fly 1472")
	pt.ack().is("SEARCH_COMPLETE 1472 -")
	require.Equal(t, []Cause{Raise, MaxReached}, pt.causes(StateChange))
	pt.p.BlackHole(pt.now)
	pt.is("BASE 1200 next 1200")
	pt.p.Stop(pt.now)
	pt.is("DISABLED 500 -").silent()
	require.Equal(t, []Cause{BlackHoled, Stopped}, pt.causes(StateChange))
	require.Zero(t, pt.p.Next())
}

// D4.1-3, D3-f: answers are matched by ID; late ones count, stale, unknown and
// repeated ones don't.
func TestAnswers(t *testing.T) {
	t.Run("duplicate", func(t *testing.T) {
		pt := newPathTest(t, testConfig).start(1200).send(1300).ack()
		require.False(t, pt.p.Acked(pt.now, pt.probe.ID))
		require.False(t, pt.p.Lost(pt.now, pt.probe.ID))
	})
	t.Run("unknown", func(t *testing.T) {
		pt := newPathTest(t, testConfig).start(1200).send(1300)
		for _, id := range []ProbeID{0, pt.probe.ID + 1, 1 << 31} {
			require.False(t, pt.p.Acked(pt.now, id))
			require.False(t, pt.p.Lost(pt.now, id))
		}
		pt.is("SEARCHING 1200 fly 1300")
	})
	t.Run("late, after the size was given up", func(t *testing.T) {
		pt := newPathTest(t, testConfig).start(1200).send(1300).ack()
		pt.send(1400)
		first := pt.probe.ID
		pt.lose().send(1400).lose().send(1400).lose().is("SEARCH_COMPLETE 1300 -")
		pt.events = nil
		require.True(t, pt.p.Acked(pt.advance(time.Second).now, first))
		pt.is("SEARCHING 1400 next 1472")
		require.True(t, pt.events[0].Late)
		require.Equal(t, []Cause{LateAck}, pt.causes(SizeChange))
	})
	t.Run("of an earlier path", func(t *testing.T) {
		pt := newPathTest(t, testConfig).start(1200).send(1300)
		old := pt.probe.ID
		pt.start(1200)
		require.False(t, pt.p.Acked(pt.now, old))
		pt.is("SEARCHING 1200 next 1300")
	})
	t.Run("of before a black hole", func(t *testing.T) {
		pt := newPathTest(t, testConfig).start(1200).send(1300).ack().send(1400)
		old := pt.probe.ID
		pt.p.BlackHole(pt.now)
		require.False(t, pt.p.Acked(pt.now, old))
		pt.is("BASE 1200 next 1200")
	})
	t.Run("to a probe that a hint made pointless", func(t *testing.T) {
		pt := newPathTest(t, testConfig).start(1200).send(1300).ack().send(1400)
		big := pt.probe.ID
		pt.hint(PacketTooBig, 1350).advance(testRTT).send(1350)
		require.True(t, pt.p.Acked(pt.now, big), "the packet arrived: the hint was wrong")
		require.Equal(t, 1400, pt.p.PLPMTU())
	})
}

// D3-7b, D8-1: at least one RTT between two probes, even when a hint hurries.
func TestProbeGap(t *testing.T) {
	cfg := testConfig
	cfg.ProbeInterval = 10 * time.Millisecond
	pt := newPathTest(t, cfg).start(1200)
	pt.send(1300)
	sent := pt.now
	require.True(t, pt.p.Acked(pt.advance(4*time.Millisecond).now, pt.probe.ID))
	pt.silent()
	require.Equal(t, sent.Add(10*time.Millisecond), pt.p.Next(), "ProbeInterval")

	pt.p.SetRTT(200 * time.Millisecond)
	require.Equal(t, sent.Add(200*time.Millisecond), pt.p.Next(), "the RTT that the layer measured")
	pt.advance(195 * time.Millisecond).silent()
	pt.advance(time.Millisecond).send(1400)
	pt.hint(PacketTooBig, 1350).silent().advance(200 * time.Millisecond).send(1350)
}

// RFC 8201 section 4: no larger size within five minutes of a PTB, by whatever
// timer or hint.
func TestNoRaiseSoonAfterPTB(t *testing.T) {
	cfg := testConfig
	cfg.RaiseInterval = time.Minute
	pt := newPathTest(t, cfg).start(1200).send(1300).ack().send(1400)
	ptb := pt.now
	pt.hint(PacketTooBig, 1350).advance(testRTT).send(1350).ack().is("SEARCH_COMPLETE 1350 -")
	pt.advance(2*time.Minute).silent().hint(HopByHop, 1400).silent()
	pt.is("SEARCH_COMPLETE 1350 -")
	require.WithinDuration(t, ptb.Add(5*time.Minute), pt.p.Next(), time.Second)
	pt.now = pt.p.Next()
	pt.send(1400)
}

// 9268 H9: the option may restart a finished search, but not each round trip.
func TestHopByHopIsRateLimited(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200).fail(1300).is("SEARCH_COMPLETE 1200 -")
	probes := 0
	for range 3600 {
		pt.advance(100*time.Millisecond).hint(HopByHop, 1400)
		if probe, ok := pt.p.Poll(pt.now); ok {
			probes++
			pt.probe = probe
			pt.lose()
		}
	}
	// Six minutes: one hint a minute counts, each for MAX_PROBES probes of its
	// size and of the smaller one that the search goes on with.
	require.LessOrEqual(t, probes, 7*2*3)
	require.Equal(t, 1200, pt.p.PLPMTU())
}

// 9268 6.3: a report below the PLPMTU lowers it only after a failed confirmation.
func TestHopByHopBelow(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200).send(1300).ack().send(1400).ack().fail(1472)
	pt.hint(HopByHop, 1310).send(1400).ack().is("SEARCH_COMPLETE 1400 -")
	pt.advance(hintInterval+time.Second).hint(HopByHop, 1310).fail(1400).is("BASE 1200 next 1200")
	pt.send(1200).ack().is("SEARCHING 1200 next 1310")
	pt.send(1310).ack()
	require.Equal(t, 1310, pt.p.PLPMTU())
}

// With the signal, one round trip and one confirming probe are enough.
func TestHopByHopFindsTheSizeAtOnce(t *testing.T) {
	for _, mtu := range []int{9000, 1500} {
		cfg := Config{Overhead: 48, Max: 9000 - 48}
		pt := newPathTest(t, cfg).start(1200).hint(HopByHop, mtu-48)
		pt.send(mtu - 48).ack()
		require.Equal(t, mtu, pt.p.MTU())
		require.Equal(t, SearchComplete, pt.p.State())
	}
}

// D4.6.2-3, 5.2 ERROR: probing goes on, with growing pauses, and a BASE-size
// acknowledgement ends it; if not even MIN gets through, the path is unusable.
func TestErrorState(t *testing.T) {
	pt := newPathTest(t, testConfig).start(0).fail(1200).is("ERROR 500 next 500")
	pt.send(500).ack().is("ERROR 500 next 1200")
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		require.Equal(t, pt.now.Add(pause), pt.p.Next())
		pt.silent().advance(pause).fail(1200).send(500).ack()
	}
	pt.now = pt.p.Next()
	pt.send(1200).ack().is("SEARCHING 1200 next 1300")

	pt = newPathTest(t, testConfig).start(0).fail(1200).fail(500).is("DISABLED 500 -")
	require.Equal(t, []Cause{Started, ProbesLost, MinUnusable}, pt.causes(StateChange))
}

// RFC 9000 section 14: with MIN = BASE = 1200, what does not carry 1200 bytes
// is not used.
func TestErrorStateOfQUIC(t *testing.T) {
	pt := newPathTest(t, Config{Overhead: 28, Search: ladder{1300}}).start(0)
	pt.fail(1200).is("ERROR 1200 next 1200").silent()
	pt.advance(firstBackoff).fail(1200).is("DISABLED 1200 -")
}

// D3-d, D3-e, D8-4: a size that keeps coming and going ends in ERROR, which
// holds still for a while although BASE_PLPMTU is fine.
func TestContradictionIsHeldDown(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200)
	for range 2 {
		pt.send(1300).ack()
		pt.p.BlackHole(pt.advance(testRTT).now)
		pt.send(1200).ack()
	}
	pt.send(1300).ack()
	pt.events = nil
	pt.p.BlackHole(pt.advance(testRTT).now)
	fell := pt.now
	pt.is("ERROR 500 next 1200").send(1200).ack().is("ERROR 1200 -")
	require.Equal(t, []Cause{Contradiction}, pt.causes(StateChange))
	require.WithinDuration(t, fell.Add(DefaultRaiseInterval), pt.p.Next(), 2*time.Second)
	pt.now = pt.p.Next()
	pt.send(1300).ack()
	require.Equal(t, 1300, pt.p.PLPMTU())
}

// A size that shrinks once, and another time much later, is no contradiction.
func TestShrinkingIsNoContradiction(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200)
	for range 5 {
		pt.send(1300).ack()
		pt.p.BlackHole(pt.now)
		pt.advance(DefaultRaiseInterval + time.Minute).send(1200).ack()
		require.Equal(t, Searching, pt.p.State())
	}
}

// D5.1.1-1, D5.1.1-2, D6.1.5, U4.3-1: timers of an unacknowledged layer.
func TestUnacknowledgedLayer(t *testing.T) {
	cfg := testConfig
	cfg.Layer = Unacknowledged
	pt := newPathTest(t, cfg).start(0).send(1200)
	require.Equal(t, pt.now.Add(DefaultProbeTimeout), pt.p.Next())
	pt.advance(DefaultProbeTimeout - 1).silent().is("BASE 500 fly 1200")
	pt.advance(1).send(1200).ack()
	pt.send(1300).ack()
	for range 3 {
		pt.send(1400).advance(DefaultProbeTimeout)
	}
	pt.silent().is("SEARCH_COMPLETE 1300 -")

	require.Equal(t, pt.now.Add(DefaultConfirmInterval), pt.p.Next(), "CONFIRMATION_TIMER")
	pt.now = pt.p.Next()
	pt.send(1300).ack().is("SEARCH_COMPLETE 1300 -")
	require.Equal(t, pt.now.Add(DefaultConfirmInterval), pt.p.Next())
	pt.now = pt.p.Next()
	for range 3 {
		pt.send(1300).advance(DefaultProbeTimeout)
	}
	pt.send(1200).is("BASE 1200 fly 1200")
}

// D5.2-2, D5.1.1-4: an acknowledged layer has no CONFIRMATION_TIMER and sends
// no probe in SEARCH_COMPLETE before PMTU_RAISE_TIMER.
func TestAcknowledgedLayerIsQuiet(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200).fail(1300).is("SEARCH_COMPLETE 1200 -")
	require.WithinDuration(t, pt.now.Add(DefaultRaiseInterval), pt.p.Next(), time.Second)
	for range 599 {
		pt.advance(time.Second).silent()
	}
}

// anySize is a ladder that counts losses as RFC 8899 section 5.1.3 does, and
// goes on below a lost size, to return to it later.
type anySize struct{ ladder }

func (anySize) Counting() Counting { return AnySize }

func (a anySize) Next(e Evidence) int {
	if s := e.lowestLost(); s != 0 {
		for _, size := range a.ladder {
			if size > e.Floor && size < s {
				return size
			}
		}
		return s
	}
	return e.Ceiling
}

// D5.3.2, 5.1.3: consecutive losses of any size end the search; with an
// acknowledgement between them they pool against the larger size.
func TestCounting(t *testing.T) {
	cfg := testConfig
	cfg.Search = anySize{ladder{1300, 1400}}

	pt := newPathTest(t, cfg).start(1200)
	pt.send(1472).lose().send(1300).lose().send(1300).lose().is("SEARCH_COMPLETE 1200 -")
	require.Equal(t, []Cause{Started, ProbesLost}, pt.causes(StateChange))

	pt = newPathTest(t, cfg).start(1200)
	pt.send(1472).lose().send(1300).ack().send(1400).lose()
	e := pt.p.evidence()
	require.Equal(t, 1, e.Consecutive)
	require.Equal(t, 1, e.Pooled(1400))
	require.Equal(t, 2, e.Pooled(1472))
	pt.send(1400).lose()
	require.Equal(t, 1471, pt.p.evidence().Ceiling, "three losses at or below 1472 give it up")
	pt.send(1400).lose().is("SEARCH_COMPLETE 1300 -")

	cfg.PerSize = true // the search would count any size
	pt = newPathTest(t, cfg).start(1200)
	pt.send(1472).lose().send(1300).lose().send(1300).lose()
	require.Equal(t, Searching, pt.p.State(), "two losses of 1300, one of 1472")
	pt.send(1300).lose()
	require.Equal(t, 1299, pt.p.evidence().Ceiling)
}

// D4.3-2: an idle application is left alone; what was due comes afterwards.
func TestIdle(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200).fail(1300)
	pt.p.SetIdle(true)
	require.Zero(t, pt.p.Next())
	pt.advance(time.Hour).silent().is("SEARCH_COMPLETE 1200 -")
	pt.p.SetIdle(false)
	pt.send(1300).is("SEARCHING 1200 fly 1300")
}

// D3-5a, D5.3.1: "message too long" for a probe is a certain answer, not a loss.
func TestMessageTooLong(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200).send(1300).ack().send(1400)
	big := pt.probe.ID
	pt.p.SetMax(pt.now, 1350)
	require.False(t, pt.p.Lost(pt.now, big))
	require.Zero(t, pt.p.evidence().N)
	pt.is("SEARCH_COMPLETE 1300 -")
	pt.p.SetMax(pt.now, 1472)
	pt.advance(testRTT).send(1400).ack()
	require.Equal(t, 1400, pt.p.PLPMTU())
}

// D3-7f: a window that counts packets keeps its bytes.
func TestScalePackets(t *testing.T) {
	e := Event{Kind: SizeChange, Old: 1200, New: 1400}
	require.Equal(t, 12, e.ScalePackets(14))
	require.Equal(t, 1, e.ScalePackets(1))
	e.Kind = ProbeLost
	require.Equal(t, 14, e.ScalePackets(14), "D3-7c: a lost probe changes nothing")
}

// D5.1.2-1: below MIN_PLPMTU nothing works, and Start does not change that.
func TestMaxBelowMin(t *testing.T) {
	pt := newPathTest(t, testConfig).start(1200)
	pt.p.SetMax(pt.now, 400)
	pt.is("DISABLED 400 -").start(1200).is("DISABLED 400 -").silent()
	pt.p.SetMax(pt.now, 1472)
	pt.is("DISABLED 400 -").start(1200).is("SEARCHING 1200 next 1300")
}

// D5-2, D3-c: MPS accounts for the layer's own header; MTU for those below.
func TestMPS(t *testing.T) {
	cfg := testConfig
	cfg.Header = 30
	pt := newPathTest(t, cfg).start(1200)
	require.Equal(t, 1170, pt.p.MPS())
	require.Equal(t, 1228, pt.p.MTU())
}

// D5.1.2-2, D5.1.1-*: defaults and refusals.
func TestConfig(t *testing.T) {
	p, err := New(Config{Overhead: 28})
	require.NoError(t, err)
	require.Equal(t, uint16(1200), p.set.base)
	require.Equal(t, uint16(1472), p.max)
	require.Equal(t, uint8(3), p.set.maxProbes)

	for field, cfg := range map[string]Config{
		"Overhead":        {Overhead: -1},
		"Max":             {Overhead: 28, Max: 65535},
		"Base":            {Max: 1400, Base: 1401},
		"Min":             {Min: 1201, Base: 1200},
		"Header":          {Header: 1200},
		"MaxProbes":       {MaxProbes: 16},
		"ProbeInterval":   {ProbeInterval: -1},
		"ProbeTimeout":    {Layer: Unacknowledged, ProbeTimeout: 999 * time.Millisecond},
		"ConfirmInterval": {ConfirmInterval: time.Second},
		"RaiseInterval":   {RaiseInterval: 46 * 24 * time.Hour},
		"Layer":           {Layer: 2},
	} {
		_, err := New(cfg)
		var ce *ConfigError
		require.True(t, errors.As(err, &ce), field)
		require.Equal(t, field, ce.Field, err.Error())
	}
	for _, cfg := range []Config{
		{ProbeTimeout: time.Second}, {ProbeTimeout: -1},
		{Layer: Unacknowledged, ConfirmInterval: 600 * time.Second},
		{Layer: Unacknowledged, ConfirmInterval: -1},
	} {
		_, err := New(cfg)
		require.Error(t, err, "%+v", cfg)
	}
}

func TestNames(t *testing.T) {
	for k := ProbeSent; k <= GreyHole; k++ {
		require.NotEqual(t, "BUG", k.String())
	}
	for c := NoCause; c <= MinUnusable; c++ {
		require.NotEqual(t, "BUG", c.String())
	}
	for s := Disabled; s <= Error; s++ {
		require.NotEqual(t, "BUG", s.String())
	}
	require.Equal(t, "BUG", Kind(200).String())
	require.Equal(t, "BUG", Cause(200).String())
	require.Equal(t, "BUG", State(200).String())
}
