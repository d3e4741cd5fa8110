package ip6_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

var router = netip.MustParseAddr("2001:db8:2::fe")

// RFC 4443 section 2.4 (e): an ICMPv6 error must not answer these.
func TestMayError(t *testing.T) {
	group := netip.MustParseAddr("ff02::1")
	with := func(f func(ip6.Packet), exts ...ip6test.Ext) ip6.Packet {
		p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4), exts...)
		if f != nil {
			f(p)
		}
		return p
	}
	icmp := func(typ uint8, exts ...ip6test.Ext) ip6.Packet {
		b := ip6test.Echo(4)
		b[0] = typ
		return ip6test.Packet(ip6.ProtoICMPv6, b, exts...)
	}
	toGroup := func(p ip6.Packet) { p.SetDst(group) }
	many := func(n int) []ip6test.Ext {
		exts := make([]ip6test.Ext, n)
		for i := range exts {
			exts[i] = ip6test.DestOpts()
		}
		return exts
	}
	unknown := func(typ uint8) ip6test.Ext { return ip6test.DestOpts(ip6.OptionSpec{Type: typ}) }
	const opt = 42 // offset of the first option of the first header
	for _, c := range []struct {
		name      string
		p         ip6.Packet
		a         ip6.Arrival
		typ, code uint8
		ptr       int
		want      ip6.Silence
	}{
		{"ordinary", with(nil), ip6.Arrival{}, ip6.TypeTimeExceeded, 0, 0, ip6.MayAnswer},
		{"echo request", icmp(128), ip6.Arrival{}, ip6.TypeTimeExceeded, 0, 0, ip6.MayAnswer},
		{"e.1 error", icmp(1), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.AboutError},
		{"e.1 error behind extension headers", icmp(4, ip6test.HopByHop(), ip6test.DestOpts()), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.AboutError},
		{"e.1 unknown error type", icmp(127), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.AboutError},
		{"e.1 later fragment of ICMPv6 may be one", icmp(128, ip6test.Fragment(8, false)), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.AboutError},
		{"e.1 empty ICMPv6 may be one", ip6test.Packet(ip6.ProtoICMPv6, nil), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.AboutError},
		{"64 extension headers", with(nil, many(64)...), ip6.Arrival{}, ip6.TypeParameterProblem, 8, 0, ip6.MayAnswer},
		{"e.1 behind 65 extension headers there may be one", with(nil, many(65)...), ip6.Arrival{}, ip6.TypeParameterProblem, 8, 0, ip6.AboutError},
		{"first fragment of an echo", icmp(128, ip6test.Fragment(0, true)), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.MayAnswer},
		{"e.2 redirect", icmp(137), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.AboutRedirect},
		{"e.3 multicast", with(toGroup), ip6.Arrival{}, ip6.TypeTimeExceeded, 0, 0, ip6.ToMulticast},
		{"e.3 exception: Packet Too Big", with(toGroup), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.MayAnswer},
		{"e.3 exception: option with action 10", with(toGroup, unknown(0x9e)), ip6.Arrival{}, ip6.TypeParameterProblem, 2, opt, ip6.MayAnswer},
		{"e.3 option with action 11", with(toGroup, unknown(0xde)), ip6.Arrival{}, ip6.TypeParameterProblem, 2, opt, ip6.ToMulticast},
		{"e.3 code 2 with a pointer out of the packet", with(toGroup, unknown(0x9e)), ip6.Arrival{}, ip6.TypeParameterProblem, 2, 9999, ip6.ToMulticast},
		{"e.3 Parameter Problem of another code", with(toGroup, unknown(0x9e)), ip6.Arrival{}, ip6.TypeParameterProblem, 0, opt, ip6.ToMulticast},
		{"e.4 link-layer multicast", with(nil), ip6.Arrival{LinkMulticast: true}, ip6.TypeTimeExceeded, 0, 0, ip6.ToLinkMulticast},
		{"e.4 exception: Packet Too Big", with(nil), ip6.Arrival{LinkMulticast: true}, ip6.TypePacketTooBig, 0, 0, ip6.MayAnswer},
		{"e.6 unspecified source", with(func(p ip6.Packet) { p.SetSrc(netip.IPv6Unspecified()) }), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.FromNonUnique},
		{"e.6 multicast source", with(func(p ip6.Packet) { p.SetSrc(group) }), ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0, ip6.FromNonUnique},
		{"e.6 anycast source", with(nil), ip6.Arrival{SourceAnycast: true}, ip6.TypePacketTooBig, 0, 0, ip6.FromNonUnique},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, ip6.MayError(c.p, c.a, c.typ, c.code, c.ptr))
		})
	}
}

