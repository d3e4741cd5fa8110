package trace

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// message builds an ICMP error.
func (s *sim) message(from netip.Addr, about []byte, typ, code uint8, param int, short bool) []byte {
	if s.v6 {
		p, err := ip6.Parse(about)
		require.NoError(s.t, err)
		b, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: typ, Code: code, Param: uint32(param), Src: from}, p)
		require.NoError(s.t, err)
		return b
	}
	v4 := map[uint8][2]byte{1: {3, 3}, 2: {3, 4}, 3: {11, 0}, 4: {12, 0}}[typ]
	n := min(len(about), 548)
	if short {
		n = 28
	}
	m := []byte{v4[0], v4[1], 0, 0, 0, 0, byte(param >> 8), byte(param)}
	m = append(m, about[:n]...)
	binary.BigEndian.PutUint16(m[2:], ip6.Sum(0).Add(m).Checksum())
	return header4(from, simAddr(false, 1), 1, m)
}

func header4(from, to netip.Addr, proto uint8, m []byte) []byte {
	src, dst := from.As4(), to.As4()
	b := []byte{0x45, 0, byte((20 + len(m)) >> 8), byte(20 + len(m)), 0, 1, 0, 0, 60, proto, 0, 0}
	b = append(append(b, src[:]...), dst[:]...)
	binary.BigEndian.PutUint16(b[10:], ip6.Sum(0).Add(b).Checksum())
	return append(b, m...)
}

// arrive is what the target does.
func (s *sim) arrive(at time.Time, back time.Duration, v view) {
	if s.mute {
		return
	}
	me := simAddr(s.v6, 99)
	switch v.proto {
	case ip6.ProtoUDP:
		if s.echo {
			s.reply(at.Add(back), s.echoed(v))
			return
		}
		if s.opaque {
			*v.limit() = initialHopLimit + 1
		}
		if !s.deaf && take(&s.tokens, &s.last, at, s.every) {
			s.reply(at.Add(back), s.message(me, v.b, 1, 4, 0, false))
		}
	case ip6.ProtoTCP:
		seg := slices.Clone(v.b[v.upper:])
		copy(seg[0:2], v.b[v.upper+2:])
		copy(seg[2:4], v.b[v.upper:])
		binary.BigEndian.PutUint32(seg[8:], binary.BigEndian.Uint32(seg[4:])+1)
		seg[13] = 0x12
		s.reply(at.Add(back), s.around(me, ip6.ProtoTCP, seg))
	case protoICMP, ip6.ProtoICMPv6:
		m := slices.Clone(v.b[v.upper:])
		m[0] = 0
		if s.v6 {
			m[0] = ip6.TypeEchoReply
		}
		s.reply(at.Add(back), s.around(me, v.proto, m))
	}
}

// echoed is the datagram on its way back, with what the option said.
func (s *sim) echoed(v view) []byte {
	u := slices.Clone(v.b[v.upper:])
	copy(u[0:2], v.b[v.upper+2:])
	copy(u[2:4], v.b[v.upper:])
	if v.hbh == nil || v.hbh[2] != hbh.Type {
		return s.around(simAddr(s.v6, 99), ip6.ProtoUDP, u)
	}
	option := hbh.Option{Min: 1500, Rtn: binary.BigEndian.Uint16(v.hbh[4:])}
	b := []byte{ip6.ProtoUDP, 0, hbh.Type, hbh.DataLen}
	return s.around(simAddr(s.v6, 99), ip6.ProtoHopByHop, append(option.AppendData(b), u...))
}

func (s *sim) around(from netip.Addr, proto uint8, m []byte) []byte {
	to := simAddr(s.v6, 1)
	if !s.v6 {
		return header4(from, to, proto, m)
	}
	b := ip6.AppendHeader(nil, ip6.Fields{NextHeader: proto, HopLimit: 60, Src: from, Dst: to}, len(m))
	return append(b, m...)
}
