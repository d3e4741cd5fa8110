package compare

import (
	"math/rand/v2"
	"slices"
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/pathsim"
	"pathmtu/plpmtud"
	"pathmtu/truncate"
)

// Mechanism is a way of discovering the path MTU.
type Mechanism struct {
	Name string `json:"name"`
	// Probing: DPLPMTUD. Without it, RFC 8201: the first hop's MTU until a
	// Packet Too Big says less, and again ten minutes after.
	Probing bool `json:"probing"`
	// HopByHop asks with the option of RFC 9268. It needs Probing.
	HopByHop bool `json:"hop_by_hop"`
	// AskInterval is the time between measurements; 0: 10 minutes.
	AskInterval time.Duration `json:"ask_interval_ns"`
	// Truncate marks packets as eligible, once a trial found the destination
	// aware.
	Truncate bool `json:"truncate"`
}

// Mechanisms are the ones compared.
func Mechanisms() []Mechanism {
	return []Mechanism{
		{Name: "PMTUD"},
		{Name: "DPLPMTUD", Probing: true},
		{Name: "HBH", Probing: true, HopByHop: true},
		{Name: "Truncate", Truncate: true},
		{Name: "DPLPMTUD+Truncate", Probing: true, Truncate: true},
		{Name: "HBH+Truncate", Probing: true, HopByHop: true, Truncate: true},
	}
}

// Timing of the application and of its loss detection.
const (
	dataInterval = 100 * time.Millisecond // unless the scenario says otherwise
	raiseAfter   = 10 * time.Minute       // RFC 8201 section 4
	threshold    = 3                      // packets, as in RFC 9002
	leastPTO     = 200 * time.Millisecond
	keepRecords  = 4096
)

type kind uint8

const (
	dataKind  kind = iota
	probeKind      // of DPLPMTUD
	askKind        // small, with the option
	pingKind       // small, to find out what is lost
	trialKind      // of truncation: never delivered
)

type record struct {
	kind   kind
	size   int // IP packet
	pl     int // PL size
	at     time.Time
	token  uint64
	id     plpmtud.ProbeID
	option bool
	open   bool // neither acknowledged nor lost
}

// source is the sending host with its application.
type source struct {
	sim  *pathsim.Sim
	net  *network
	mech Mechanism
	rng  *rand.Rand
	link int           // MTU of the first hop
	gap  time.Duration // between packets of data

	path     *plpmtud.Path // nil: RFC 8201
	overhead int           // headers below the PL
	pmtu     int           // RFC 8201
	raiseAt  time.Time
	flow     *hbh.Flow // nil: no option
	peer     *truncate.Peer
	cut      truncate.Source

	log      []record // from number first on
	first    uint32
	low      uint32 // no record below is open
	largest  uint32 // acknowledged, plus one
	srtt     time.Duration
	lastAck  time.Time
	backoff  int
	wake     time.Time
	stopped  bool
	last     int // size in use, as noted last
	lastPL   int // the same with what is reserved for a mark
	timeline []change

	count counts
}

// change is a size that came into use.
type change struct {
	at      time.Duration
	size    int
	packets int // sent before
}

type counts struct {
	data, probes, asks, pings, trials int
	optionReplies                     int
	lostBytes                         int // of data
	lostPackets                       int
	oversized                         int // data packets larger than the path MTU when they were sent
	falseSizes                        int // sizes that came into use and that the path did not carry
}

func (c counts) packets() int { return c.data + c.probes + c.asks + c.pings + c.trials }

func newSource(n *network, mech Mechanism) (*source, error) {
	s := &source{sim: n.sim, net: n, mech: mech, rng: n.sim.Rand("source"), gap: dataInterval, link: n.links[0].mtu, overhead: ip6.HeaderLen + 8}
	var err error
	if mech.Truncate {
		s.overhead += doLen
		if s.peer, err = truncate.NewPeer(truncate.PeerConfig{}); err != nil {
			return nil, err
		}
	}
	if !mech.Probing {
		s.pmtu = s.link
		return s, nil
	}
	least := ip6.MinMTU - s.overhead
	if s.path, err = plpmtud.New(plpmtud.Config{Overhead: s.overhead, Min: least, Base: least, Max: s.link - s.overhead}); err != nil {
		return nil, err
	}
	if mech.HopByHop {
		s.flow, err = hbh.NewFlow(hbh.FlowConfig{LinkMTU: s.link, Ask: true, AskInterval: mech.AskInterval})
	}
	return s, err
}

