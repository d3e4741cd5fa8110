package ip6_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

// slowSum is RFC 1071 as written: 16-bit words, carries added at the end.
func slowSum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func TestSumExample(t *testing.T) {
	// RFC 1071 section 3.
	assert.Equal(t, uint16(0xddf2), ip6.Sum(0).Add([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}).Fold())
	assert.Equal(t, uint16(0), ip6.Sum(0).Fold())
	ones := make([]byte, 65536)
	for i := range ones {
		ones[i] = 0xff
	}
	assert.Equal(t, uint16(0xffff), ip6.Sum(0).Add(ones).Add(ones).Fold())
}

func TestSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.Just(byte(0xff))), 0, 200).Draw(t, "bytes")
		require.Equal(t, slowSum(b), ip6.Sum(0).Add(b).Fold())
		require.Equal(t, slowSum(append([]byte{0}, b...)), ip6.Sum(0).AddOdd(b).Fold())
		at := rapid.IntRange(0, len(b)).Draw(t, "split") &^ 1
		require.Equal(t, slowSum(b), ip6.Sum(0).Add(b[:at]).Add(b[at:]).Fold())
	})
}

// RFC 1624: the result is that of a sum over the whole changed packet.
func TestAdjustChecksum(t *testing.T) {
	assert.Equal(t, uint16(0), ip6.AdjustChecksum(0xdd2f, 0x5555, 0x3285), "RFC 1624 section 4")
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 60).Draw(t, "bytes")
		b[0] |= 1 // never all zero, as no pseudo-header is
		at := rapid.IntRange(1, len(b)/2-1).Draw(t, "word") * 2
		old := binary.BigEndian.Uint16(b[at:])
		before := ip6.Sum(0).Add(b).Checksum()
		word := rapid.Uint16().Draw(t, "new")
		binary.BigEndian.PutUint16(b[at:], word)
		require.Equal(t, ip6.Sum(0).Add(b).Checksum(), ip6.AdjustChecksum(before, old, word))
	})
}

// A cut packet's checksum, adjusted, is that of a sum over what is left: at odd
// and even cuts, with one and two length fields.
func TestTruncatedChecksum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proto := rapid.SampledFrom([]uint8{ip6.ProtoTCP, ip6.ProtoUDP, ip6.ProtoICMPv6}).Draw(t, "proto")
		n := rapid.IntRange(0, 300).Draw(t, "payload")
		build := map[uint8]func(int) []byte{ip6.ProtoTCP: ip6test.TCP, ip6.ProtoUDP: ip6test.UDP, ip6.ProtoICMPv6: ip6test.Echo}[proto]
		body := build(n)
		head := len(body) - n
		copy(body[head:], rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes"))
		p := ip6test.Packet(proto, body)
		require.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}))
		keep := head + rapid.IntRange(0, n).Draw(t, "keep")
		field, _ := ip6.ChecksumOffset(proto)
		u := p[ip6.HeaderLen:]
		lengths := 1
		if proto == ip6.ProtoUDP {
			lengths = 2
			binary.BigEndian.PutUint16(u[4:], uint16(keep))
		}
		got := ip6.TruncatedChecksum(binary.BigEndian.Uint16(u[field:]), u[keep:], keep, lengths)
		q := p.Cut(ip6.HeaderLen + keep)
		require.True(t, q.SetChecksum(ip6.Limits{}))
		want := binary.BigEndian.Uint16(q[ip6.HeaderLen+field:])
		if proto == ip6.ProtoUDP && got == 0 {
			got = 0xffff
		}
		require.Equal(t, want, got)
	})
}

func TestChecksumStates(t *testing.T) {
	final := ip6test.Src
	good := map[string]ip6.Packet{
		"udp":                   ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11)),
		"tcp":                   ip6test.Packet(ip6.ProtoTCP, ip6test.TCP(11), ip6test.DestOpts()),
		"icmp":                  ip6test.Packet(ip6.ProtoICMPv6, ip6test.Echo(11), ip6test.HopByHop()),
		"segment routing":       ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11), ip6test.Routing(4, 1, final, ip6test.Dst)),
		"routing type 2":        ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11), ip6test.Routing(2, 1, final)),
		"atomic fragment":       ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11), ip6test.Fragment(0, false)),
		"udp with surplus area": ip6test.Packet(ip6.ProtoUDP, append(ip6test.UDP(11), 1, 2, 3)),
	}
	for name, p := range good {
		assert.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}), name)
		p[len(p)-5] ^= 1 // before any surplus
		assert.Equal(t, ip6.ChecksumBad, p.Checksum(ip6.Limits{}), name)
	}
	// The two routing headers cover the final destination, not that of the fixed header.
	dst, ok := good["routing type 2"].FinalDst(ip6.Limits{})
	require.True(t, ok)
	assert.Equal(t, final, dst)
	dst, ok = good["segment routing"].FinalDst(ip6.Limits{})
	require.True(t, ok)
	assert.Equal(t, final, dst)

	absent := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11))
	absent[46], absent[47] = 0, 0
	assert.Equal(t, ip6.ChecksumAbsent, absent.Checksum(ip6.Limits{}))
	short := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11))
	short[45] = 200 // UDP Length over the payload
	for name, p := range map[string]ip6.Packet{
		"sctp": ip6test.Packet(ip6.ProtoSCTP, make([]byte, 20)), "fragment": ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(11), ip6test.Fragment(0, true)),
		"routing type 3": ip6test.Packet(ip6.ProtoTCP, ip6test.TCP(11), ip6test.Routing(3, 1, final)), "udp length": short,
		"tcp stub": ip6test.Packet(ip6.ProtoTCP, make([]byte, 19)), "tcp offset": ip6test.Packet(ip6.ProtoTCP, make([]byte, 40)),
	} {
		assert.Equal(t, ip6.ChecksumUnknown, p.Checksum(ip6.Limits{}), name)
		before := ip6test.Clone(p)
		assert.False(t, p.SetChecksum(ip6.Limits{}), name)
		assert.Equal(t, before, p, name)
	}
}

func TestUpperHeaderLen(t *testing.T) {
	tcp := ip6test.TCP(0)
	tcp[12] = 8 << 4
	for _, c := range []struct {
		proto uint8
		b     []byte
		n     int
		ok    bool
	}{
		{ip6.ProtoUDP, make([]byte, 8), 8, true}, {ip6.ProtoUDP, make([]byte, 7), 8, false},
		{ip6.ProtoTCP, tcp, 32, false}, {ip6.ProtoTCP, append(tcp, make([]byte, 12)...), 32, true},
		{ip6.ProtoTCP, make([]byte, 20), 0, false}, {ip6.ProtoTCP, nil, 20, false}, {ip6.ProtoNoNext, nil, 0, true},
		{ip6.ProtoSCTP, make([]byte, 11), 12, false}, {ip6.ProtoIPv6, make([]byte, 40), 40, true}, {253, make([]byte, 8), 8, true},
	} {
		n, ok := ip6.UpperHeaderLen(c.proto, c.b)
		assert.Equal(t, c.n, n, "%d", c.proto)
		assert.Equal(t, c.ok, ok, "%d", c.proto)
	}
}
