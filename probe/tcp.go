package probe

import (
	"encoding/binary"

	"pathmtu/results"
)

// tcpSYN is the method "tcp" without a connection: a SYN with data, to any port.
// A closed port answers with a reset that acknowledges all of it; an open one
// acknowledges the SYN, and the reset that this host's kernel sends for a
// connection it knows nothing of removes what the other end had kept (RFC 9293
// section 3.10.7).
// Either answer is small.
//
// The sequence number is keyed, so that also the 8 bytes that every router
// quotes can't be forged.
type tcpSYN struct {
	body
	local, port uint16
}

const (
	tcpHeader = 20
	tcpSyn    = 0x02
	tcpRst    = 0x04
	tcpAck    = 0x10
	tcpWindow = 1024
)

// NewTCP returns the method that sends SYNs with data from a local port, which
// nobody else must use.
func NewTCP(t Target, port, local uint16) Method {
	return &tcpSYN{body{"tcp", t}, local, orDefault(port, "tcp")}
}

func (m *tcpSYN) Traits() Traits {
	below := m.ipHeader()
	return Traits{
		Carrier: TCP, Direction: results.Forward, Port: m.port,
		Below: below, Min: below + tcpHeader + m.least(), Max: 65535, Step: 1,
	}
}

// sequence is 32 bits that an attacker off the path can't guess.
func (m *tcpSYN) sequence(p Packet) uint32 {
	return binary.BigEndian.Uint32(m.Key.appendToken(nil, "tcp sequence", p)[8:])
}

// Append appends a segment; the socket fills in its checksum.
func (m *tcpSYN) Append(b []byte, p Packet) []byte {
	b = binary.BigEndian.AppendUint16(b, m.local)
	b = binary.BigEndian.AppendUint16(b, m.port)
	b = binary.BigEndian.AppendUint32(b, m.sequence(p))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, tcpHeader/4<<4, tcpSyn)
	b = binary.BigEndian.AppendUint16(b, tcpWindow)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	return m.append(b, p.Size-m.ipHeader()-tcpHeader, p)
}

// Answer accepts a SYN-ACK, or a reset that acknowledges the SYN and all data.
func (m *tcpSYN) Answer(b []byte, sent []Packet) (Packet, bool) {
	if len(b) < tcpHeader || binary.BigEndian.Uint16(b) != m.port || binary.BigEndian.Uint16(b[2:]) != m.local {
		return Packet{}, false
	}
	ack := binary.BigEndian.Uint32(b[8:])
	for _, p := range sent {
		next := m.sequence(p) + 1
		all := next + uint32(p.Size-m.ipHeader()-tcpHeader)
		switch b[13] & (tcpSyn | tcpRst | tcpAck) {
		case tcpSyn | tcpAck:
			if ack == next || ack == all {
				return p, true
			}
		case tcpRst | tcpAck:
			if ack == all {
				return p, true
			}
		}
	}
	return Packet{}, false
}

func (m *tcpSYN) Quoted(q Quote, sent []Packet) (Packet, bool) {
	b := q.Payload
	if len(b) < 8 || binary.BigEndian.Uint16(b) != m.local || binary.BigEndian.Uint16(b[2:]) != m.port {
		return Packet{}, false
	}
	for _, p := range sent {
		if binary.BigEndian.Uint32(b[4:]) == m.sequence(p) {
			return p, true
		}
	}
	return Packet{}, false
}