func (s *source) start() {
	if s.path != nil {
		s.path.Start(s.sim.Now(), 0)
	}
	s.note()
	s.watch()
	s.sim.After(time.Duration(s.rng.Int64N(int64(s.gap))), s.tick)
	s.pump()
}

// size is the largest packet that the application may send now.
func (s *source) size() int {
	switch {
	case s.path == nil:
		return s.pmtu
	case s.path.State() == plpmtud.Base:
		return ip6.MinMTU
	}
	return s.path.MTU()
}

// onWire is the size as an IP packet: while packets are not marked, the header
// that is reserved for the mark is left out.
func (s *source) onWire() int {
	if s.peer != nil && !s.peer.MayMark(s.sim.Now()) {
		return max(s.size()-doLen, ip6.MinMTU)
	}
	return s.size()
}

// tick sends a packet of data of the largest size.
func (s *source) tick() {
	if s.stopped {
		return
	}
	if s.raiseAt != (time.Time{}) && !s.sim.Now().Before(s.raiseAt) {
		s.raiseAt, s.pmtu = time.Time{}, s.link
		s.note()
	}
	size := s.size()
	s.count.data++
	s.send(dataKind, size, 0, nil)
	s.pump()
	s.sim.After(s.gap, s.tick)
}

// send sends a packet that has size bytes with all headers that are reserved.
func (s *source) send(k kind, size int, id plpmtud.ProbeID, o *hbh.Option) {
	now := s.sim.Now()
	r := record{kind: k, pl: size - s.overhead, at: now, token: s.rng.Uint64(), id: id, option: o != nil, open: k != trialKind}
	n := s.first + uint32(len(s.log))
	p := datagram(true, max(size-s.overhead+ip6.HeaderLen+8, plainLen), head{n, r.token})
	switch {
	case k == trialKind:
		p = s.marked(p, s.cut.AppendTrial)
	case s.peer != nil && s.peer.MayMark(now) && len(p)+doLen >= ip6.MinMTU:
		p = s.marked(p, s.cut.AppendMarked)
	}
	if o != nil {
		if q, err := withOption(p, *o); err == nil {
			p = q
		}
	}
	r.size = len(p)
	if k == dataKind && r.size > s.net.truth() {
		s.count.oversized++
	}
	s.log = append(s.log, r)
	s.net.fromSource(p)
}

func (s *source) marked(p ip6.Packet, mark func([]byte, ip6.Packet, int) ([]byte, truncate.NoMark)) ip6.Packet {
	if m, why := mark(nil, p, s.link); why == truncate.Marked {
		return m
	}
	return p
}

// pump sends what the state machines want sent, and comes again when they say.
func (s *source) pump() {
	if s.stopped {
		return
	}
	now := s.sim.Now()
	if s.path != nil {
		for probe, ok := s.path.Poll(now); ok; probe, ok = s.path.Poll(now) {
			s.count.probes++
			s.send(probeKind, probe.Size+s.overhead, probe.ID, nil)
		}
	}
	if s.flow != nil {
		s.flow.SetPMTU(s.size())
		for o, ok := s.flow.Poll(now); ok; o, ok = s.flow.Poll(now) {
			s.count.asks++
			s.send(askKind, plainLen, 0, &o)
		}
	}
	if s.peer != nil && s.lastAck != (time.Time{}) && s.peer.Poll(now) {
		s.count.trials++
		s.send(trialKind, ip6.MinMTU, 0, nil)
	}
	s.note()
	s.sleep(now)
}

func (s *source) sleep(now time.Time) {
	var at []time.Time
	if s.path != nil {
		at = append(at, s.path.Next())
	}
	if s.flow != nil {
		at = append(at, s.flow.Next())
	}
	if s.peer != nil && s.lastAck != (time.Time{}) {
		at = append(at, s.peer.Next())
	}
	at = slices.DeleteFunc(at, time.Time.IsZero)
	if len(at) == 0 {
		return
	}
	next := slices.MinFunc(at, time.Time.Compare)
	if !next.After(now) {
		next = now.Add(time.Millisecond)
	}
	if !s.wake.IsZero() && !next.Before(s.wake) {
		return
	}
	s.wake = next
	s.sim.At(next, func() {
		if s.wake.Equal(next) {
			s.wake = time.Time{}
			s.pump()
		}
	})
}

// note writes down a size that came into use.
func (s *source) note() {
	size := s.onWire()
	if size == s.last {
		return
	}
	s.last = size
	if pl := s.size(); pl != s.lastPL { // not when a mark comes or goes
		s.lastPL = pl
		if size > s.net.truth() {
			s.count.falseSizes++
		}
	}
	s.timeline = append(s.timeline, change{s.sim.Since(), size, s.count.packets()})
}
