package ip6_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

func TestParseRefusesEveryPrefix(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(20), ip6test.HopByHop())
	for n := range len(p) {
		_, err := ip6.Parse(p[:n])
		if n < ip6.HeaderLen {
			require.ErrorIs(t, err, ip6.ErrShort, "%d bytes", n)
		} else {
			require.ErrorIs(t, err, ip6.ErrLength, "%d bytes", n)
		}
	}
	padded := append(ip6test.Clone(p), 0, 0, 0) // link-layer padding
	q, err := ip6.Parse(padded)
	require.NoError(t, err)
	assert.Len(t, q, len(p))
	assert.Equal(t, len(p), cap(q), "appending must not reach the padding")
}

func TestParseRefusesVersion(t *testing.T) {
	b := make([]byte, 60)
	for v := range 16 {
		b[0] = byte(v << 4)
		_, err := ip6.Parse(b)
		if v == 6 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ip6.ErrVersion)
		}
	}
}

func TestParseQuote(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(1000))
	q, err := ip6.ParseQuote(p[:100])
	require.NoError(t, err)
	assert.Len(t, q, 100)
	assert.Equal(t, 1048, q.TotalLen())
	q, err = ip6.ParseQuote(append(ip6test.Clone(p), 1, 2, 3))
	require.NoError(t, err)
	assert.Len(t, q, len(p))
	_, err = ip6.ParseQuote(p[:39])
	require.ErrorIs(t, err, ip6.ErrShort)
}

func TestFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := ip6.Fields{
			TrafficClass: rapid.Byte().Draw(t, "class"),
			FlowLabel:    rapid.Uint32Range(0, 0xfffff).Draw(t, "label"),
			NextHeader:   rapid.Byte().Draw(t, "next"),
			HopLimit:     rapid.Byte().Draw(t, "hops"),
			Src:          netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "src"))),
			Dst:          netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "dst"))),
		}
		n := rapid.IntRange(0, 100).Draw(t, "payload")
		p, err := ip6.Parse(append(ip6.AppendHeader(nil, f, n), make([]byte, n)...))
		require.NoError(t, err)
		got := ip6.Fields{p.TrafficClass(), p.FlowLabel(), p.NextHeader(), p.HopLimit(), p.Src(), p.Dst()}
		require.Equal(t, f, got)
		require.Equal(t, n, p.PayloadLen())
		require.Len(t, p.Payload(), n)

		p.SetTrafficClass(^f.TrafficClass)
		p.SetFlowLabel(^f.FlowLabel)
		p.SetHopLimit(^f.HopLimit)
		p.SetSrc(f.Dst)
		p.SetDst(f.Src)
		want := ip6.Fields{^f.TrafficClass, ^f.FlowLabel & 0xfffff, f.NextHeader, ^f.HopLimit, f.Dst, f.Src}
		got = ip6.Fields{p.TrafficClass(), p.FlowLabel(), p.NextHeader(), p.HopLimit(), p.Src(), p.Dst()}
		require.Equal(t, want, got)
		_, err = ip6.Parse(p)
		require.NoError(t, err, "setters keep the version")
	})
}

func TestCut(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(100))
	for _, c := range []struct{ n, want int }{{60, 60}, {0, 40}, {-1, 40}, {40, 40}, {148, 148}, {9999, 148}} {
		q := ip6test.Clone(p).Cut(c.n)
		assert.Len(t, q, c.want)
		assert.Equal(t, c.want, q.TotalLen())
	}
}