func buildError(t *testing.T, e ip6.ErrorSpec, about ip6.Packet) ip6.Packet {
	t.Helper()
	b, err := ip6.AppendError([]byte{1}, e, about)
	require.NoError(t, err)
	p, err := ip6.Parse(b[1:])
	require.NoError(t, err)
	require.Len(t, p, len(b)-1)
	require.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}))
	return p
}

func TestErrorRoundTrip(t *testing.T) {
	for _, n := range []int{48, 500, 1231, 1232, 1233, 9000} {
		about := ip6test.Sized(n, ip6.ProtoUDP, ip6test.UDP)
		p := buildError(t, ip6.ErrorSpec{Type: ip6.TypePacketTooBig, Param: 1400, Src: router}, about)
		assert.Equal(t, min(1280, n+48), len(p))
		assert.Equal(t, router, p.Src())
		assert.Equal(t, ip6test.Src, p.Dst())
		e, err := ip6.ParseErrorPacket(p, ip6.Limits{})
		require.NoError(t, err)
		assert.Equal(t, ip6.ICMPError{Type: 2, Param: 1400, Quote: about[:min(n, 1232)]}, e)
		assert.Equal(t, n, e.Quote.TotalLen())
		_, ok := e.PointedAt()
		assert.False(t, ok)

		p[len(p)-1] ^= 1
		_, err = ip6.ParseErrorPacket(p, ip6.Limits{})
		assert.ErrorIs(t, err, ip6.ErrICMPChecksum)
	}
}

func TestParameterProblemPointer(t *testing.T) {
	about := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4), ip6test.DestOpts(ip6.OptionSpec{Type: 0x9e}))
	for _, c := range []struct {
		ptr uint32
		ok  bool
	}{{42, true}, {uint32(len(about)) - 1, true}, {uint32(len(about)), false}, {1 << 31, false}, {1<<32 - 1, false}} {
		e, err := ip6.ParseErrorPacket(buildError(t, ip6.ErrorSpec{Type: 4, Code: 2, Param: c.ptr, Src: router}, about), ip6.Limits{})
		require.NoError(t, err)
		off, ok := e.PointedAt()
		assert.Equal(t, c.ok, ok, "pointer %d", c.ptr)
		if ok {
			assert.Equal(t, int(c.ptr), off)
		}
	}
}

// RFC 8883 and RFC 4884: headers too long.
func TestHeadersTooLong(t *testing.T) {
	for _, n := range []int{48, 100, 128, 129, 500, 1219, 1220, 1221, 3000} {
		about := ip6test.Sized(n, ip6.ProtoUDP, ip6test.UDP)
		p := buildError(t, ip6.ErrorSpec{Type: 1, Code: 8, Param: 44, Src: router}, about)
		require.LessOrEqual(t, len(p), 1280)
		m := p[40:]
		words := int(m[4])
		require.GreaterOrEqual(t, words*8, 128, "at least 128 bytes of quote")
		ext := m[8+words*8:]
		require.Equal(t, []byte{0x20, 0}, []byte(ext[:2]), "version 2")
		require.Equal(t, []byte{0, 8, 4, 1, 0, 0, 0, 44}, []byte(ext[4:]))
		e, err := ip6.ParseErrorPacket(p, ip6.Limits{})
		require.NoError(t, err)
		assert.Len(t, e.Quote, min(n, 1216), "padding is not part of the quote")
		off, ok := e.PointedAt()
		require.True(t, ok)
		assert.Equal(t, 44, off)

		ext[2] ^= 0xff // its checksum
		e, err = ip6.ParseError(m)
		require.NoError(t, err)
		assert.Nil(t, e.Extension)
		_, ok = e.PointedAt()
		assert.False(t, ok)
	}
}

func TestExtensionObjects(t *testing.T) {
	about := ip6test.Sized(200, ip6.ProtoUDP, ip6test.UDP)
	p := buildError(t, ip6.ErrorSpec{Type: 1, Code: 8, Param: 44, Src: router}, about)
	m := append([]byte(nil), p[40:]...)
	ext := m[8+int(m[4])*8:]
	put := func(object ...byte) ip6.ICMPError {
		b := append(append(m[:len(m)-len(ext):len(m)-len(ext)], 0x20, 0, 0, 0), object...)
		e, err := ip6.ParseError(b)
		require.NoError(t, err)
		return e
	}
	for name, c := range map[string]struct {
		object []byte
		ok     bool
	}{
		"another object first": {[]byte{0, 6, 2, 1, 9, 9, 0, 8, 4, 1, 0, 0, 0, 50}, true},
		"object length 3":      {[]byte{0, 3, 4, 1, 0, 0, 0, 50}, false},
		"object length 0":      {[]byte{0, 0, 2, 1, 0, 8, 4, 1, 0, 0, 0, 50}, false},
		"object overruns":      {[]byte{0, 9, 4, 1, 0, 0, 0, 50}, false},
		"object too short":     {[]byte{0, 6, 4, 1, 0, 0}, false},
		"none":                 {nil, false},
		"pointer out of quote": {[]byte{0, 8, 4, 1, 0, 0, 1, 0}, false},
	} {
		_, ok := put(c.object...).PointedAt()
		assert.Equal(t, c.ok, ok, name)
	}
	m[4] = 255 // more words than the message has: no extension, the whole is the quote
	e, err := ip6.ParseError(m)
	require.NoError(t, err)
	assert.Nil(t, e.Extension)
	assert.Len(t, e.Quote, 200)
	m[4] = 1 // fewer than an IPv6 header
	e, err = ip6.ParseError(m)
	require.NoError(t, err)
	assert.Len(t, e.Quote, 200)
}

