package probe

import (
	"encoding/binary"
	"time"

	"pathmtu/results"
)

const udpHeader = 8

// udpClosed is the method "udp": datagrams to a port where nobody listens. The
// answer is a small "port unreachable" from the host, so that it measures the
// way there.
type udpClosed struct {
	body
	port uint16
}

// NewUDP returns the method that sends UDP datagrams to a closed port.
func NewUDP(t Target, port uint16) Method {
	return &udpClosed{body{"udp", t}, orDefault(port, "udp")}
}

// Traits: Linux answers 6 at once, then one a second (IPv4,
// net.ipv4.icmp_ratelimit) or 10 a second (IPv6). One is kept in reserve for
// whatever else the host has to say to us.
func (m *udpClosed) Traits() Traits {
	t := Traits{
		Carrier:    UDP,
		Direction:  results.Forward,
		Port:       m.port,
		Below:      m.ipHeader() + udpHeader,
		Min:        m.ipHeader() + udpHeader + m.least(),
		Max:        65535,
		Step:       1,
		ClosedPort: true,
		Burst:      5,
		Every:      1050 * time.Millisecond,
	}
	if m.ipHeader() == 40 {
		t.Every = 110 * time.Millisecond
	}
	return t
}

func (m *udpClosed) Append(b []byte, p Packet) []byte {
	return m.append(b, p.Size-m.ipHeader()-udpHeader, p)
}

// Answer is always false: a datagram from a port that was to be closed proves
// nothing about which probe arrived.
func (m *udpClosed) Answer([]byte, []Packet) (Packet, bool) { return Packet{}, false }

func (m *udpClosed) Quoted(q Quote, sent []Packet) (Packet, bool) {
	if len(q.Payload) >= m.least() {
		return m.open(q.Payload)
	}
	return quotedLength(q, sent, m.ipHeader())
}

// quotedLength finds the packet of which too little is quoted for its token. Its
// length has to be that of a packet sent, or of the only one; the socket has
// matched the ports.
func quotedLength(q Quote, sent []Packet, ipHeader int) (Packet, bool) {
	length := q.Length
	if length == 0 && len(q.Transport) >= 6 {
		length = int(binary.BigEndian.Uint16(q.Transport[4:])) + ipHeader
	}
	var found Packet
	for _, p := range sent {
		if length != 0 && p.Size != length {
			continue
		}
		if found.ID != 0 && found.Size != p.Size {
			return Packet{}, false // could be either
		}
		found = p
	}
	return found, found.ID != 0
}
