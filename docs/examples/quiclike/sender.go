package quiclike

import (
	"errors"
	"io"
	"slices"
	"time"

	"pathmtu/plpmtud"
)

const (
	// handshakeSize is the UDP payload of the first packet, in bytes: what the
	// path is known to carry when it is acknowledged.
	handshakeSize = plpmtud.DefaultBase
	// packetThreshold is kPacketThreshold (RFC 9002 section 6.1.1).
	packetThreshold = 3
	maxBackoff      = 6
)

// chunk is a piece of the stream.
type chunk struct {
	offset uint64
	data   []byte
	last   bool // the stream ends after it
}

// packet is one in flight.
type packet struct {
	number    uint32
	at        time.Time
	size      int             // UDP payload
	probe     plpmtud.ProbeID // 0: none
	handshake bool
	chunk     *chunk // nil: carries no data
}

// sender is the sending side, without I/O.
type sender struct {
	path     *plpmtud.Path
	window   window
	rtt      rtt
	conn     uint64
	src      io.Reader
	offset   uint64
	resend   []chunk
	flight   []packet // ascending by number
	inFlight int      // bytes
	number   uint32   // of the next packet
	largest  uint32   // acknowledged, +1
	open     bool     // the handshake was acknowledged
	ended    bool     // src is at its end
	pings    int      // to send now
	backoff  uint
	lastSent time.Time
	heard    time.Time // when an acknowledgement came last
	stats    Stats
	buf      []byte
}

// next returns a packet to send now, which is valid until the next call, or
// nil.
func (s *sender) next(now time.Time) ([]byte, error) {
	switch {
	case !s.open && len(s.flight) == 0:
		b := s.begin(kindPing, 0)
		s.note(packet{at: now, size: handshakeSize, handshake: true})
		return append(b, make([]byte, handshakeSize-len(b))...), nil
	case !s.open:
		return nil, nil
	case s.pings > 0: // small: it tells a black hole from an outage
		s.pings--
		b := s.begin(kindPing, 0)
		s.note(packet{at: now, size: len(b)})
		return b, nil
	case s.inFlight+s.path.PLPMTU() > s.window.size:
		return nil, nil
	}
	if b, ok := s.probe(now); ok {
		return b, nil
	}
	c, err := s.take(s.path.MPS())
	if c == nil || err != nil {
		return nil, err
	}
	k := kindData
	if c.last {
		k = kindLast
	}
	b := append(s.begin(k, c.offset), c.data...)
	s.note(packet{at: now, size: len(b), chunk: c})
	return b, nil
}

func (s *sender) begin(k kind, offset uint64) []byte {
	return header{kind: k, number: s.number, conn: s.conn, offset: offset}.append(s.buf[:0])
}

func (s *sender) note(p packet) {
	p.number = s.number
	s.number++
	s.inFlight += p.size
	s.lastSent = p.at
	s.flight = append(s.flight, p)
	s.stats.Packets++
}

// take returns at most n bytes of the stream: what was lost first, cut anew,
// since the path may carry less now.
func (s *sender) take(n int) (*chunk, error) {
	if len(s.resend) > 0 {
		c := s.resend[0]
		s.resend = s.resend[1:]
		if len(c.data) > n {
			s.resend = slices.Insert(s.resend, 0, chunk{c.offset + uint64(n), c.data[n:], c.last})
			c = chunk{offset: c.offset, data: c.data[:n]}
		}
		s.stats.Resent++
		return &c, nil
	}
	if s.ended {
		return nil, nil
	}
	c := chunk{offset: s.offset, data: make([]byte, n)}
	read, err := io.ReadFull(s.src, c.data)
	c.data = c.data[:read]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.ended, c.last, err = true, true, nil
	}
	s.offset += uint64(read)
	return &c, err
}

// done says whether all of the stream was acknowledged.
func (s *sender) done() bool {
	return s.ended && len(s.resend) == 0 && !slices.ContainsFunc(s.flight, func(p packet) bool { return p.chunk != nil })
}

// received handles a datagram of the peer; what is no acknowledgement for this
// connection is ignored.
func (s *sender) received(now time.Time, b []byte) {
	h, rest, err := parseHeader(b)
	if err != nil || h.kind != kindAck || h.conn != s.conn {
		return
	}
	ranges, err := parseRanges(rest)
	if err != nil || ranges[len(ranges)-1].hi >= s.number {
		return
	}
	s.heard, s.backoff = now, 0
	top := ranges[len(ranges)-1].hi
	s.largest = max(s.largest, top+1)
	kept := s.flight[:0]
	for _, p := range s.flight {
		if !slices.ContainsFunc(ranges, func(r numbers) bool { return p.number >= r.lo && p.number <= r.hi }) {
			kept = append(kept, p)
			continue
		}
		s.inFlight -= p.size
		if p.number == top {
			s.rtt.sample(now.Sub(p.at))
			s.path.SetRTT(s.rtt.smoothed)
		}
		s.open = s.open || p.handshake
		if p.probe == 0 && p.chunk != nil {
			s.window.acked(p.size, p.at)
		}
		s.pathAcked(now, p)
	}
	s.flight = kept
	s.detect(now)
}

// detect finds out which packets are lost.
func (s *sender) detect(now time.Time) {
	kept := s.flight[:0]
	for _, p := range s.flight {
		if p.number >= s.largest || p.number+packetThreshold >= s.largest && now.Sub(p.at) < s.rtt.lossDelay() {
			kept = append(kept, p)
			continue
		}
		s.drop(now, p)
	}
	s.flight = kept
}

func (s *sender) drop(now time.Time, p packet) {
	s.inFlight -= p.size
	s.stats.Lost++
	if p.chunk != nil {
		s.resend = append(s.resend, *p.chunk)
	}
	if p.probe == 0 { // the loss of a probe is no sign of congestion
		s.window.lost(now, p.at)
	}
	s.pathLost(now, p)
}

// wake returns when something is to be done without an event; zero: never.
func (s *sender) wake() time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, p := range s.flight {
		if p.number < s.largest {
			sooner(p.at.Add(s.rtt.lossDelay()))
			break
		}
	}
	if len(s.flight) > 0 {
		sooner(s.lastSent.Add(s.rtt.probeTimeout() << s.backoff))
	}
	if s.inFlight+s.path.PLPMTU() <= s.window.size {
		sooner(s.path.Next())
	}
	return at
}

// tick does what timers ask for.
func (s *sender) tick(now time.Time) {
	s.detect(now)
	if len(s.flight) == 0 || now.Before(s.lastSent.Add(s.rtt.probeTimeout()<<s.backoff)) {
		return
	}
	s.backoff = min(s.backoff+1, maxBackoff)
	if !s.open {
		s.inFlight, s.flight = 0, nil // the handshake again
		return
	}
	s.pings = 2
}