func TestParseErrorRefuses(t *testing.T) {
	about := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4))
	m := buildError(t, ip6.ErrorSpec{Type: 2, Param: 1400, Src: router}, about)[40:]
	for n := range 48 {
		_, err := ip6.ParseError(m[:n])
		require.Error(t, err, "%d bytes", n)
	}
	for n := 48; n <= len(m); n++ {
		e, err := ip6.ParseError(m[:n])
		require.NoError(t, err)
		require.Len(t, e.Quote, n-8)
	}
	echo := ip6test.Packet(ip6.ProtoICMPv6, ip6test.Echo(60))
	_, err := ip6.ParseErrorPacket(echo, ip6.Limits{})
	assert.ErrorIs(t, err, ip6.ErrNotICMPError)
	_, err = ip6.ParseErrorPacket(about, ip6.Limits{})
	assert.ErrorIs(t, err, ip6.ErrNotICMPError)
	bad := append([]byte(nil), m...)
	bad[8] = 0x45
	_, err = ip6.ParseError(bad)
	assert.ErrorIs(t, err, ip6.ErrICMPQuote)

	_, err = ip6.AppendError(nil, ip6.ErrorSpec{Type: 2, Src: netip.MustParseAddr("192.0.2.1")}, about)
	assert.ErrorContains(t, err, "192.0.2.1")
	_, err = ip6.AppendError(nil, ip6.ErrorSpec{Type: 128, Src: router}, about)
	assert.ErrorContains(t, err, "type 128")
}

func TestAppendEcho(t *testing.T) {
	f := ip6.Fields{HopLimit: 7, Src: ip6test.Src, Dst: ip6test.Dst}
	p, err := ip6.Parse(ip6.AppendEcho(nil, f, ip6.TypeEchoReply, 0x1234, 5, []byte("odd")))
	require.NoError(t, err)
	assert.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}))
	assert.Equal(t, uint8(58), p.NextHeader())
	assert.Equal(t, uint8(ip6.TypeEchoReply), p[40])
	assert.Equal(t, uint16(0x1234), binary.BigEndian.Uint16(p[44:]))
	assert.Equal(t, []byte("odd"), []byte(p[48:]))
}

// RFC 4443 and RFC 8883: how each problem is reported.
func TestProblemReports(t *testing.T) {
	for reason, want := range map[ip6.Reason][2]int{
		ip6.HeaderTruncated: {-1, -1}, ip6.PaddingNotZero: {-1, -1}, ip6.NoProblem: {-1, -1},
		ip6.OptionOverrun: {4, 0}, ip6.HopByHopMisplaced: {4, 1}, ip6.UnrecognizedNextHeader: {4, 5}, ip6.HeaderTooBig: {4, 6},
		ip6.ChainTooLong: {4, 7}, ip6.TooManyHeaders: {4, 8}, ip6.TooManyOptions: {4, 9}, ip6.OptionTooBig: {4, 10},
		ip6.PaddingTooLong: {4, 10}, ip6.HeadersTooLong: {1, 8},
	} {
		typ, code, ok := ip6.Problem{Reason: reason}.ICMP()
		got := [2]int{int(typ), int(code)}
		if !ok {
			got = [2]int{-1, -1}
		}
		assert.Equal(t, want, got, "%v", reason)
	}
	assert.Equal(t, "reason 99", ip6.Reason(99).String())
	assert.Equal(t, "ip6: too many options at byte 58", ip6.Problem{Reason: ip6.TooManyOptions, Pointer: 58}.Error())
	for s := ip6.MayAnswer; s <= ip6.FromNonUnique; s++ {
		assert.NotEqual(t, "unknown", s.String())
	}
	assert.Equal(t, "unknown", ip6.Silence(99).String())
	for s, name := range map[ip6.ChecksumState]string{ip6.ChecksumUnknown: "unknown", ip6.ChecksumGood: "good", ip6.ChecksumBad: "bad", ip6.ChecksumAbsent: "absent"} {
		assert.Equal(t, name, s.String())
	}
}
