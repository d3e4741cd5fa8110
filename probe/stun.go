package probe

import (
	"encoding/binary"

	"pathmtu/results"
)

// stunBinding is the method "stun": a Binding request (RFC 8489) with an unknown
// attribute of the comprehension-optional range, which a server has to ignore.
// PADDING (RFC 5780) is not used: servers that know it pad their answer too. The
// answer is small whatever the probe's size. Messages are multiples of 4 bytes
// long, and so are the sizes of probes.
//
// The transaction ID carries the token: packet ID (2 bytes), size (2),
// authenticator (8).
type stunBinding struct {
	body
	port uint16
}

const (
	stunHeader    = 20
	stunRequest   = 0x0001
	stunSuccess   = 0x0101
	stunError     = 0x0111
	stunCookie    = 0x2112a442
	stunAttribute = 0xc0de // unassigned, comprehension-optional
	// stunLeast is the least UDP payload: no server known answers a request
	// without credentials with more (coturn: 192 bytes with IPv6 and headers).
	stunLeast = 200
)

// NewSTUN returns the method that sends Binding requests to a STUN server.
func NewSTUN(t Target, port uint16) Method {
	return &stunBinding{body{"stun", t}, orDefault(port, "stun")}
}

func (m *stunBinding) Traits() Traits {
	below := m.ipHeader() + udpHeader
	least := stunLeast
	if need := stunHeader + 4 + m.tokenAt(); need > least {
		least = (need + 3) / 4 * 4
	}
	return Traits{
		Carrier: UDP, Direction: results.Forward, Port: m.port, Server: true,
		Below: below, Min: below + least, Max: below + stunHeader + 65532, Step: 4,
	}
}

func (m *stunBinding) Append(b []byte, p Packet) []byte {
	length := p.Size - m.ipHeader() - udpHeader - stunHeader
	end := len(b) + stunHeader + length
	b = binary.BigEndian.AppendUint16(b, stunRequest)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	b = m.appendTransaction(b, p)
	b = binary.BigEndian.AppendUint16(b, stunAttribute)
	b = binary.BigEndian.AppendUint16(b, uint16(length-4))
	if m.Attribution != "" {
		b = append(b, m.Attribution...)
		b = append(b, 0)
	}
	return appendPadding(b, end-len(b), p)
}

func (m *stunBinding) appendTransaction(b []byte, p Packet) []byte {
	token := m.Key.appendToken(nil, m.method, p)
	b = binary.BigEndian.AppendUint16(b, uint16(p.ID))
	b = binary.BigEndian.AppendUint16(b, uint16(p.Size))
	return append(b, token[8:]...)
}

// transaction returns which packet a transaction ID of 12 bytes names. IDs
// above 65535 are found among the packets in sent.
func (m *stunBinding) transaction(b []byte, sent []Packet) (Packet, bool) {
	p := Packet{ID: ID(binary.BigEndian.Uint16(b)), Size: int(binary.BigEndian.Uint16(b[2:]))}
	for _, candidate := range append([]Packet{p}, sent...) {
		if string(m.appendTransaction(nil, candidate)) == string(b[:12]) {
			return candidate, true
		}
	}
	return Packet{}, false
}

// Answer accepts a success or an error response: either proves arrival.
func (m *stunBinding) Answer(b []byte, sent []Packet) (Packet, bool) {
	if len(b) < stunHeader || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return Packet{}, false
	}
	if typ := binary.BigEndian.Uint16(b); typ != stunSuccess && typ != stunError {
		return Packet{}, false
	}
	return m.transaction(b[8:], sent)
}

func (m *stunBinding) Quoted(q Quote, sent []Packet) (Packet, bool) {
	b := q.Payload
	if len(b) < stunHeader {
		return quotedLength(q, sent, m.ipHeader())
	}
	if binary.BigEndian.Uint16(b) != stunRequest || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return Packet{}, false
	}
	return m.transaction(b[8:], sent)
}
