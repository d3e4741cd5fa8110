package quiclike

import (
	"time"

	"pathmtu/plpmtud"
)

// This file is all that plpmtud needs.

// newPath returns the path of an acknowledged layer whose packets begin with a
// header of its own.
func newPath(cfg plpmtud.Config) (*plpmtud.Path, error) {
	cfg.Layer = plpmtud.Acknowledged
	cfg.Header = HeaderLen
	return plpmtud.New(cfg)
}

// probe makes the probe that is due, if one is.
func (s *sender) probe(now time.Time) ([]byte, bool) {
	p, ok := s.path.Poll(now)
	if !ok {
		return nil, false
	}
	b := s.begin(kindProbe, 0)
	b = append(b, make([]byte, p.Size-len(b))...)
	s.note(packet{at: now, size: p.Size, probe: p.ID})
	return b, true
}

// pathAcked tells the path of an acknowledgement.
func (s *sender) pathAcked(now time.Time, p packet) {
	switch {
	case p.handshake:
		s.path.Start(now, p.size)
	case p.probe != 0:
		s.path.Acked(now, p.probe)
	default:
		s.path.PacketAcked(now, p.size, p.at)
	}
}

// pathLost tells the path of a loss.
func (s *sender) pathLost(now time.Time, p packet) {
	if p.probe != 0 {
		s.path.Lost(now, p.probe)
		return
	}
	s.path.PacketLost(now, p.size, p.at)
}

// hint passes on what an ICMP message claims; the socket has checked it.
func (s *sender) hint(now time.Time, h plpmtud.Hint) { s.path.Hint(now, h) }

// tooLong says that the interface carries no more than so many bytes of UDP
// payload.
func (s *sender) tooLong(now time.Time, most int) { s.path.SetMax(now, most) }
