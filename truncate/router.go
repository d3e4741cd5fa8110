package truncate

import (
	"encoding/binary"

	"pathmtu/internal/ip6"
)

// Refusal says why a packet that does not fit is not truncated: the router
// then does what RFC 8200 and RFC 4443 ask: discard, Packet Too Big.
type Refusal uint8

// Refusals.
const (
	Truncatable      Refusal = iota
	NotEligible              // no truncation option: the ordinary case
	Invalid                  // invalid packet; see Plan.Fault
	Malformed                // the headers cannot be walked
	HeadersDoNotFit          // extension headers and upper-layer header exceed the link MTU
	LinkTooSmall             // link MTU under 1280: the result would be invalid
	NoChecksumRepair         // T0 only: the upper layer's checksum cannot be repaired
	refusalCount
)

var refusalNames = [refusalCount]string{"truncatable", "not eligible", "invalid packet", "malformed headers",
	"headers do not fit the link", "link MTU below 1280", "checksum cannot be repaired"}

func (r Refusal) String() string {
	if r < refusalCount {
		return refusalNames[r]
	}
	return "unknown"
}

// Router is the router's part. The zero value is revision T1 with
// DefaultCodes. Its methods only read it: share it freely.
type Router struct {
	Reader
	// NoPTB turns off the Packet Too Big beside a truncated packet. Revision T0
	// never sends one.
	NoPTB bool
}

// Plan is what a router may do with one packet that does not fit.
type Plan struct {
	Refusal Refusal
	Fault   Fault // when Refusal is Invalid
	Repair  Repair
	// PTB: send a Packet Too Big with MTU to the source, quoting the packet as
	// it was: build it before Apply. Always true when the packet is refused;
	// the exclusions of RFC 4443 (ip6.MayError) and the budget still hold.
	PTB bool
	MTU int // of the next link, and the length of the cut packet, in bytes

	reader Reader
	upper  ip6.Upper
}

// OK reports whether Apply may be called.
func (pl Plan) OK() bool { return pl.Refusal == Truncatable }

// Plan looks at p, which is longer than linkMTU, the MTU in bytes of the link
// that it should leave on. It changes nothing and draws on no budget: a caller
// that finds OK takes one token of its truncation budget, builds the Packet
// Too Big if PTB is set, and calls Apply; without a token it discards the
// packet and sends the Packet Too Big alone.
//
// Do not call it for packets that fit: a router never looks at Destination
// Options then.
func (r Router) Plan(p ip6.Packet, linkMTU int) Plan {
	pl := Plan{PTB: true, MTU: linkMTU, reader: r.Reader}
	s := r.Scan(p)
	pl.upper = s.Upper
	switch {
	case s.Problem.Reason != ip6.NoProblem:
		pl.Refusal = Malformed
		return pl
	case !s.Any():
		pl.Refusal = NotEligible
		return pl
	case s.Fault != NoFault:
		pl.Refusal, pl.Fault = Invalid, s.Fault
		return pl
	case linkMTU < ip6.MinMTU:
		pl.Refusal = LinkTooSmall
		return pl
	}
	n, ok := ip6.UpperHeaderLen(s.Upper.Proto, p[s.Upper.Off:])
	if !ok || s.Upper.Off+n > linkMTU {
		pl.Refusal = HeadersDoNotFit
		return pl
	}
	pl.Repair = repairOf(p, s.Upper, linkMTU)
	if pl.Repair == Unrepaired && r.Revision == T0 {
		pl.Refusal = NoChecksumRepair
		return pl
	}
	pl.PTB = !r.NoPTB && r.Revision != T0
	return pl
}

// Apply cuts p to the plan's MTU in place: the upper-layer checksum (and UDP
// Length) is repaired, every Eligible becomes Truncated, the T flag of
// Enhanced is set, Payload Length is corrected. It returns the shorter packet,
// which aliases p. The plan must be OK and made for this packet.
func (pl Plan) Apply(p ip6.Packet) ip6.Packet {
	if !pl.OK() || len(p) <= pl.MTU {
		return p
	}
	repair(p, pl.upper, pl.MTU)
	pl.mark(p)
	return p.Cut(pl.MTU)
}

func (pl Plan) mark(p ip6.Packet) {
	codes := pl.reader.Codes.orDefault()
	w := p.Walk(pl.reader.Limits)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		if h.Type != ip6.ProtoDestOpts {
			continue
		}
		ow := h.Options(pl.reader.Limits)
		for o, ok := ow.Next(); ok; o, ok = ow.Next() {
			switch pl.reader.kind(o.Type) {
			case eligible:
				p[o.Off] = codes.Truncated
			case enhanced:
				o.Data[2] |= 0x80
			}
		}
	}
}

// Repair says what becomes of the upper-layer checksum when a packet is cut.
type Repair uint8

// Repairs.
const (
	Repaired   Repair = iota // adjusted, for UDP with the UDP Length
	Untouched                // needs no change: UDP checksum 0 (UDP Length is corrected), or only bytes behind the UDP Length are cut
	Unrepaired               // left wrong: unknown protocol, or malformed UDP Length
)

func (r Repair) String() string {
	switch r {
	case Repaired:
		return "repaired"
	case Untouched:
		return "untouched"
	}
	return "unrepaired"
}

// repairOf tells what repair will do when p is cut to n bytes.
func repairOf(p ip6.Packet, u ip6.Upper, n int) Repair {
	off, ok := ip6.ChecksumOffset(u.Proto)
	if !ok {
		return Unrepaired
	}
	b := p[u.Off:]
	if u.Proto == ip6.ProtoUDP {
		l := udpLen(b)
		switch {
		case l < 8 || l > len(b):
			return Unrepaired
		case l <= n-u.Off:
			return Untouched
		case b[off] == 0 && b[off+1] == 0:
			return Untouched
		}
	}
	return Repaired
}

// repair adjusts the upper-layer checksum, and for UDP its Length, for p cut
// to n bytes. The upper-layer header lies within n.
func repair(p ip6.Packet, u ip6.Upper, n int) Repair {
	how := repairOf(p, u, n)
	b := p[u.Off:]
	keep := n - u.Off
	lengths := 1
	if u.Proto == ip6.ProtoUDP {
		l := udpLen(b)
		if how == Unrepaired || l <= keep {
			return how
		}
		b = b[:l]
		binary.BigEndian.PutUint16(b[4:6], uint16(keep))
		lengths = 2
	}
	if how != Repaired {
		return how
	}
	off, _ := ip6.ChecksumOffset(u.Proto)
	field := b[off : off+2]
	ck := ip6.TruncatedChecksum(binary.BigEndian.Uint16(field), b[keep:], keep, lengths)
	if ck == 0 && u.Proto == ip6.ProtoUDP {
		ck = 0xffff
	}
	binary.BigEndian.PutUint16(field, ck)
	return how
}

func udpLen(b []byte) int { return int(binary.BigEndian.Uint16(b[4:6])) }
