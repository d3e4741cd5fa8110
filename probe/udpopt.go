package probe

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpopt"
	"pathmtu/results"
)

// udpOptions is the method "udpopt": datagrams without data and with an echo
// request among their UDP Options (RFC 9868), as DPLPMTUD over UDP Options sends
// them (RFC 9869 section 4.5). A host that knows UDP Options and lets them be used
// at that port returns the token of the request; the answer is small, so that it
// measures the way there. Every other host hands its program an empty datagram.
//
// The token is 32 keyed bits, so that an attacker off the path can't guess it; it
// has to be that of a packet sent lately.
type udpOptions struct {
	body
	local, port uint16
}

const (
	protoUDP = 17
	// udpOptLeast is the least size of IP payload: an answer has 16 bytes, and 8
	// more where a host adds options of its own.
	udpOptLeast = udpHeader + 24
	// experiment marks an attribution among options for experiments (RFC 9868
	// section 11.12): the number is of no other meaning.
	experiment = 0x9511
)

// NewUDPOptions returns the method that sends datagrams with UDP Options from a
// local port, which nobody else must use. Addr and Source of the target are of one
// family; NewMethod checks that.
func NewUDPOptions(t Target, port, local uint16) Method {
	return &udpOptions{body{"udpopt", t}, local, orDefault(port, "udpopt")}
}

// Traits: RFC 9869 lets a host answer once in a second by a datagram that is sent
// for the answer alone (section 3.1), and then only the last request that came
// (section 3.3).
func (m *udpOptions) Traits() Traits {
	return Traits{
		Carrier: IP, Direction: results.Forward, Port: m.port, Server: true,
		Min: m.ipHeader() + udpOptLeast + len(m.attribution()), Max: 65535, Step: 1,
		Hold: 1100 * time.Millisecond,
	}
}

func (m *udpOptions) token(p Packet) udpopt.Token {
	return udpopt.Token(binary.BigEndian.Uint32(m.Key.appendToken(nil, m.method, p)[8:]))
}

// attribution is the option that holds the attribution, if there is one.
func (m *udpOptions) attribution() []byte {
	if m.Attribution == "" {
		return nil
	}
	data := binary.BigEndian.AppendUint16(nil, experiment)
	data = append(append(data, m.Attribution...), 0)
	b, err := udpopt.AppendOption(nil, udpopt.EXP, data)
	if err != nil {
		panic("probe: an attribution within MaxAttribution: " + err.Error())
	}
	return b
}

func (m *udpOptions) Append(b []byte, p Packet) []byte {
	n := p.Size - m.ipHeader()
	src := netip.AddrPortFrom(m.Source.Unmap(), m.local)
	dst := netip.AddrPortFrom(m.Addr.Unmap(), m.port)
	b = m.appendIP(b, protoUDP, n)
	options := append(udpopt.AppendREQ(nil, m.token(p)), m.attribution()...)
	b, err := udpopt.AppendDatagram(b, src, dst, nil, options, n)
	if err != nil {
		panic("probe: a datagram with UDP Options: " + err.Error()) // a size outside of Traits: the caller's mistake
	}
	return b
}

func (m *udpOptions) Answer(b []byte, sent []Packet) (Packet, bool) {
	in, ok := m.answerTo(b)
	if !ok || in.proto != protoUDP {
		return Packet{}, false
	}
	r := udpopt.Receive(m.Addr.Unmap(), m.Source.Unmap(), in.bytes)
	if r.Do != udpopt.Deliver || r.SrcPort != m.port || r.DstPort != m.local {
		return Packet{}, false
	}
	t, ok := r.Options.RES()
	if !ok {
		return Packet{}, false
	}
	return m.find(t, sent)
}

func (m *udpOptions) find(t udpopt.Token, sent []Packet) (Packet, bool) {
	for _, p := range sent {
		if m.token(p) == t {
			return p, true
		}
	}
	return Packet{}, false
}

// Quoted: the first option is the echo request, whose token stands 12 bytes after
// the start of the UDP header. A router may quote the UDP header alone (RFC 792):
// then the length, which an attacker can't see either, has to be that of a packet
// sent.
func (m *udpOptions) Quoted(q Quote, sent []Packet) (Packet, bool) {
	in, ok := m.probeIn(q.Payload)
	u := in.bytes
	if !ok || in.proto != protoUDP || len(u) < 4 || binary.BigEndian.Uint16(u) != m.local || binary.BigEndian.Uint16(u[2:]) != m.port {
		return Packet{}, false
	}
	const tokenAt = udpHeader + 2 + 2 // OCS; kind and length of REQ
	if len(u) < tokenAt+4 {
		return quotedLength(Quote{Length: q.Length}, sent, m.ipHeader())
	}
	return m.find(udpopt.Token(binary.BigEndian.Uint32(u[tokenAt:])), sent)
}
