package hbhsock

import (
	"encoding/binary"

	"pathmtu/internal/ip6"
)

// Echo is an ICMPv6 echo message (RFC 4443 section 4).
type Echo struct {
	Reply   bool   // false: a request
	ID, Seq uint16 // Identifier, Sequence Number
	Data    []byte // aliases what was parsed
}

// AppendTo appends the message. The checksum is left 0: the kernel computes it
// for raw ICMPv6 sockets (RFC 3542 section 3.1).
func (e Echo) AppendTo(b []byte) []byte {
	typ := uint8(ip6.TypeEchoRequest)
	if e.Reply {
		typ = ip6.TypeEchoReply
	}
	b = append(b, typ, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, e.ID)
	b = binary.BigEndian.AppendUint16(b, e.Seq)
	return append(b, e.Data...)
}

// ParseEcho parses an ICMPv6 message as a raw socket delivers it, its checksum
// verified by the kernel. ok is false for other messages than echo.
func ParseEcho(b []byte) (e Echo, ok bool) {
	if len(b) < 8 || b[0] != ip6.TypeEchoRequest && b[0] != ip6.TypeEchoReply {
		return Echo{}, false
	}
	return Echo{Reply: b[0] == ip6.TypeEchoReply, ID: binary.BigEndian.Uint16(b[4:]), Seq: binary.BigEndian.Uint16(b[6:]), Data: b[8:]}, true
}
