package ip6

// ICMPv6 message types (RFC 4443, RFC 4861).
const (
	TypeDestinationUnreachable = 1
	TypePacketTooBig           = 2
	TypeTimeExceeded           = 3
	TypeParameterProblem       = 4
	TypeEchoRequest            = 128
	TypeEchoReply              = 129
	TypeRedirect               = 137
)

// Codes of Destination Unreachable.
const (
	CodeNoRoute        = 0
	CodeProhibited     = 1
	CodeAddress        = 3
	CodePort           = 4
	CodeHeadersTooLong = 8 // RFC 8883
)

// Codes of Time Exceeded.
const (
	CodeHopLimit   = 0
	CodeReassembly = 1
)

// Codes of Parameter Problem (RFC 4443; 3: RFC 7112; 5 and above: RFC 8883).
const (
	CodeErroneousHeader          = 0
	CodeUnrecognizedNextHeader   = 1
	CodeUnrecognizedOption       = 2
	CodeIncompleteFirstFragment  = 3
	CodeNextHeaderAtIntermediate = 5
	CodeHeaderTooBig             = 6
	CodeChainTooLong             = 7
	CodeTooManyHeaders           = 8
	CodeTooManyOptions           = 9
	CodeOptionTooBig             = 10
)

// Silence says why no ICMPv6 error may be sent about a packet.
type Silence uint8

// Reasons for silence (RFC 4443 section 2.4 (e)).
const (
	MayAnswer       Silence = iota
	AboutError              // e.1 the packet is an ICMPv6 error, or may be one
	AboutRedirect           // e.2
	ToMulticast             // e.3 IPv6 multicast destination
	ToLinkMulticast         // e.4, e.5 came as link-layer multicast or broadcast
	FromNonUnique           // e.6 source is unspecified, multicast or a known anycast address
	silenceCount
)

var silenceNames = [silenceCount]string{"may answer", "about an ICMPv6 error", "about a redirect",
	"to a multicast address", "to a link-layer multicast or broadcast address", "from no unique node"}

func (s Silence) String() string {
	if s < silenceCount {
		return silenceNames[s]
	}
	return "unknown"
}

// Arrival is what the packet's bytes do not say about how it came.
type Arrival struct {
	LinkMulticast bool // as link-layer multicast or broadcast
	SourceAnycast bool // its source is known to be an anycast address
}

// MayError decides whether an ICMPv6 error of the given type and code may be
// sent about p. Packet Too Big, and Parameter Problem code 2 for an option
// with action bits 10, may answer multicast (the two exceptions of e.3). For
// code 2, pointer is the offset of that option's type byte.
//
// A packet whose upper layer is ICMPv6, but whose type is not in it (a later
// fragment, an empty payload), gets silence: it could be an error. So does one
// with more than 64 extension headers, which bounds the work.
func MayError(p Packet, a Arrival, typ, code uint8, pointer int) Silence {
	src := p.Src()
	if src.IsUnspecified() || src.IsMulticast() || a.SourceAnycast {
		return FromNonUnique
	}
	if s := aboutICMP(p); s != MayAnswer {
		return s
	}
	exception := typ == TypePacketTooBig
	if typ == TypeParameterProblem && code == CodeUnrecognizedOption && pointer >= HeaderLen && pointer < len(p) {
		exception = Action(p[pointer]>>6) == ActionProblem
	}
	switch {
	case exception:
		return MayAnswer
	case p.Dst().IsMulticast():
		return ToMulticast
	case a.LinkMulticast:
		return ToLinkMulticast
	}
	return MayAnswer
}

func aboutICMP(p Packet) Silence {
	u, pr := p.FindUpper(Limits{Headers: 64, Chain: -1})
	switch {
	case pr.Reason == TooManyHeaders:
		return AboutError
	case pr.Reason != NoProblem || u.Proto != ProtoICMPv6:
		return MayAnswer
	}
	if u.FragOffset != 0 || u.Off >= len(p) {
		return AboutError
	}
	switch t := p[u.Off]; {
	case t < 128:
		return AboutError
	case t == TypeRedirect:
		return AboutRedirect
	}
	return MayAnswer
}
