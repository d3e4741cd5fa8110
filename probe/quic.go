package probe

import (
	"encoding/binary"

	"pathmtu/results"
)

// quicVN is the method "quic": a long header packet of a version that no server
// speaks. A server answers with a small Version Negotiation packet, and keeps
// no state (RFC 9000 section 6.1, RFC 8999 section 6). It MUST NOT answer a
// datagram smaller than 1200 bytes (RFC 9000 section 5.2.2), so that smaller
// path MTUs can't be measured; and its receive buffer may end at some 1500.
//
// The token is in the connection IDs, which come back swapped:
//
//	1 byte   form 1, fixed bit 1, the rest from the padding
//	4 bytes  version
//	1 + 8    destination connection ID: the authenticator
//	1 + 8    source connection ID: packet ID and size
//	...      attribution between NULs, padding
type quicVN struct {
	body
	port uint16
}

const (
	// quicVersion is of the pattern 0x?a?a?a?a, reserved to force version
	// negotiation (RFC 9000 section 15).
	quicVersion = 0x1a2a3a4a
	quicCID     = 8
	quicHeader  = 1 + 4 + 1 + quicCID + 1 + quicCID
	// quicLeast is the least UDP payload that a server answers (RFC 9000
	// section 14.1).
	quicLeast = 1200
)

// NewQUIC returns the method that asks a QUIC server for version negotiation.
func NewQUIC(t Target, port uint16) Method {
	return &quicVN{body{"quic", t}, orDefault(port, "quic")}
}

func (m *quicVN) Traits() Traits {
	below := m.ipHeader() + udpHeader
	return Traits{
		Carrier: UDP, Direction: results.Forward, Port: m.port, Server: true,
		Below: below, Min: below + quicLeast, Max: 65535, Step: 1,
		Limits: []int{1452, 1472, 1500}, // usual sizes of receive buffers
	}
}

func (m *quicVN) Append(b []byte, p Packet) []byte {
	end := len(b) + p.Size - m.ipHeader() - udpHeader
	token := m.Key.appendToken(nil, m.method, p)
	b = append(b, 0xc0|byte(p.ID)&0x3f)
	b = binary.BigEndian.AppendUint32(b, quicVersion)
	b = append(b, quicCID)
	b = append(b, token[8:]...)
	b = append(b, quicCID)
	b = append(b, token[:8]...)
	if m.Attribution != "" {
		b = append(b, 0)
		b = append(b, m.Attribution...)
		b = append(b, 0)
	}
	return appendPadding(b, end-len(b), p)
}

// Answer accepts a Version Negotiation packet with our connection IDs.
func (m *quicVN) Answer(b []byte, _ []Packet) (Packet, bool) {
	if len(b) < quicHeader || b[0]&0x80 == 0 || binary.BigEndian.Uint32(b[1:]) != 0 || b[5] != quicCID || b[14] != quicCID {
		return Packet{}, false
	}
	return m.token(b[15:23], b[6:14])
}

// token puts the halves of a token together again.
func (m *quicVN) token(authenticator, named []byte) (Packet, bool) {
	return m.Key.openToken(append(append(make([]byte, 0, tokenLen), named...), authenticator...), m.method)
}

func (m *quicVN) Quoted(q Quote, sent []Packet) (Packet, bool) {
	b := q.Payload
	if len(b) < quicHeader {
		return quotedLength(q, sent, m.ipHeader())
	}
	if binary.BigEndian.Uint32(b[1:]) != quicVersion || b[5] != quicCID || b[14] != quicCID {
		return Packet{}, false
	}
	return m.token(b[6:14], b[15:23])
}
