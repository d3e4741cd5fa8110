package probe

import (
	"encoding/binary"
	"fmt"
	"time"

	"pathmtu/results"
)

// tcpSegments is the method "tcp" on a connection: segments whose sequence
// numbers lie before those that the host expects, as if data that it has had came
// once more. It answers each at once (RFC 9293 section 3.10.7.4) and names the
// very bytes that arrived twice (D-SACK, RFC 2883), which no segment that lost
// some of them can have brought. The application sees nothing of it.
//
// Each packet has a range of its own, so that the answer names the packet. An
// attacker off the path would have to guess the sequence numbers of both ends,
// which their kernels chose at random.
type tcpSegments struct {
	body
	local, port uint16
	next        uint32 // sequence number of the first byte never sent
	expected    uint32 // sequence number of the host's first byte
	mss         int    // that the host asked for: data and options
	window      int
	stamps      bool // both ends stamp their segments (RFC 7323)
	stamp, echo uint32
}

// TCP option kinds.
const (
	tcpOptEnd       = 0
	tcpOptNOP       = 1
	tcpOptMSS       = 2
	tcpOptPermitted = 4 // SACK-permitted (RFC 2018)
	tcpOptSACK      = 5
	tcpOptStamps    = 8
	tcpStampsLen    = 12 // the option with padding
)

// tcpDefaultMSS is what a host that asks for nothing accepts (RFC 9293 section 3.7.1).
const (
	tcpDefaultMSS4 = 536
	tcpDefaultMSS6 = 1220
)

// NewTCPConnection returns the method that sends data segments on a connection
// which somebody else keeps, and which has carried no data. SynAck is the TCP
// segment that the host accepted it with, age how long ago the SYN was sent. The
// method can't be used, and the error says why, if the host doesn't acknowledge
// selectively (RFC 2018) or asks for segments that are too small for a probe.
func NewTCPConnection(t Target, synAck []byte, age time.Duration) (Method, error) {
	if len(synAck) < tcpHeader || synAck[13]&(tcpSyn|tcpRst|tcpAck) != tcpSyn|tcpAck {
		return nil, fmt.Errorf("probe: no SYN-ACK: %d bytes", len(synAck))
	}
	m := &tcpSegments{
		body:     body{"tcp", t},
		local:    binary.BigEndian.Uint16(synAck[2:]),
		port:     binary.BigEndian.Uint16(synAck),
		next:     binary.BigEndian.Uint32(synAck[8:]),
		expected: binary.BigEndian.Uint32(synAck[4:]) + 1,
		window:   int(binary.BigEndian.Uint16(synAck[14:])),
		mss:      tcpDefaultMSS4,
	}
	if m.ipHeader() == 40 {
		m.mss = tcpDefaultMSS6
	}
	selective := false
	err := tcpOptions(synAck, func(kind byte, data []byte) {
		switch {
		case kind == tcpOptMSS && len(data) == 2:
			m.mss = int(binary.BigEndian.Uint16(data))
		case kind == tcpOptPermitted:
			selective = true
		case kind == tcpOptStamps && len(data) == 8:
			// Later than anything this host's kernel has sent so far, so that it isn't
			// taken for an old duplicate (RFC 7323 section 5).
			m.stamps = true
			m.stamp = binary.BigEndian.Uint32(data[4:]) + uint32(age.Milliseconds()) + 1
			m.echo = binary.BigEndian.Uint32(data)
		}
	})
	switch tr := m.Traits(); {
	case err != nil:
		return nil, err
	case !selective:
		return nil, fmt.Errorf("probe: %v port %d doesn't acknowledge selectively", t.Addr, m.port)
	case tr.Max < tr.Min:
		return nil, fmt.Errorf("probe: %v port %d asks for segments of %d bytes, too few for a probe", t.Addr, m.port, m.mss)
	}
	return m, nil
}

