package probe

import (
	"encoding/binary"

	"pathmtu/results"
)

// ntpClient is the method "ntp": a client request (RFC 5905) with one extension
// field (RFC 7822) of an unassigned type. The answer is 48 bytes. Few servers
// take extension fields of any size: chrony up to a UDP payload of 1140 bytes,
// others none, so that silence says nothing of the path. Messages are multiples
// of 4 bytes long, and so are the sizes of probes.
//
// The transmit timestamp, which comes back as origin timestamp, is keyed.
type ntpClient struct {
	body
	port uint16
}

const (
	ntpHeader   = 48
	ntpLeastExt = 28     // the last extension field MUST be that long (RFC 7822 section 3)
	ntpExtType  = 0xf3fe // of the range for experiments
	ntpTransmit = 40     // offset of the transmit timestamp
	ntpOrigin   = 24     // offset of the origin timestamp
	ntpRequest  = 4<<3 | 3
	ntpServer   = 4 // mode of an answer
)

// NewNTP returns the method that asks an NTP server.
func NewNTP(t Target, port uint16) Method {
	return &ntpClient{body{"ntp", t}, orDefault(port, "ntp")}
}

func (m *ntpClient) Traits() Traits {
	below := m.ipHeader() + udpHeader
	ext := max(ntpLeastExt, (4+m.tokenAt()+3)/4*4)
	return Traits{
		Carrier: UDP, Direction: results.Forward, Port: m.port, Server: true,
		Below: below, Min: below + ntpHeader + ext, Max: below + ntpHeader + 65532 - 84, Step: 4,
		Limits: []int{1140},
	}
}

// timestamp is 64 bits that an attacker off the path can't guess.
func (m *ntpClient) timestamp(p Packet) []byte {
	return m.Key.appendToken(nil, m.method, p)[8:]
}

func (m *ntpClient) Append(b []byte, p Packet) []byte {
	end := len(b) + p.Size - m.ipHeader() - udpHeader
	var header [ntpHeader]byte
	header[0] = ntpRequest
	copy(header[ntpTransmit:], m.timestamp(p))
	b = append(b, header[:]...)
	b = binary.BigEndian.AppendUint16(b, ntpExtType)
	b = binary.BigEndian.AppendUint16(b, uint16(end-len(b)+2))
	if m.Attribution != "" {
		b = append(b, m.Attribution...)
		b = append(b, 0)
	}
	return appendPadding(b, end-len(b), p)
}

// Answer accepts what a server says to one of the packets in sent, also a
// "kiss of death".
func (m *ntpClient) Answer(b []byte, sent []Packet) (Packet, bool) {
	if len(b) < ntpHeader || b[0]&7 != ntpServer {
		return Packet{}, false
	}
	return m.find(b[ntpOrigin:ntpOrigin+8], sent)
}

func (m *ntpClient) find(timestamp []byte, sent []Packet) (Packet, bool) {
	for _, p := range sent {
		if string(m.timestamp(p)) == string(timestamp) {
			return p, true
		}
	}
	return Packet{}, false
}

func (m *ntpClient) Quoted(q Quote, sent []Packet) (Packet, bool) {
	if len(q.Payload) < ntpHeader {
		return quotedLength(q, sent, m.ipHeader())
	}
	if q.Payload[0] != ntpRequest {
		return Packet{}, false
	}
	return m.find(q.Payload[ntpTransmit:ntpTransmit+8], sent)
}
