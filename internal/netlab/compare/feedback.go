package compare

import (
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/pathsim"
	"pathmtu/plpmtud"
	"pathmtu/truncate"
)

// receive takes what the network brings back.
func (s *source) receive(b []byte) {
	if s.stopped {
		return
	}
	p, err := ip6.Parse(b)
	if err != nil {
		return
	}
	if up, _ := p.FindUpper(ip6.Limits{}); up.Proto == ip6.ProtoICMPv6 {
		s.error(p)
	} else if h, err := parse(p); err == nil {
		s.acknowledged(p, h)
	}
	s.pump()
}

// at returns a record that is kept.
func (s *source) at(n uint32) *record {
	if n < s.first || n-s.first >= uint32(len(s.log)) {
		return nil
	}
	return &s.log[n-s.first]
}

// acknowledged takes an acknowledgement. The token says that it is genuine, and
// so is the option on it (D6).
func (s *source) acknowledged(p ip6.Packet, h head) {
	r := s.at(h.seq)
	if r == nil || r.token != h.token {
		return
	}
	now := s.sim.Now()
	first := s.lastAck.IsZero()
	s.lastAck, s.backoff = now, 0
	if first && s.flow != nil {
		s.flow.Start(now)
	}
	if r.open {
		r.open = false
		s.sample(now.Sub(r.at))
		s.tell(r, true)
	}
	if h.seq >= s.largest {
		s.largest = h.seq + 1
	}
	if s.flow != nil {
		if ob := hbh.Observe(p, ip6.Limits{}); ob.Count > 0 {
			s.count.optionReplies++
			if m := s.flow.Received(now, ob).MTU; m != 0 {
				s.path.Hint(now, plpmtud.Hint{Source: plpmtud.HopByHop, MTU: m})
			}
		}
	}
	s.detect()
}

func (s *source) sample(rtt time.Duration) {
	if s.srtt == 0 {
		s.srtt = rtt
	}
	s.srtt = (7*s.srtt + rtt) / 8
	if s.path != nil {
		s.path.SetRTT(s.srtt)
	}
}

// tell tells the state machines what became of a packet.
func (s *source) tell(r *record, arrived bool) {
	now := s.sim.Now()
	if !arrived && r.kind == dataKind {
		s.count.lostPackets++
		s.count.lostBytes += r.size
	}
	if s.flow != nil && r.option {
		if arrived {
			s.flow.Acked()
		} else {
			s.flow.Lost(now)
		}
	}
	switch {
	case s.path == nil:
	case r.kind == probeKind && arrived:
		s.path.Acked(now, r.id)
	case r.kind == probeKind:
		s.path.Lost(now, r.id)
	case r.kind == askKind: // says nothing about sizes
	case arrived:
		s.path.PacketAcked(now, r.pl, r.at)
	default:
		s.path.PacketLost(now, r.pl, r.at)
	}
}

// detect declares lost what later acknowledgements leave behind.
func (s *source) detect() {
	for n := s.low; n < s.largest; n++ {
		r := s.at(n)
		if r.open && n+threshold < s.largest {
			r.open = false
			s.tell(r, false)
		}
		if !r.open && n == s.low {
			s.low++
		}
	}
	if drop := int(s.low-s.first) - keepRecords; drop > keepRecords {
		s.log = append(s.log[:0], s.log[drop:]...)
		s.first += uint32(drop)
	}
}

// watch sends small packets when nothing is acknowledged for long, so that later
// acknowledgements tell what was lost.
func (s *source) watch() {
	if s.stopped {
		return
	}
	now, since := s.sim.Now(), s.lastAck
	if since.IsZero() {
		since = pathsim.Epoch
	}
	due := func() time.Time { return since.Add(max(4*s.srtt, leastPTO) << min(s.backoff, 6)) }
	if !now.Before(due()) {
		s.backoff++
		for range 2 {
			s.count.pings++
			s.send(pingKind, plainLen, 0, nil)
		}
	}
	next := due()
	if least := now.Add(leastPTO / 4); next.Before(least) {
		next = least
	}
	s.sim.At(next, s.watch)
}

// known says whether a quoted packet is one that was sent.
func (s *source) known(q ip6.Packet) bool {
	h, err := quoted(q)
	if err != nil {
		return false
	}
	r := s.at(h.seq)
	return r != nil && r.token == h.token
}

// error takes an ICMPv6 error.
func (s *source) error(p ip6.Packet) {
	current := s.link + 1
	if s.path == nil {
		current = s.pmtu
	}
	n, why := s.cut.Check(p, current, s.known)
	if why != truncate.Accepted && why != truncate.NotSmaller {
		return
	}
	now := s.sim.Now()
	if s.peer != nil {
		s.peer.Notice(now, n)
	}
	h, err := quoted(n.Quote)
	if err != nil || s.at(h.seq).kind == trialKind || why != truncate.Accepted || n.MTU == 0 {
		return
	}
	if s.path == nil {
		s.pmtu, s.raiseAt = max(n.MTU, ip6.MinMTU), now.Add(raiseAfter)
		return
	}
	src := plpmtud.PacketTooBig
	if n.Origin == truncate.FromDestination {
		src = plpmtud.Truncated
	}
	s.path.Hint(now, plpmtud.Hint{Source: src, MTU: n.MTU})
}
