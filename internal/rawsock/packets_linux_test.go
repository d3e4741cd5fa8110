package rawsock

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
)

var router = netip.MustParseAddr("2001:db8:5::5")

// ipv4 is a packet with this payload.
func ipv4(src, dst netip.Addr, proto byte, payload []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	return append(append(append(b, src.AsSlice()...), dst.AsSlice()...), payload...)
}

// tooBig4 is a whole "fragmentation needed" about a quoted packet.
func tooBig4(mtu uint16, quote []byte) []byte {
	m := append([]byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, quote...)
	binary.BigEndian.PutUint16(m[2:], ^onesSum(0, m))
	return ipv4(netip.MustParseAddr("203.0.113.5"), src4, protoICMP, m)
}

func tooBig6(t testing.TB, mtu uint32, about []byte) []byte {
	b, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: ip6.TypePacketTooBig, Param: mtu, Src: router}, ip6.Packet(about))
	require.NoError(t, err)
	return b
}

func sample6(n int) []byte {
	return append(ip6.AppendHeader(nil, ip6.Fields{NextHeader: protoUDP, HopLimit: 61, Src: src6, Dst: dst6}, n), make([]byte, n)...)
}

// TestReadIP: an answer is whatever the target sent; an ICMP error is for the flow to
// the address that it quotes, with all that it quotes.
func TestReadIP(t *testing.T) {
	answer := ipv4(dst4, src4, protoUDP, make([]byte, 12))
	m, key, ok := readIP(false, answer)
	require.True(t, ok)
	assert.Equal(t, dst4, key)
	assert.Nil(t, m.Error)

	sent := ipv4(src4, dst4, protoUDP, make([]byte, 40))
	m, key, ok = readIP(false, append(tooBig4(1400, sent[:28]), 0, 0)) // and padding of the link
	require.True(t, ok)
	assert.Equal(t, dst4, key)
	require.NotNil(t, m.Error)
	assert.Equal(t, 1400, m.Error.MTU)
	assert.Equal(t, Quote{Src: src4, Dst: dst4, Proto: protoUDP, TTL: 64, Length: 60, Payload: sent[:28]}, m.Error.Quote)
	bad := tooBig4(1400, sent[:28])
	bad[len(bad)-1] ^= 1
	_, _, ok = readIP(false, bad)
	assert.False(t, ok, "the checksum is wrong")

	_, key, ok = readIP(true, append(ip6.AppendHeader(nil, ip6.Fields{NextHeader: protoUDP, Src: dst6, Dst: src6}, 8), make([]byte, 8)...))
	require.True(t, ok)
	assert.Equal(t, dst6, key)
	m, key, ok = readIP(true, tooBig6(t, 1280, sample6(2000)))
	require.True(t, ok)
	assert.Equal(t, dst6, key)
	require.NotNil(t, m.Error)
	assert.Equal(t, router, m.From)
	assert.Equal(t, 1280, m.Error.MTU)
	q := m.Error.Quote
	assert.Equal(t, Quote{Src: src6, Dst: dst6, Proto: protoUDP, TTL: 61, Length: 2040, Payload: sample6(2000)[:1280-48]}, q)
}

// FuzzReadIP: nothing that arrives makes reading panic, or quotes more than there is.
func FuzzReadIP(f *testing.F) {
	f.Add(false, ipv4(dst4, src4, protoUDP, make([]byte, 12)))
	f.Add(false, tooBig4(1400, ipv4(src4, dst4, protoUDP, make([]byte, 8))))
	f.Add(true, sample6(8))
	f.Add(true, tooBig6(f, 1280, sample6(2000)))
	f.Fuzz(func(t *testing.T, v6 bool, b []byte) {
		m, key, ok := readIP(v6, b)
		if !ok {
			return
		}
		require.True(t, key.IsValid())
		require.True(t, m.From.IsValid())
		if m.Error != nil {
			require.LessOrEqual(t, len(m.Error.Quote.Payload), len(b))
			require.LessOrEqual(t, len(m.Error.Quote.Payload), m.Error.Quote.Length)
		}
	})
}
