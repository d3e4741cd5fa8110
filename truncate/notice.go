package truncate

import (
	"net/netip"

	"pathmtu/internal/ip6"
)

// Origin is who sent a notice.
type Origin uint8

// Origins.
const (
	FromRouter      Origin = iota // a Packet Too Big about a packet that did not fit
	FromDestination               // the destination, about a truncated packet that arrived
)

func (o Origin) String() string {
	if o == FromDestination {
		return "destination"
	}
	return "router"
}

// Notice is an ICMPv6 error that a source received and found valid.
type Notice struct {
	Origin Origin
	// Unaware: the destination does not know the option (Parameter Problem code
	// 2 pointing at it) and discarded the truncated packet.
	Unaware bool
	// MTU is a hint: the size in bytes of a whole IP packet that fits. Always
	// 1280 or more and less than the size in use. 0: no hint.
	MTU int
	// Quote is the packet that the error is about, as it came to whoever sent
	// the error; it aliases the error.
	Quote ip6.Packet
}

// Reject is a reason not to believe an error.
type Reject uint8

// Reasons. With NotSmaller the notice is genuine but teaches no size.
const (
	Accepted     Reject = iota
	NotOurs             // neither a Packet Too Big nor a Parameter Problem code 2
	Unparsable          // malformed, or its ICMPv6 checksum is wrong
	ForeignQuote        // the quoted packet's source is not the address that got the error
	InvalidQuote        // the quoted packet is invalid: no error but a Parameter Problem may answer it
	WrongSender         // says a length that arrived, yet does not come from the quoted destination
	MTUMismatch         // from the destination of a truncated packet, yet the MTU is more than its length
	FitsAlready         // a router's: the quoted packet is not larger than the MTU
	BelowMinimum        // MTU under 1280
	WrongPointer        // a Parameter Problem about something else
	UnknownFlow         // the caller does not know the quoted packet
	NotSmaller          // MTU is not less than the size in use
	rejectCount
)

var rejectNames = [rejectCount]string{"accepted", "not ours", "unparsable", "foreign quote", "invalid quote", "wrong sender",
	"MTU mismatch", "quoted packet fits", "MTU under 1280", "pointer elsewhere", "unknown flow", "not smaller"}

func (r Reject) String() string {
	if r < rejectCount {
		return rejectNames[r]
	}
	return "unknown"
}

// Check validates an ICMPv6 error that arrived as the whole packet p. current
// is the size in bytes of a whole IP packet that the flow uses at present.
// known decides whether the quoted packet is one that this host sent: ports and
// a sequence number in the window, or a token. The quote differs from what was
// sent in hop limit, and if it was truncated in length, option type and
// checksum. The notice is complete with Accepted and NotSmaller.
func (s Source) Check(p ip6.Packet, current int, known func(quote ip6.Packet) bool) (Notice, Reject) {
	e, err := ip6.ParseErrorPacket(p, s.Limits)
	return s.check(e, err, p.Src(), p.Dst(), current, known)
}

// CheckMessage is Check for an ICMPv6 message without its IPv6 header, as a raw
// socket delivers it, the ICMPv6 checksum verified by the kernel: from sent it
// to this host's address to.
func (s Source) CheckMessage(from, to netip.Addr, m []byte, current int, known func(quote ip6.Packet) bool) (Notice, Reject) {
	e, err := ip6.ParseError(m)
	return s.check(e, err, from.WithZone(""), to.WithZone(""), current, known)
}

func (s Source) check(e ip6.ICMPError, err error, from, to netip.Addr, current int, known func(ip6.Packet) bool) (Notice, Reject) {
	switch {
	case err == ip6.ErrNotICMPError:
		return Notice{}, NotOurs
	case err != nil:
		return Notice{}, Unparsable
	}
	var n Notice
	var why Reject
	switch {
	case e.Quote.Src() != to:
		return Notice{}, ForeignQuote
	case e.Type == ip6.TypePacketTooBig:
		n, why = s.tooBig(e, from)
	case e.Type == ip6.TypeParameterProblem && e.Code == ip6.CodeUnrecognizedOption:
		n, why = s.unaware(e, from)
	default:
		return Notice{}, NotOurs
	}
	if why != Accepted {
		return Notice{}, why
	}
	n.Quote = e.Quote
	switch {
	case !known(e.Quote):
		return Notice{}, UnknownFlow
	case n.MTU >= current:
		n.MTU = 0
		return n, NotSmaller
	}
	return n, Accepted
}

func (s Source) tooBig(e ip6.ICMPError, from netip.Addr) (Notice, Reject) {
	if e.Param < ip6.MinMTU {
		return Notice{}, BelowMinimum
	}
	if e.Param > ip6.MaxLen {
		return Notice{}, FitsAlready
	}
	mtu, length := int(e.Param), e.Quote.TotalLen()
	scan := s.Scan(e.Quote)
	if marked := scan.Problem.Reason == ip6.NoProblem && scan.Marked(); marked && mtu >= length {
		switch {
		case from != e.Quote.Dst():
			return Notice{}, WrongSender
		case mtu > length:
			return Notice{}, MTUMismatch
		case scan.Fault != NoFault:
			return Notice{}, InvalidQuote
		}
		return Notice{Origin: FromDestination, MTU: mtu}, Accepted
	}
	if length <= mtu {
		return Notice{}, FitsAlready
	}
	return Notice{Origin: FromRouter, MTU: mtu}, Accepted
}

// unaware judges a Parameter Problem: the option that a router has marked met a
// destination that does not know it. What arrived is a hint all the same.
func (s Source) unaware(e ip6.ICMPError, from netip.Addr) (Notice, Reject) {
	off, ok := e.PointedAt()
	if !ok {
		return Notice{}, WrongPointer
	}
	if k := s.kind(e.Quote[off]); k != truncated && k != enhanced {
		return Notice{}, WrongPointer
	}
	scan := s.Scan(e.Quote)
	switch {
	case scan.Problem.Reason != ip6.NoProblem || !s.optionAt(e.Quote, off):
		return Notice{}, WrongPointer
	case from != e.Quote.Dst():
		return Notice{}, WrongSender
	case scan.Fault != NoFault:
		return Notice{}, InvalidQuote
	}
	n := Notice{Origin: FromDestination, Unaware: true}
	if scan.Marked() {
		n.MTU = e.Quote.TotalLen()
	}
	return n, Accepted
}

// optionAt reports whether an option of a Destination Options header starts at
// off.
func (s Source) optionAt(p ip6.Packet, off int) bool {
	w := p.Walk(s.Limits)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		if h.Type != ip6.ProtoDestOpts {
			continue
		}
		ow := h.Options(s.Limits)
		for o, ok := ow.Next(); ok; o, ok = ow.Next() {
			if o.Off == off {
				return true
			}
		}
	}
	return false
}

// NoticeCounters count errors by origin and by what became of them.
type NoticeCounters struct {
	Router      uint64              // genuine, from routers; also those that taught nothing
	Destination uint64              // genuine, from destinations
	Unaware     uint64              // of those, Parameter Problems
	Rejected    [rejectCount]uint64 // by Reject
}

// Count adds one.
func (c *NoticeCounters) Count(n Notice, r Reject) {
	c.Rejected[r]++
	if r != Accepted && r != NotSmaller {
		return
	}
	if n.Origin == FromDestination {
		c.Destination++
	} else {
		c.Router++
	}
	if n.Unaware {
		c.Unaware++
	}
}
