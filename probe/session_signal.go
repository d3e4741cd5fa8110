package probe

import (
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/plpmtud"
	"pathmtu/results"
)

// hinter is a Method whose answers may say what the way there carries.
type hinter interface {
	// hint returns that size, in bytes of IP packet; 0: the answer says nothing.
	hint(answer []byte) int
}

// cutter is a Method whose packets routers may truncate.
type cutter interface {
	// cut returns how much of a packet arrived, in bytes of IP packet, if the target
	// says that it was truncated; 0: it doesn't.
	cut(ICMPError) int
}

// signals are what the network said of the path, other than by Packet Too Big
// messages of routers.
type signals struct {
	hint int // last believed; bytes of IP packet, 0: none
	cut  int // least that arrived of a truncated packet, likewise
}

// hinted takes what an answer says: the size is tried next, and nothing above it
// until it is confirmed. It is a hint and proves nothing (RFC 9268 section 6.3).
func (s *Session) hinted(now time.Time, answer []byte) {
	h, ok := s.cfg.Method.(hinter)
	if !ok || s.done {
		return
	}
	mtu := h.hint(answer)
	if mtu == 0 || mtu == s.signals.hint {
		return
	}
	s.signals.hint = mtu
	s.note("the routers on the way there say %d bytes", mtu)
	mtu = s.sizes().down(min(mtu, s.hi))
	if s.path == nil || s.loads != nil || mtu <= s.path.PLPMTU() || s.refused != 0 && mtu >= s.refused {
		return
	}
	if a := s.now; a != nil && a.path != 0 && a.size > mtu {
		s.now = nil
	}
	s.path.Hint(now, plpmtud.Hint{Source: plpmtud.HopByHop, MTU: mtu})
}

// truncated returns what an ICMP error is really about, if the packet arrived at
// the target, cut by a router: that it was too big for a link on the way, which
// carries as much as arrived.
func (s *Session) truncated(e ICMPError) (ICMPError, bool) {
	c, ok := s.cfg.Method.(cutter)
	if !ok {
		return e, false
	}
	mtu := c.cut(e)
	if mtu == 0 {
		return e, false
	}
	if s.signals.cut == 0 {
		s.note("a packet was truncated on the way, and %d bytes of it arrived", mtu)
	}
	if s.signals.cut == 0 || mtu < s.signals.cut {
		s.signals.cut = mtu
	}
	e.Type, e.Code, e.MTU = ip6.TypePacketTooBig, 0, mtu
	e.Quote.TTL = 0 // it tells how far the target is, and not the router that cut
	return e, true
}

// report fills in what became of the Method's options.
func (g signals) report(o *Outcome, m Method, answered, cut bool) {
	switch m.(type) {
	case hinter:
		o.HBH = &results.HBH{Sent: true, Survived: answered, MinPMTU: g.hint}
	case cutter:
		o.Truncation = &results.Truncation{Sent: true, Survived: cut || g.cut != 0, MTU: g.cut}
	}
}
