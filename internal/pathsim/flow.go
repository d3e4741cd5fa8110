package pathsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Sent is a packet as its sender remembers it.
type Sent struct {
	Number uint64
	Size   int // bytes of PL size
	At     time.Time
	Probe  uint32 // the endpoint's name for a probe, 0: data
}

// Endpoint is what a Flow asks and tells: a way to discover the path MTU.
type Endpoint interface {
	// Size returns the largest PL size for data now, in bytes.
	Size() int
	// Poll returns a probe to send now, if there is one; its id is not 0.
	Poll(now time.Time) (id uint32, size int, ok bool)
	// Next returns when to poll again at the latest; the zero time: after an event.
	Next() time.Time
	// ProbeAcked and ProbeLost say what became of a probe.
	ProbeAcked(now time.Time, id uint32)
	ProbeLost(now time.Time, id uint32)
	// Acked and Lost say what became of a data packet. Acked may follow Lost.
	Acked(now time.Time, p Sent)
	Lost(now time.Time, p Sent)
	// AckDone ends what one ACK frame had to say.
	AckDone(now time.Time)
	// TooBig tells of a Packet Too Big message for a packet of the flow.
	TooBig(now time.Time, mtu int)
}

// FlowConfig describes a flow of packets and its two directions.
type FlowConfig struct {
	Forward, Back []Hop
	Flow          uint64
	Overhead      int           // headers below the PL, bytes
	Traffic       Traffic       // nil: no data, probes only
	Interval      time.Duration // between data packets
	Packets       int           // of data in all, 0: no end
	Window        int           // packets in flight at most, 0: no limit
	AckEvery      int           // packets for each ACK frame, 0: 2
	AckDelay      time.Duration // at most, 0: 25 ms
	// PacketThresholdOnly leaves out the time threshold and the probe timeout
	// of RFC 9002: a loss is known when a packet sent three later is acknowledged.
	PacketThresholdOnly bool
}

// Flow is a sender at work, with loss detection as in RFC 9002.
type Flow struct {
	Forward, Back *Path

	sim  *Sim
	cfg  FlowConfig
	end  Endpoint
	rng  *rand.Rand
	recv receiver

	log      []record // of packets from number first on
	first    uint64
	low      uint64 // no packet below is outstanding
	next     uint64
	inFlight int
	largest  uint64 // acknowledged, plus one
	sentData int

	srtt, rttvar time.Duration
	ptoCount     int
	timer        int // generation of the loss timer
	wake         time.Time

	Stats Stats
}

// Stats counts what a flow did.
type Stats struct {
	Data, DataAcked, DataLost int // packets
	BytesAcked                int // PL bytes of data
	Probes, ProbesLost        int
	ProbeBytes                int // whole IP packets
	Spurious                  int // packets acknowledged after they had been declared lost
}

type record struct {
	Sent
	state recordState
}

type recordState uint8

const (
	outstanding recordState = iota
	acknowledged
	declaredLost
)

const (
	packetThreshold = 3
	defaultAckEvery = 2
	defaultAckDelay = 25 * time.Millisecond
	keptRecords     = 1 << 14
	pingSize        = 40
)

// NewFlow makes a flow; Start sets it going.
func NewFlow(s *Sim, cfg FlowConfig, end Endpoint) *Flow {
	if cfg.AckEvery == 0 {
		cfg.AckEvery = defaultAckEvery
	}
	if cfg.AckDelay == 0 {
		cfg.AckDelay = defaultAckDelay
	}
	f := &Flow{sim: s, cfg: cfg, end: end, rng: s.Rand("traffic")}
	f.Back = NewPath(s, "back", cfg.Back, f.acked, nil)
	f.Forward = NewPath(s, "forward", cfg.Forward, func(p Packet) { f.recv.receive(p.Meta.(uint64)) }, func(m TooBig) {
		end.TooBig(s.now, m.MTU)
		f.pump()
	})
	f.recv = receiver{sim: s, back: f.Back, flow: cfg.Flow, every: cfg.AckEvery, delay: cfg.AckDelay}
	return f
}

// Start begins to send.
func (f *Flow) Start() {
	if f.cfg.Traffic != nil {
		f.tick()
	}
	f.pump()
}

// Done says whether all data was sent and its fate is known.
func (f *Flow) Done() bool {
	return f.cfg.Packets > 0 && f.sentData >= f.cfg.Packets && f.inFlight == 0
}

// tick sends one packet of data, if it may, and comes again.
func (f *Flow) tick() {
	if f.cfg.Packets > 0 && f.sentData >= f.cfg.Packets {
		return
	}
	if f.cfg.Window == 0 || f.inFlight < f.cfg.Window {
		f.sentData++
		f.send(f.cfg.Traffic.Size(f.rng, f.end.Size()), 0)
	}
	f.pump()
	f.sim.After(f.cfg.Interval, f.tick)
}

// pump sends the probe that is due, and sees to being called when the next is.
func (f *Flow) pump() {
	for {
		id, size, ok := f.end.Poll(f.sim.now)
		if !ok {
			break
		}
		f.send(size, id)
	}
	at := f.end.Next()
	if at.IsZero() || at.Equal(f.wake) {
		return
	}
	f.wake = at
	f.sim.At(at, func() {
		if f.wake.Equal(at) {
			f.wake = time.Time{}
			f.pump()
		}
	})
}

