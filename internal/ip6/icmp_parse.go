package ip6

import (
	"encoding/binary"
	"errors"
)

// Errors of ParseError and ParseErrorPacket.
var (
	ErrNotICMPError = errors.New("ip6: not an ICMPv6 error message")
	ErrICMPShort    = errors.New("ip6: ICMPv6 error too short to quote an IPv6 header")
	ErrICMPQuote    = errors.New("ip6: ICMPv6 error quotes no IPv6 packet")
	ErrICMPChecksum = errors.New("ip6: ICMPv6 checksum is wrong")
)

// ICMPError is a parsed ICMPv6 error. Its slices alias the message.
type ICMPError struct {
	Type, Code uint8
	// Param is the 32-bit word after the checksum: the MTU of a Packet Too Big,
	// the pointer of a Parameter Problem. It is not checked against the quote;
	// see PointedAt.
	Param uint32
	// Quote is the start of the packet that the error is about, made by
	// ParseQuote: for a multipart message without the zeros that pad it.
	Quote Packet
	// Extension is the extension structure of a multipart message (RFC 4884),
	// its checksum found good; nil when there is none or it is malformed.
	Extension []byte
}

// ParseError parses an ICMPv6 message that starts at its type byte, as a raw
// socket delivers it. The ICMPv6 checksum is not checked: the pseudo-header is
// not at hand.
func ParseError(m []byte) (ICMPError, error) {
	if len(m) < 1 || m[0] >= 128 {
		return ICMPError{}, ErrNotICMPError
	}
	if len(m) < 8+HeaderLen {
		return ICMPError{}, ErrICMPShort
	}
	e := ICMPError{Type: m[0], Code: m[1], Param: binary.BigEndian.Uint32(m[4:8])}
	quote := m[8:]
	if e.Type == TypeDestinationUnreachable || e.Type == TypeTimeExceeded {
		// RFC 4884: length attribute in 64-bit words; 0: no extension.
		if n := int(m[4]) * 8; n >= HeaderLen && n <= len(quote) {
			e.Extension = validExtension(quote[n:])
			quote = quote[:n]
		}
	}
	q, err := ParseQuote(quote)
	if err != nil {
		return ICMPError{}, ErrICMPQuote
	}
	e.Quote = q
	return e, nil
}

// ParseErrorPacket parses a whole packet that carries an ICMPv6 error, and
// checks the ICMPv6 checksum.
func ParseErrorPacket(p Packet, lim Limits) (ICMPError, error) {
	u, pr := p.FindUpper(lim)
	if pr.Reason != NoProblem || u.Proto != ProtoICMPv6 || u.Fragment() {
		return ICMPError{}, ErrNotICMPError
	}
	e, err := ParseError(p[u.Off:])
	if err != nil {
		return e, err
	}
	if p.Checksum(lim) != ChecksumGood {
		return ICMPError{}, ErrICMPChecksum
	}
	return e, nil
}

// PointedAt returns where in the quoted packet the error points: Param of a
// Parameter Problem, the pointer object of Destination Unreachable code 8. ok
// is false when there is no pointer, or it lies outside the quote.
func (e ICMPError) PointedAt() (off int, ok bool) {
	v := e.Param
	switch {
	case e.Type == TypeParameterProblem:
	case e.Type == TypeDestinationUnreachable && e.Code == CodeHeadersTooLong:
		obj, found := e.object(ClassExtInfo, CTypePointer)
		if !found || len(obj) < 4 {
			return 0, false
		}
		v = binary.BigEndian.Uint32(obj)
	default:
		return 0, false
	}
	if uint64(v) >= uint64(len(e.Quote)) {
		return 0, false
	}
	return int(v), true
}

// object is the payload of the first extension object of that kind.
func (e ICMPError) object(class, ctype uint8) ([]byte, bool) {
	if len(e.Extension) < 4 {
		return nil, false
	}
	for b := e.Extension[4:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil, false
		}
		if b[2] == class && b[3] == ctype {
			return b[4:n], true
		}
		b = b[n:]
	}
	return nil, false
}

// validExtension is b when it starts with an extension header of version 2
// whose checksum is good, or 0 for none (RFC 4884 section 7).
func validExtension(b []byte) []byte {
	if len(b) < 4 || b[0]>>4 != extVersion {
		return nil
	}
	if binary.BigEndian.Uint16(b[2:]) != 0 && Sum(0).Add(b).Fold() != 0xffff {
		return nil
	}
	return b
}
