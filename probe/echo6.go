package probe

import (
	"encoding/binary"

	"pathmtu/internal/ip6"
)

// echo6 are ICMPv6 echo messages with a token, as whole IP packets behind an
// extension header: what the methods hbh and truncate share.
type echo6 struct {
	body
	id uint16
}

// extHeader is the length of the extension header, in bytes.
const extHeader = 8

// message returns an echo request of n bytes.
func (m *echo6) message(n int, p Packet) []byte {
	b := []byte{echoRequest6, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, m.id)
	b = binary.BigEndian.AppendUint16(b, uint16(p.ID))
	return m.append(b, n-icmpHeader, p)
}

// packet appends an echo request of p.Size bytes, behind the extension header ext of
// the given type; nil: none.
func (m *echo6) packet(b []byte, p Packet, typ uint8, ext []byte) []byte {
	at := len(b)
	n := p.Size - ip6.HeaderLen
	next := uint8(ip6.ProtoICMPv6)
	if ext != nil {
		next = typ
	}
	b = append(m.appendIP(b, next, n), ext...)
	b = append(b, m.message(n-len(ext), p)...)
	ip6.Packet(b[at:]).SetChecksum(ip6.Limits{})
	return b
}

// answer accepts an echo reply that is as long as the request was, whatever
// extension headers are before either.
func (m *echo6) answer(b []byte, ext func(Packet) int) (Packet, bool) {
	in, ok := m.answerTo(b)
	if !ok || in.proto != ip6.ProtoICMPv6 || len(in.bytes) < icmpHeader || in.bytes[0] != echoReply6 || in.bytes[1] != 0 {
		return Packet{}, false
	}
	if binary.BigEndian.Uint16(in.bytes[4:]) != m.id || in.whole.Checksum(ip6.Limits{}) != ip6.ChecksumGood {
		return Packet{}, false
	}
	p, ok := m.open(in.bytes[icmpHeader:])
	if !ok || binary.BigEndian.Uint16(in.bytes[6:]) != uint16(p.ID) || len(in.bytes)+ext(p)+ip6.HeaderLen != p.Size {
		return Packet{}, false
	}
	return p, true
}

// Quoted: routers quote as much as fits 1280 bytes (RFC 4443 section 2.4), and so
// the token.
func (m *echo6) Quoted(q Quote, _ []Packet) (Packet, bool) {
	in, ok := m.probeIn(q.Payload)
	if !ok || in.proto != ip6.ProtoICMPv6 || len(in.bytes) < icmpHeader || in.bytes[0] != echoRequest6 || in.bytes[1] != 0 {
		return Packet{}, false
	}
	return m.open(in.bytes[icmpHeader:])
}