// tcpOptions hands each option of a segment to f.
func tcpOptions(segment []byte, f func(kind byte, data []byte)) error {
	end := int(segment[12]>>4) * 4
	if end < tcpHeader || end > len(segment) {
		return fmt.Errorf("probe: TCP header of %d bytes in a segment of %d", end, len(segment))
	}
	for rest := segment[tcpHeader:end]; len(rest) > 0 && rest[0] != tcpOptEnd; {
		if rest[0] == tcpOptNOP {
			rest = rest[1:]
			continue
		}
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return fmt.Errorf("probe: TCP option %d is cut short", rest[0])
		}
		f(rest[0], rest[2:rest[1]])
		rest = rest[rest[1]:]
	}
	return nil
}

func (m *tcpSegments) header() int {
	if m.stamps {
		return tcpHeader + tcpStampsLen
	}
	return tcpHeader
}

// Traits: the host says what it takes: segments up to its MSS, which counts the
// options (RFC 6691), and up to its window.
func (m *tcpSegments) Traits() Traits {
	below := m.ipHeader()
	return Traits{
		Carrier: TCP, Direction: results.Forward, Port: m.port,
		Below: below, Min: below + m.header() + m.least(), Step: 1,
		Max:   min(65535, below+tcpHeader+m.mss, below+m.header()+m.window),
		Asked: fmt.Sprintf("the host asks for segments of at most %d bytes, with a window of %d", m.mss, m.window),
	}
}

// span returns the sequence numbers of a packet's data: the first, and the one
// after the last. They end at a different distance before the next one for each
// packet, well within any window, as a firewall that tracks it wants.
func (m *tcpSegments) span(p Packet) (from, to uint32) {
	const distances = 1 << 14
	to = m.next - 1 - uint32(p.ID)%distances
	return to - uint32(p.Size-m.ipHeader()-m.header()), to
}

// Append appends a segment; the socket fills in its checksum.
func (m *tcpSegments) Append(b []byte, p Packet) []byte {
	from, _ := m.span(p)
	b = binary.BigEndian.AppendUint16(b, m.local)
	b = binary.BigEndian.AppendUint16(b, m.port)
	b = binary.BigEndian.AppendUint32(b, from)
	b = binary.BigEndian.AppendUint32(b, m.expected)
	b = append(b, byte(m.header()/4<<4), tcpAck)
	b = binary.BigEndian.AppendUint16(b, tcpWindow)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	if m.stamps {
		b = append(b, tcpOptNOP, tcpOptNOP, tcpOptStamps, tcpStampsLen-2)
		b = binary.BigEndian.AppendUint32(b, m.stamp)
		b = binary.BigEndian.AppendUint32(b, m.echo)
	}
	return m.append(b, p.Size-m.ipHeader()-m.header(), p)
}

// Answer accepts an acknowledgement of nothing new whose first block is all of a
// packet's data.
func (m *tcpSegments) Answer(b []byte, sent []Packet) (answered Packet, ok bool) {
	if len(b) < tcpHeader || binary.BigEndian.Uint16(b) != m.port || binary.BigEndian.Uint16(b[2:]) != m.local ||
		b[13]&(tcpSyn|tcpRst|tcpAck) != tcpAck || binary.BigEndian.Uint32(b[8:]) != m.next {
		return Packet{}, false
	}
	err := tcpOptions(b, func(kind byte, data []byte) {
		if kind != tcpOptSACK || len(data) < 8 || ok {
			return
		}
		for _, p := range sent {
			from, to := m.span(p)
			if binary.BigEndian.Uint32(data) == from && binary.BigEndian.Uint32(data[4:]) == to {
				answered, ok = p, true
			}
		}
	})
	if err != nil {
		return Packet{}, false
	}
	return answered, ok
}

func (m *tcpSegments) Quoted(q Quote, sent []Packet) (Packet, bool) {
	b := q.Payload
	if len(b) < 8 || binary.BigEndian.Uint16(b) != m.local || binary.BigEndian.Uint16(b[2:]) != m.port {
		return Packet{}, false
	}
	for _, p := range sent {
		if from, _ := m.span(p); binary.BigEndian.Uint32(b[4:]) == from {
			return p, true
		}
	}
	return Packet{}, false
}
