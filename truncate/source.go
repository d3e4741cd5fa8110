package truncate

import "pathmtu/internal/ip6"

// Source is the sender's part. The zero value is revision T1 with
// DefaultCodes. Its methods only read it: share it freely.
type Source struct{ Reader }

// NoMark says why a packet is not marked.
type NoMark uint8

// Reasons not to mark a packet.
const (
	Marked        NoMark = iota // it was marked
	HasFragment                 // a Fragment header: truncation options must not stand beside it
	MarkTooShort                // it would be shorter than 1280 bytes: it fits every link
	AboveEstimate               // it would be longer than the path MTU estimate, for Enhanced than the first hop's MTU
	AlreadyMarked               // it has a truncation option
	Authenticated               // an Authentication Header, whose check value covers what would be inserted
	OtherHeader                 // an extension header that no option can be placed behind
	Unwalkable                  // the headers cannot be walked
	NoSpace                     // the Destination Options header is full
	NeedsT0                     // the Enhanced option is of revision T0
	Unpaddable                  // Enhanced: the upper-layer packet cannot be padded
	noMarkCount
)

var noMarkNames = [noMarkCount]string{"marked", "fragment header", "under 1280 bytes", "above the estimate", "already marked",
	"authentication header", "other extension header", "malformed headers", "destination options header full",
	"enhanced option needs revision T0", "upper layer cannot be padded"}

func (n NoMark) String() string {
	if n < noMarkCount {
		return noMarkNames[n]
	}
	return "unknown"
}

// AppendMarked appends p with one Truncation Eligible option, in the
// Destination Options header directly before the upper layer or, if there is
// one, before ESP: the header is inserted, or the one that is there is
// extended. pmtu is the path MTU estimate in bytes, at first the MTU of the
// first hop; longer packets are not sent. When p is not marked, dst is
// returned as it was and p should be sent as it is, if it fits. dst must not
// overlap p.
//
// The upper-layer checksum does not change. To have room for the option, build
// p for pmtu-8.
func (s Source) AppendMarked(dst []byte, p ip6.Packet, pmtu int) ([]byte, NoMark) {
	return s.append(dst, p, pmtu, ip6.OptionSpec{Type: s.Codes.orDefault().Eligible})
}

// AppendTrial appends p marked as if a router had truncated it. It tries out
// whether the path delivers Destination Options headers and returns ICMPv6
// errors, and whether the destination knows the option: it answers with a
// Packet Too Big whose MTU is the packet's own length, or, not knowing it,
// with a Parameter Problem. The packet is never delivered to the upper layer.
func (s Source) AppendTrial(dst []byte, p ip6.Packet, pmtu int) ([]byte, NoMark) {
	return s.append(dst, p, pmtu, ip6.OptionSpec{Type: s.Codes.orDefault().Truncated})
}

func (s Source) append(dst []byte, p ip6.Packet, pmtu int, o ip6.OptionSpec) ([]byte, NoMark) {
	out, why := s.place(dst, p, o)
	if why != Marked {
		return dst, why
	}
	switch n := len(out) - len(dst); {
	case n < ip6.MinMTU:
		return dst, MarkTooShort
	case n > pmtu:
		return dst, AboveEstimate
	}
	return out, Marked
}

// place puts the option where it belongs.
func (s Source) place(dst []byte, p ip6.Packet, o ip6.OptionSpec) ([]byte, NoMark) {
	if len(p) != p.TotalLen() {
		return dst, Unwalkable
	}
	var last ip6.Header
	w := p.Walk(s.Limits)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		switch h.Type {
		case ip6.ProtoHopByHop, ip6.ProtoRouting, ip6.ProtoDestOpts:
		case ip6.ProtoFragment:
			return dst, HasFragment
		case ip6.ProtoAH:
			return dst, Authenticated
		default:
			return dst, OtherHeader
		}
		last = h
	}
	scan := s.Scan(p)
	switch {
	case scan.Problem.Reason != ip6.NoProblem:
		return dst, Unwalkable
	case scan.Any() || scan.Misplaced > 0:
		return dst, AlreadyMarked
	}
	u := scan.Upper
	if last.Type == ip6.ProtoDestOpts {
		out, err := ip6.AppendExtended(dst, p, last, o)
		return orNoSpace(out, err)
	}
	var buf [16]byte
	h, err := ip6.AppendOptionsHeader(buf[:0], 0, o)
	if err != nil {
		return dst, NoSpace
	}
	out, err := ip6.AppendInserted(dst, p, u.NHOff, u.Off, ip6.ProtoDestOpts, h)
	return orNoSpace(out, err)
}

func orNoSpace(out []byte, err error) ([]byte, NoMark) {
	if err != nil {
		return out, NoSpace
	}
	return out, Marked
}
