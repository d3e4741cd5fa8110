package probe

import (
	"encoding/binary"

	"pathmtu/results"
)

// ICMP message types of echo (RFC 792, RFC 4443).
const (
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
)

// icmpHeader is the length of an echo message without its data.
const icmpHeader = 8

// icmpEcho is the method "icmp". The answer is as large as the probe, so that
// it measures the smaller of the two ways; an IPv4 host whose answers lack DF
// lets routers fragment them, and then it is the way there.
type icmpEcho struct {
	body
	id uint16
}

// NewICMP returns the method that sends ICMP (ICMPv6) echo requests with this
// identifier.
func NewICMP(t Target, id uint16) Method { return &icmpEcho{body{"icmp", t}, id} }

func (m *icmpEcho) Traits() Traits {
	return Traits{
		Carrier:   ICMPEcho,
		Direction: results.RoundTrip,
		Below:     m.ipHeader(),
		Min:       m.ipHeader() + icmpHeader + m.least(),
		Max:       65535,
		Step:      1,
	}
}

func (m *icmpEcho) request() byte {
	if m.ipHeader() == 20 {
		return echoRequest4
	}
	return echoRequest6
}

func (m *icmpEcho) reply() byte {
	if m.ipHeader() == 20 {
		return echoReply4
	}
	return echoReply6
}

func (m *icmpEcho) Append(b []byte, p Packet) []byte {
	at := len(b)
	b = append(b, m.request(), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, m.id)
	b = binary.BigEndian.AppendUint16(b, uint16(p.ID))
	b = m.append(b, p.Size-m.Traits().Below-icmpHeader, p)
	if m.ipHeader() == 20 { // ICMPv6 is summed with addresses, by the kernel
		binary.BigEndian.PutUint16(b[at+2:], checksum(b[at:]))
	}
	return b
}

// Answer accepts an echo reply that is as long as the request was: a shorter
// one doesn't prove that all of it arrived.
func (m *icmpEcho) Answer(b []byte, _ []Packet) (Packet, bool) {
	if len(b) < icmpHeader || b[0] != m.reply() || b[1] != 0 {
		return Packet{}, false
	}
	p, ok := m.open(b[icmpHeader:])
	if !ok || binary.BigEndian.Uint16(b[6:]) != uint16(p.ID) || len(b)+m.ipHeader() != p.Size {
		return Packet{}, false
	}
	return p, true
}

func (m *icmpEcho) Quoted(q Quote, sent []Packet) (Packet, bool) {
	b := q.Payload
	if len(b) < icmpHeader || b[0] != m.request() || b[1] != 0 {
		return Packet{}, false
	}
	if len(b) >= icmpHeader+m.least() {
		return m.open(b[icmpHeader:])
	}
	// Too short for the token (RFC 792 asks for 8 bytes only). Sequence number,
	// length and, where it covers no addresses, the checksum of the whole packet.
	for _, p := range sent {
		if binary.BigEndian.Uint16(b[6:]) != uint16(p.ID) || q.Length != 0 && q.Length != p.Size {
			continue
		}
		if m.ipHeader() == 20 && !m.sumFits(b, p) {
			continue
		}
		return p, true
	}
	return Packet{}, false
}

// sumFits compares the quoted ICMP checksum with that of the packet sent. The
// identifier may be one that the kernel, or a NAT, put there.
func (m *icmpEcho) sumFits(quoted []byte, p Packet) bool {
	full := m.Append(nil, p)
	copy(full[4:6], quoted[4:6])
	full[2], full[3] = 0, 0
	return checksum(full) == binary.BigEndian.Uint16(quoted[2:])
}

// checksum is the Internet checksum of b, whose checksum field is 0 (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
