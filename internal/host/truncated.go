package host

import (
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

// errorBudget is the host's budget of ICMPv6 errors as package truncate asks
// for it.
type errorBudget func(now time.Time) bool

// AllowN implements truncate.Budget.
func (b errorBudget) AllowN(now time.Time, _ int) bool { return b == nil || b(now) }

// newDestination returns what decides about truncation options; nil: they are
// not known here.
func newDestination(cfg Config) (*truncate.Destination, error) {
	if cfg.NoTruncation {
		return nil, nil
	}
	return truncate.NewDestination(cfg.Truncation, errorBudget(cfg.Errors))
}

// truncated decides about a packet's truncation options, and returns what the
// rest of the host gets of it: nil when the packet is dealt with.
func (h *Host) truncated(p ip6.Packet, now time.Time, send func([]byte)) ip6.Packet {
	if h.cut == nil {
		return p
	}
	d := h.cut.Receive(now, p, ip6.Arrival{})
	if d.Problem.Reason != ip6.NoProblem {
		return p // headers says what is wrong
	}
	h.counters.Truncation = h.cut.Counters
	if d.Answer != truncate.NoAnswer {
		var err error
		if h.buf, err = d.AppendAnswer(h.buf[:0], p); err == nil {
			h.counters.Errors++
			h.send(h.buf, send)
		}
	}
	if !d.Deliver {
		return nil
	}
	return d.Packet(p)
}

// isEnhanced reports whether an option of a Destination Options header is the
// Enhanced one of revision T0, the only one that asks for a Parameter Problem
// where it is unknown and yet may be part of a packet that is delivered.
func (h *Host) isEnhanced(typ uint8) bool {
	if h.cut == nil || h.cfg.Truncation.Revision != truncate.T0 {
		return false
	}
	codes := h.cfg.Truncation.Codes
	if codes == (truncate.Codes{}) {
		codes = truncate.DefaultCodes
	}
	return typ == codes.Enhanced
}