func (f *Flow) send(size int, probe uint32) {
	if probe == 0 {
		f.Stats.Data++
	} else {
		f.Stats.Probes++
		f.Stats.ProbeBytes += size + f.cfg.Overhead
	}
	n := f.next
	f.next++
	f.inFlight++
	f.log = append(f.log, record{Sent: Sent{Number: n, Size: size, At: f.sim.now, Probe: probe}})
	f.Forward.Send(Packet{Size: size + f.cfg.Overhead, Flow: f.cfg.Flow, Meta: n})
	f.armTimer()
}

// acked takes an ACK frame.
func (f *Flow) acked(p Packet) {
	numbers := p.Meta.([]uint64)
	if !slices.IsSorted(numbers) {
		numbers = slices.Clone(numbers)
		slices.Sort(numbers)
	}
	fresh := false
	for _, n := range numbers {
		fresh = f.ackOne(n) || fresh
	}
	if fresh {
		f.ptoCount = 0
	}
	f.detect()
	f.end.AckDone(f.sim.now)
	f.trim()
	f.armTimer()
	f.pump()
}

// ackOne credits a packet, and says whether that was news.
func (f *Flow) ackOne(n uint64) bool {
	if n < f.first {
		return false
	}
	r := &f.log[n-f.first]
	switch r.state {
	case acknowledged:
		return false
	case outstanding:
		f.inFlight--
	case declaredLost:
		f.Stats.Spurious++
	}
	r.state = acknowledged
	if n >= f.largest {
		f.largest = n + 1
		f.sample(f.sim.now.Sub(r.At))
	}
	if r.Probe != 0 {
		f.end.ProbeAcked(f.sim.now, r.Probe)
		return true
	}
	f.Stats.DataAcked++
	f.Stats.BytesAcked += r.Size
	f.end.Acked(f.sim.now, r.Sent)
	return true
}

// detect declares lost what later acknowledgements leave behind.
func (f *Flow) detect() {
	for n := f.low; n < f.largest; n++ {
		r := &f.log[n-f.first]
		if r.state == outstanding {
			late := n+packetThreshold < f.largest ||
				!f.cfg.PacketThresholdOnly && f.sim.now.Sub(r.At) >= f.timeThreshold()
			if late {
				f.lose(r)
			}
		}
		if r.state != outstanding && n == f.low {
			f.low++
		}
	}
}

func (f *Flow) lose(r *record) {
	r.state = declaredLost
	f.inFlight--
	if r.Probe != 0 {
		f.Stats.ProbesLost++
		f.end.ProbeLost(f.sim.now, r.Probe)
		return
	}
	f.Stats.DataLost++
	f.end.Lost(f.sim.now, r.Sent)
}

// trim forgets packets whose fate has been settled for long.
func (f *Flow) trim() {
	if n := int(f.low-f.first) - keptRecords; n > keptRecords {
		f.log = append(f.log[:0], f.log[n:]...)
		f.first += uint64(n)
	}
}

// sample folds in one round trip as RFC 9002 section 5.3 does.
func (f *Flow) sample(rtt time.Duration) {
	if f.srtt == 0 {
		f.srtt, f.rttvar = rtt, rtt/2
		return
	}
	f.rttvar = (3*f.rttvar + (f.srtt - rtt).Abs()) / 4
	f.srtt = (7*f.srtt + rtt) / 8
}

// SRTT returns the smoothed round-trip time, 0 if nothing was acknowledged yet.
func (f *Flow) SRTT() time.Duration { return f.srtt }

func (f *Flow) timeThreshold() time.Duration { return f.srtt * 9 / 8 }

// armTimer sets the loss timer, or else the probe timeout.
func (f *Flow) armTimer() {
	if f.cfg.PacketThresholdOnly {
		return
	}
	f.timer++
	if f.inFlight == 0 {
		return
	}
	generation := f.timer
	oldest := f.oldest()
	at := f.sim.now.Add(f.pto())
	if oldest < f.largest {
		at = f.log[oldest-f.first].At.Add(f.timeThreshold())
	}
	f.sim.At(at, func() {
		if f.timer == generation {
			f.timeout()
		}
	})
}

func (f *Flow) oldest() uint64 {
	n := f.low
	for f.log[n-f.first].state != outstanding {
		n++
	}
	return n
}

const initialRTT = 333 * time.Millisecond

func (f *Flow) pto() time.Duration {
	srtt, rttvar := f.srtt, f.rttvar
	if srtt == 0 {
		srtt, rttvar = initialRTT, initialRTT/2
	}
	return (srtt + max(4*rttvar, time.Millisecond) + f.cfg.AckDelay) << min(f.ptoCount, 10)
}

func (f *Flow) timeout() {
	if f.oldest() < f.largest {
		f.detect()
		f.end.AckDone(f.sim.now)
		f.armTimer()
		f.pump()
		return
	}
	f.ptoCount++
	f.send(pingSize, 0) // small, so that it arrives whatever the MTU
	f.send(pingSize, 0)
}
