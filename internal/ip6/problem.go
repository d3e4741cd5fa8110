package ip6

import "strconv"

// Reason says why a walk stopped before the end.
type Reason uint8

// Reasons of a Problem. Those of RFC 8883 are limits of this node; the others
// are faults of the packet.
const (
	NoProblem              Reason = iota
	HeaderTruncated               // an extension header runs past the packet
	HopByHopMisplaced             // Hop-by-Hop Options not directly after the fixed header
	OptionOverrun                 // an option runs past its header
	PaddingNotZero                // PadN holds other bytes than zero
	PaddingTooLong                // more padding in a row than the limit (RFC 8883 code 10)
	OptionTooBig                  // option data over the limit (RFC 8883 code 10)
	TooManyOptions                // RFC 8883 code 9
	HeaderTooBig                  // RFC 8883 code 6
	ChainTooLong                  // RFC 8883 code 7
	TooManyHeaders                // RFC 8883 code 8
	UnrecognizedNextHeader        // RFC 8883 code 5; set by forwarding policy, never by a walk
	HeadersTooLong                // RFC 8883, Destination Unreachable code 8; by policy
	reasonCount
)

var reasonNames = [reasonCount]string{
	"none", "extension header truncated", "hop-by-hop header misplaced", "option overruns its header",
	"padding not zero", "padding too long", "option too big", "too many options", "extension header too big",
	"extension header chain too long", "too many extension headers", "unrecognized next header",
	"headers too long",
}

func (r Reason) String() string {
	if r < reasonCount {
		return reasonNames[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// Problem is a Reason and where in the packet it arose. The zero value means
// that there is none.
type Problem struct {
	Reason  Reason
	Pointer int // offset in the packet, as RFC 4443 and RFC 8883 define it for the reason
}

// Error makes a Problem usable as an error where one must be kept.
func (p Problem) Error() string {
	return "ip6: " + p.Reason.String() + " at byte " + strconv.Itoa(p.Pointer)
}

// ICMP returns the type and code of the ICMPv6 error that reports p (RFC 4443
// section 3.4, RFC 8883). ok is false where none is defined or where hosts
// discard in silence: a truncated header, padding that is not zero.
func (p Problem) ICMP() (typ, code uint8, ok bool) {
	switch p.Reason {
	case OptionOverrun:
		return TypeParameterProblem, CodeErroneousHeader, true
	case HopByHopMisplaced:
		return TypeParameterProblem, CodeUnrecognizedNextHeader, true
	case UnrecognizedNextHeader:
		return TypeParameterProblem, CodeNextHeaderAtIntermediate, true
	case HeaderTooBig:
		return TypeParameterProblem, CodeHeaderTooBig, true
	case ChainTooLong:
		return TypeParameterProblem, CodeChainTooLong, true
	case TooManyHeaders:
		return TypeParameterProblem, CodeTooManyHeaders, true
	case TooManyOptions:
		return TypeParameterProblem, CodeTooManyOptions, true
	case OptionTooBig, PaddingTooLong:
		return TypeParameterProblem, CodeOptionTooBig, true
	case HeadersTooLong:
		return TypeDestinationUnreachable, CodeHeadersTooLong, true
	}
	return 0, 0, false
}

// Limits bound what a walk accepts (RFC 8883, RFC 8504 section 5.3). A zero
// field is its default, a negative one is no limit. Without any limit the work
// is still bounded by the packet's length: each step takes at least 8 bytes of
// headers or 1 byte of options.
type Limits struct {
	Headers         int  // extension headers in a packet; default 8
	Chain           int  // bytes of all extension headers; default 1240: the chain fits the smallest link
	Header          int  // bytes of one extension header; default none
	Options         int  // options that are not padding, in one header; default 8
	Option          int  // bytes of data of one option; default none
	Padding         int  // bytes of padding in a row; default 7
	AnyPaddingBytes bool // accept PadN with bytes that are not zero
}

// Unlimited accepts all that is well formed.
var Unlimited = Limits{Headers: -1, Chain: -1, Header: -1, Options: -1, Option: -1, Padding: -1, AnyPaddingBytes: true}

// Defaults of Limits.
const (
	defaultHeaders = 8
	defaultChain   = MinMTU - HeaderLen
	defaultOptions = 8
	defaultPadding = 7
)

func over(n, limit, def int) bool {
	if limit == 0 {
		limit = def
	}
	return limit > 0 && n > limit
}
