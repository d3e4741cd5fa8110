package plpmtud

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stream feeds a Path at SEARCH_COMPLETE with packets at a steady rate, and
// reports each packet's fate one round trip (an acknowledgement) or five
// quarters of one (a loss) after it was sent.
type stream struct {
	*pathTest
	perRTT  int
	pending []sentPacket
	lost    func(size int) bool
}

type sentPacket struct {
	size int
	sent time.Time
	lost bool
}

func newStream(t *testing.T, perRTT int, lost func(int) bool) *stream {
	cfg := testConfig
	cfg.Max = 1452
	pt := newPathTest(t, cfg).start(1452).silent()
	pt.p.SetRTT(testRTT)
	return &stream{pathTest: pt, perRTT: perRTT, lost: lost}
}

// send sends one packet, reports what is due by now, and lets the Path poll; it
// returns a probe if one was sent.
func (s *stream) packet(size int) {
	s.advance(testRTT / time.Duration(s.perRTT))
	s.pending = append(s.pending, sentPacket{size, s.now, s.lost(size)})
	s.report()
}

func (s *stream) report() {
	kept := s.pending[:0]
	for _, p := range s.pending {
		switch age := s.now.Sub(p.sent); {
		case p.lost && age >= testRTT*5/4:
			s.p.PacketLost(s.now, p.size, p.sent)
		case !p.lost && age >= testRTT:
			s.p.PacketAcked(s.now, p.size, p.sent)
		default:
			kept = append(kept, p)
		}
	}
	s.pending = kept
	if probe, ok := s.p.Poll(s.now); ok {
		s.probe = probe
	}
	if s.p.flying && s.now.Sub(s.p.time(s.p.lastSent)) >= testRTT*5/4 {
		if s.lost(s.probe.Size) {
			s.p.Lost(s.now, s.probe.ID)
		} else {
			s.p.Acked(s.now, s.probe.ID)
		}
	}
}

// mixed sends a packet of nine in ten large, within 16 bytes of 1452.
func (s *stream) mixed(rng *rand.Rand) {
	size := 100 + rng.IntN(400)
	if rng.IntN(10) != 0 {
		size = 1452 - rng.IntN(17)
	}
	s.packet(size)
}

// Loss that has nothing to do with size is no black hole, however much of it.
func TestLossIsNoBlackHole(t *testing.T) {
	for _, rate := range []float64{0.001, 0.01, 0.05, 0.13, 0.3} {
		rng := rand.New(rand.NewPCG(1, uint64(rate*1000)))
		s := newStream(t, 40, func(int) bool { return rng.Float64() < rate })
		for range 20_000 {
			s.mixed(rng)
		}
		require.Equal(t, 1452, s.p.PLPMTU(), "loss rate %v", rate)
	}
}

// An outage that swallows everything is no black hole, even if the first packet
// after it is a small one.
func TestOutageIsNoBlackHole(t *testing.T) {
	out := false
	s := newStream(t, 40, func(int) bool { return out })
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		for range 400 {
			s.mixed(rng)
		}
		out = true
		for range 40 * 4 {
			s.mixed(rng)
		}
		out = false
		s.packet(100)
	}
	require.Equal(t, 1452, s.p.PLPMTU())
}

// D4.3-1: a true black hole is found within three round trips, and the PLPMTU
// falls to the largest size that still arrived.
func TestBlackHoleIsFound(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.05} {
		rng := rand.New(rand.NewPCG(5, 6))
		mtu := 1452
		s := newStream(t, 40, func(size int) bool { return size > mtu || rng.Float64() < loss })
		for range 2000 {
			s.mixed(rng)
		}
		mtu = 1372
		start := s.now
		for s.p.PLPMTU() == 1452 && s.now.Sub(start) < 10*testRTT {
			s.mixed(rng)
		}
		require.LessOrEqual(t, s.now.Sub(start), 3*testRTT, "loss %v", loss)
		require.Equal(t, 1200, s.p.PLPMTU())
		require.Contains(t, s.causes(StateChange), BlackHoled)
	}
}

