package hbh

import (
	"encoding/binary"

	"pathmtu/internal/ip6"
)

// Outcome is what a router did with one option.
type Outcome uint8

// Outcomes.
const (
	NotOurs   Outcome = iota // another type
	Kept                     // Min-PMTU is not above the link MTU
	Lowered                  // Min-PMTU was overwritten with the link MTU
	BadLength                // type 0x30 of another length: skipped as an unknown option
)

// RewriteOption applies RFC 9268 section 6.1 to one option of a Hop-by-Hop
// Options header, in place: Min-PMTU becomes the smaller of itself and
// linkMTU, the IPv6 MTU in bytes configured for the outgoing link. Values over
// 65535 count as 65535. Min-PMTU is never raised and not judged; Rtn-PMTU and
// R are not touched. No checksum covers the option.
//
// A router that walks the header itself calls this for each option that its
// policy lets it process; the others use Rewrite.
func RewriteOption(o ip6.Option, linkMTU int) Outcome {
	if o.Type != Type {
		return NotOurs
	}
	if len(o.Data) != DataLen {
		return BadLength
	}
	mtu := ClampMin(linkMTU)
	if binary.BigEndian.Uint16(o.Data) <= mtu {
		return Kept
	}
	binary.BigEndian.PutUint16(o.Data, mtu)
	return Lowered
}

// Rewritten counts what a router did with the options of one packet.
type Rewritten struct {
	Kept, Lowered, BadLength int
	// Problem is a fault of the header. Options before it may have been lowered.
	Problem ip6.Problem
}

// Options is the number of options of type 0x30 and length 4 in the packet;
// more than one is a duplicate.
func (r Rewritten) Options() int { return r.Kept + r.Lowered }

// Rewrite applies RewriteOption to every instance in the packet's Hop-by-Hop
// Options header. Call it after the route is known: linkMTU is the MTU of the
// link that the packet is about to leave on. Options elsewhere, also 0x30 in a
// Destination Options header, are not looked at.
func Rewrite(p ip6.Packet, linkMTU int, lim ip6.Limits) Rewritten {
	if p.NextHeader() != ip6.ProtoHopByHop {
		return Rewritten{}
	}
	var r Rewritten
	if o, ok := alone(p); ok {
		if RewriteOption(o, linkMTU) == Lowered {
			r.Lowered = 1
		} else {
			r.Kept = 1
		}
		return r
	}
	h, pr, ok := p.HopByHop(lim)
	if !ok {
		r.Problem = pr
		return r
	}
	w := h.Options(lim)
	for o, ok := w.Next(); ok; o, ok = w.Next() {
		switch RewriteOption(o, linkMTU) {
		case Kept:
			r.Kept++
		case Lowered:
			r.Lowered++
		case BadLength:
			r.BadLength++
		}
	}
	r.Problem = w.Problem()
	return r
}

// alone finds the option where hosts put it: the only one in a header of 8
// bytes, which it fills. Every other case takes the walk.
func alone(p ip6.Packet) (ip6.Option, bool) {
	const at = ip6.HeaderLen
	if len(p) < at+HeaderLen || p[at+1] != 0 || p[at+2] != Type || p[at+3] != DataLen {
		return ip6.Option{}, false
	}
	return ip6.Option{Type: Type, Off: at + 2, Data: p[at+4 : at+8]}, true
}

// RouterCounters add up what a router did. They are plain numbers: one
// goroutine adds, or each has its own.
type RouterCounters struct {
	Packets    uint64 // with at least one option of type 0x30
	Lowered    uint64 // options
	Kept       uint64 // options
	BadLength  uint64 // options
	Duplicates uint64 // packets with more than one option
	Malformed  uint64 // headers with a Problem
}

// Count adds r.
func (c *RouterCounters) Count(r Rewritten) {
	if r.Options()+r.BadLength > 0 {
		c.Packets++
	}
	if r.Options() > 1 {
		c.Duplicates++
	}
	if r.Problem.Reason != ip6.NoProblem {
		c.Malformed++
	}
	c.Lowered += uint64(r.Lowered)
	c.Kept += uint64(r.Kept)
	c.BadLength += uint64(r.BadLength)
}
