package trace

import (
	"encoding/binary"

	"pathmtu/internal/ip6"
	"pathmtu/probe"
)

// initialHopLimit is that of packets that are to reach the target.
const initialHopLimit = 64

// Header lengths, bytes.
const (
	ip4Header = 20
	udpHeader = 8
	tcpHeader = 24 // with the MSS option
)

// tokenLabel keeps the tokens of this package apart from those of a Session.
const tokenLabel = "trace"

// small is the size of probes that any link carries: all arms fit into it.
func (c Config) small() int {
	n := ip4Header + udpHeader
	if c.v6() {
		n = ip6.HeaderLen + extHeader + udpHeader
	}
	return n + c.attribution() + probe.TokenLen
}

func (c Config) attribution() int {
	if c.Attribution == "" {
		return 0
	}
	return len(c.Attribution) + 1
}

func (c Config) ipHeader() int {
	if c.v6() {
		return ip6.HeaderLen
	}
	return ip4Header
}

// spec is what a probe looks like.
type spec struct {
	arm   Arm
	size  int // of the IP packet; tcpSYN has its own
	limit int // hop limit
}

// payload appends the UDP payload of a probe of this package: attribution,
// token, padding.
func (c Config) payload(b []byte, id probe.ID, s spec) []byte {
	n := s.size - c.ipHeader() - udpHeader
	if s.arm != Plain {
		n -= extHeader
	}
	end := len(b) + n
	if c.Attribution != "" {
		b = append(append(b, c.Attribution...), 0)
	}
	p := probe.Packet{ID: id, Size: s.size}
	b = c.Key.AppendToken(b, tokenLabel, p)
	return probe.AppendPadding(b, end-len(b), p)
}

// token returns which probe of this package a UDP payload belongs to.
func (c Config) token(payload []byte) (probe.ID, bool) {
	if len(payload) < c.attribution() {
		return 0, false
	}
	p, ok := c.Key.OpenToken(payload[c.attribution():], tokenLabel)
	return p.ID, ok
}

// udp appends a whole packet around a UDP payload.
func (c Config) udp(b []byte, id probe.ID, s spec, payload []byte) []byte {
	n := udpHeader + len(payload)
	b, at := c.ip(b, id, s, ip6.ProtoUDP, n)
	b = binary.BigEndian.AppendUint16(b, c.SourcePort)
	b = binary.BigEndian.AppendUint16(b, c.Port)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, 0, 0)
	b = append(b, payload...)
	sum := c.sum(ip6.ProtoUDP, b[at:])
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[at+6:], sum)
	return b
}

// syn appends a whole packet with a SYN segment whose MSS option fits the first
// hop's link.
func (c Config) syn(b []byte, id probe.ID, s spec) []byte {
	b, at := c.ip(b, id, s, ip6.ProtoTCP, tcpHeader)
	b = binary.BigEndian.AppendUint16(b, c.TCPSourcePort)
	b = binary.BigEndian.AppendUint16(b, c.TCPPort)
	b = binary.BigEndian.AppendUint32(b, c.sequence(id))
	b = append(b, 0, 0, 0, 0, tcpHeader/4<<4, 0x02) // SYN
	b = append(b, 0xff, 0xff, 0, 0, 0, 0, 2, 4)     // window, checksum, urgent pointer; MSS
	b = binary.BigEndian.AppendUint16(b, uint16(c.mss()))
	binary.BigEndian.PutUint16(b[at+16:], c.sum(ip6.ProtoTCP, b[at:]))
	return b
}

// mss is the MSS that fits the first hop's link.
func (c Config) mss() int { return c.FirstHop - c.ipHeader() - 20 }

// sequence is the sequence number of a SYN: a short token.
func (c Config) sequence(id probe.ID) uint32 {
	t := c.Key.AppendToken(nil, "trace syn", probe.Packet{ID: id})
	return binary.BigEndian.Uint32(t[len(t)-4:])
}

// ip appends the IP header, and the arm's extension header, before n bytes of an
// upper layer, and returns where that begins.
func (c Config) ip(b []byte, id probe.ID, s spec, proto uint8, n int) ([]byte, int) {
	if !c.v6() {
		at := len(b)
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ip4Header+n))
		b = binary.BigEndian.AppendUint16(b, identification(id))
		b = append(b, 0x40, 0, byte(s.limit), proto, 0, 0) // DF
		src, dst := c.Source.As4(), c.Target.As4()
		b = append(append(b, src[:]...), dst[:]...)
		binary.BigEndian.PutUint16(b[at+10:], ip6.Sum(0).Add(b[at:]).Checksum())
		return b, len(b)
	}
	f := ip6.Fields{FlowLabel: c.FlowLabel, NextHeader: proto, HopLimit: uint8(s.limit), Src: c.Source.WithZone(""), Dst: c.Target.WithZone("")}
	typ, option, ok := s.arm.header(c.FirstHop)
	if !ok {
		b = ip6.AppendHeader(b, f, n)
		return b, len(b)
	}
	f.NextHeader = typ
	b = ip6.AppendHeader(b, f, extHeader+n)
	b, _ = ip6.AppendOptionsHeader(b, proto, option) // the options are constants, and fit
	return b, len(b)
}

// identification is the IPv4 Identification of a probe: never 0, which some
// systems replace.
func identification(id probe.ID) uint16 { return uint16((uint32(id)-1)%0xffff + 1) }

// sum is the checksum of an upper-layer packet whose checksum field is 0.
func (c Config) sum(proto uint8, b []byte) uint16 {
	if c.v6() {
		return ip6.PseudoHeader(c.Source, c.Target, len(b), proto).Add(b).Checksum()
	}
	src, dst := c.Source.As4(), c.Target.As4()
	return ip6.Sum(0).Add(src[:]).Add(dst[:]).Word(uint16(proto)).Word(uint16(len(b))).Add(b).Checksum()
}