func TestFallsToTheLargestSizeAcknowledgedSince(t *testing.T) {
	mtu := 1452
	s := newStream(t, 40, func(size int) bool { return size > mtu })
	for range 200 {
		s.packet(1452)
	}
	mtu = 1372
	for i := range 400 {
		s.packet([]int{1452, 1440, 1360, 1300}[i%4])
		if s.p.PLPMTU() < 1452 {
			break
		}
	}
	require.Equal(t, 1360, s.p.PLPMTU())
	require.Equal(t, Searching, s.p.State(), "1360 is confirmed: no need to go back to BASE")
}

// An application that sends nothing large after the first losses gives no
// evidence: probes of the PLPMTU do.
func TestConfirmingProbes(t *testing.T) {
	for _, hole := range []bool{true, false} {
		lossy := false
		s := newStream(t, 40, func(size int) bool { return size > 1372 && lossy })
		for range 100 {
			s.packet(1452)
		}
		lossy = true
		s.packet(1452)
		s.packet(1452)
		lossy = hole
		for range 40 * 12 {
			s.packet(300)
		}
		kinds := map[Kind]int{}
		for _, e := range s.events {
			kinds[e.Kind]++
		}
		require.Equal(t, 1, kinds[Suspected])
		if hole {
			require.LessOrEqual(t, s.p.PLPMTU(), 1372)
			require.Contains(t, s.causes(StateChange), BlackHoled)
		} else {
			require.Equal(t, 1452, s.p.PLPMTU())
			require.Equal(t, 1, kinds[Refuted])
			require.Equal(t, 1, kinds[ProbeAcked], "one probe settles it")
		}
	}
}

// A late acknowledgement of a larger packet, sent after the trouble began,
// takes the verdict back.
func TestVerdictIsUndone(t *testing.T) {
	mtu := 1452
	s := newStream(t, 40, func(size int) bool { return size > mtu })
	for range 100 {
		s.packet(1452)
	}
	mtu = 1372
	began := s.now
	for i := 0; s.p.PLPMTU() == 1452; i++ {
		s.packet([]int{1452, 1452, 200}[i%3])
	}
	s.p.PacketAcked(s.now, 1452, began)
	require.Less(t, s.p.PLPMTU(), 1452, "sent before the trouble: proves nothing")
	s.events = nil
	s.p.PacketAcked(s.now, 1448, began.Add(testRTT))
	require.Equal(t, 1448, s.p.PLPMTU())
	require.Equal(t, []Cause{LateAck}, s.causes(SizeChange))
}

// A grey hole: 1.5 % loss above 1440 only. The estimator says so; MPS follows
// on request; PLPMTU does not.
func TestGreyHole(t *testing.T) {
	for _, softCap := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(7, 8))
		s := newStream(t, 40, func(size int) bool { return size > 1400 && rng.Float64() < 0.015 })
		s.p.set.softCap = softCap
		for range 30_000 {
			size := min(1452, s.p.MPS())
			if rng.IntN(4) == 0 {
				size = 100 + rng.IntN(1000)
			}
			s.packet(size)
		}
		advised, report := s.p.GreyHole()
		require.Equal(t, 1452, s.p.PLPMTU())
		require.Contains(t, []int{1326, 1389}, advised, "a band's upper edge below 1400; %v", report)
		require.Equal(t, GreyHoleBand{From: 1389, To: 1452, Sent: report[4].Sent, Lost: report[4].Lost}, report[4])
		if softCap {
			require.Equal(t, advised, s.p.MPS())
		} else {
			require.Equal(t, 1452, s.p.MPS())
		}
	}
}

// Loss of every size alike, also in bursts, is not grey.
func TestLossIsNotGrey(t *testing.T) {
	for _, rate := range []float64{0.001, 0.01, 0.05, 0.13} {
		for _, burst := range []int{1, 5, 20} {
			rng := rand.New(rand.NewPCG(9, uint64(burst)))
			left := 0
			s := newStream(t, 40, func(int) bool {
				if left == 0 && rng.Float64() < rate/float64(burst) {
					left = burst
				}
				if left == 0 {
					return false
				}
				left--
				return true
			})
			for range 20_000 {
				s.mixed(rng)
			}
			advised, report := s.p.GreyHole()
			require.Zero(t, advised, "rate %v, bursts of %d: %v", rate, burst, report)
		}
	}
}
