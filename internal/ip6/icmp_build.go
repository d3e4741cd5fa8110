package ip6

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ErrorSpec is an ICMPv6 error to be sent.
type ErrorSpec struct {
	Type, Code uint8
	Param      uint32     // MTU of a Packet Too Big, pointer of a Parameter Problem or of Destination Unreachable code 8
	Src        netip.Addr // of the node that sends it
	HopLimit   uint8      // 0: 64
}

// AppendError appends the whole IPv6 packet of an ICMPv6 error about p, to p's
// source, quoting as much of p as fits 1280 bytes (RFC 4443 section 2.4 (c)).
// Destination Unreachable code 8 is built as RFC 8883 asks: a
// multipart message of RFC 4884 with the pointer in an extension object.
// Ask MayError first. On error dst is returned as it was.
func AppendError(dst []byte, e ErrorSpec, p Packet) ([]byte, error) {
	if !e.Src.Is6() {
		return dst, fmt.Errorf("ip6: ICMPv6 error from source %v: want an IPv6 address", e.Src)
	}
	if e.Type >= 128 {
		return dst, fmt.Errorf("ip6: ICMPv6 type %d is not an error", e.Type)
	}
	if e.HopLimit == 0 {
		e.HopLimit = 64
	}
	start := len(dst)
	f := Fields{NextHeader: ProtoICMPv6, HopLimit: e.HopLimit, Src: e.Src, Dst: p.Src()}
	dst = AppendHeader(dst, f, 0)
	dst = append(dst, e.Type, e.Code, 0, 0)
	if e.Type == TypeDestinationUnreachable && e.Code == CodeHeadersTooLong {
		dst = appendMultipart(dst, p, e.Param)
	} else {
		dst = binary.BigEndian.AppendUint32(dst, e.Param)
		dst = append(dst, p[:min(len(p), MinMTU-HeaderLen-8)]...)
	}
	q := Packet(dst[start:])
	m := q[HeaderLen:]
	binary.BigEndian.PutUint16(q[4:6], uint16(len(m)))
	ck := PseudoHeader(e.Src, p.Src(), len(m), ProtoICMPv6).Add(m).Checksum()
	binary.BigEndian.PutUint16(m[2:4], ck)
	return dst, nil
}

// Extension structure of RFC 4884 section 7 and the object of RFC 8883:
// 4 bytes of extension header, 8 of object.
const (
	extVersion      = 2
	extLen          = 12
	objectLen       = 8
	ClassExtInfo    = 4 // Class-Num "Extended Information"
	CTypePointer    = 1 // C-Type "Pointer"
	minMultipart    = 128
	multipartHeader = 8 // ICMPv6 header, the length attribute in it
)

// appendMultipart appends the 4 bytes after the checksum, the quote padded
// with zero to 64-bit words and to 128 bytes, and the extension.
func appendMultipart(dst []byte, p Packet, pointer uint32) []byte {
	n := min(len(p), (MinMTU-HeaderLen-multipartHeader-extLen)/8*8)
	padded := max(minMultipart, (n+7)/8*8)
	dst = append(dst, uint8(padded/8), 0, 0, 0)
	dst = append(dst, p[:n]...)
	for range padded - n {
		dst = append(dst, 0)
	}
	at := len(dst)
	dst = append(dst, extVersion<<4, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, objectLen)
	dst = append(dst, ClassExtInfo, CTypePointer)
	dst = binary.BigEndian.AppendUint32(dst, pointer)
	binary.BigEndian.PutUint16(dst[at+2:], Sum(0).Add(dst[at:]).Checksum())
	return dst
}

// AppendEcho appends the whole packet of an ICMPv6 echo message (RFC 4443
// section 4); typ is TypeEchoRequest or TypeEchoReply.
func AppendEcho(dst []byte, f Fields, typ uint8, id, seq uint16, data []byte) []byte {
	f.NextHeader = ProtoICMPv6
	dst = AppendHeader(dst, f, 8+len(data))
	at := len(dst)
	dst = append(dst, typ, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, seq)
	dst = append(dst, data...)
	ck := PseudoHeader(f.Src, f.Dst, len(dst)-at, ProtoICMPv6).Add(dst[at:]).Checksum()
	binary.BigEndian.PutUint16(dst[at+2:], ck)
	return dst
}
