package hbh_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

// RFC 9268 section 5. P10: a host sends the option alone, in a header that it
// fills.
func TestVectors(t *testing.T) {
	for _, c := range []struct {
		name   string
		opt    hbh.Option
		header []byte
	}{
		{"request", hbh.Option{Min: 1500, R: true}, []byte{0x11, 0x00, 0x30, 0x04, 0x05, 0xdc, 0x00, 0x01}},
		{"reply", hbh.Option{Min: 9000, Rtn: 1500}, []byte{0x11, 0x00, 0x30, 0x04, 0x23, 0x28, 0x05, 0xdc}},
		{"reply and request", hbh.Option{Min: 9000, Rtn: 1500, R: true}, []byte{0x11, 0x00, 0x30, 0x04, 0x23, 0x28, 0x05, 0xdd}},
		{"largest", hbh.Option{Min: 65535, Rtn: 65534}, []byte{0x11, 0x00, 0x30, 0x04, 0xff, 0xff, 0xff, 0xfe}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.header, c.opt.AppendHeader(nil, 0x11))
			got, err := hbh.Parse(c.header[4:])
			require.NoError(t, err)
			assert.Equal(t, c.opt, got)
			// Through the general writer: fits the header exactly, no padding.
			var buf [hbh.DataLen]byte
			h, err := ip6.AppendOptionsHeader(nil, 0x11, c.opt.Spec(&buf))
			require.NoError(t, err)
			assert.Equal(t, c.header, h)
		})
	}
	// An odd MTU is reported one lower.
	assert.Equal(t, []byte{0x05, 0xdc, 0x05, 0xdd}, hbh.Option{Min: 1500, Rtn: 1501, R: true}.AppendData(nil))
	assert.Equal(t, []byte{0xff, 0xff, 0xff, 0xfe}, hbh.Option{Min: 65535, Rtn: 65535}.AppendData(nil))
	o := ip6.Option{Type: hbh.Type}
	assert.Equal(t, ip6.ActionSkip, o.Action())
	assert.True(t, o.Mutable())
	assert.Equal(t, "Min-PMTU 9000, Rtn-PMTU 1500, R", hbh.Option{Min: 9000, Rtn: 1500, R: true}.String())
	assert.Equal(t, uint16(65535), hbh.ClampMin(70000))
	assert.Equal(t, uint16(0), hbh.ClampMin(-1))
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := hbh.Option{Min: rapid.Uint16().Draw(t, "min"), Rtn: rapid.Uint16().Draw(t, "rtn") &^ 1, R: rapid.Bool().Draw(t, "r")}
		got, err := hbh.Parse(o.AppendData(nil))
		require.NoError(t, err)
		require.Equal(t, o, got)
		data := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "data")
		got, err = hbh.Parse(data)
		require.NoError(t, err)
		require.Equal(t, data, got.AppendData(nil), "every pattern of 32 bits survives")
	})
}

func TestParseLength(t *testing.T) {
	for n := range 20 {
		_, err := hbh.Parse(make([]byte, n))
		if n == 4 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, hbh.ErrLength, "%d bytes", n)
		}
	}
}

func TestPlacement(t *testing.T) {
	o := ip6.Option{Type: hbh.Type, Data: []byte{5, 0xdc, 0, 1}}
	_, err := hbh.FromOption(ip6.ProtoHopByHop, o)
	assert.NoError(t, err)
	_, err = hbh.FromOption(ip6.ProtoDestOpts, o)
	assert.ErrorIs(t, err, hbh.ErrPlacement)
	o.Type = 0x3e
	_, err = hbh.FromOption(ip6.ProtoHopByHop, o)
	assert.ErrorIs(t, err, hbh.ErrType)
}

func TestHistorical(t *testing.T) {
	l, o, err := hbh.ParseHistorical([]byte{0x05, 0xdc})
	require.NoError(t, err)
	assert.Equal(t, hbh.Layout2018, l)
	assert.Equal(t, hbh.Option{Min: 1500}, o)
	l, o, err = hbh.ParseHistorical([]byte{0x05, 0xdc, 0x80, 0x00})
	require.NoError(t, err)
	assert.Equal(t, hbh.Layout2019, l)
	assert.Equal(t, hbh.Option{Min: 1500, R: true}, o)
	_, o, err = hbh.ParseHistorical([]byte{0x23, 0x28, 0x05, 0xdd})
	require.NoError(t, err)
	assert.Equal(t, hbh.Option{Min: 9000, Rtn: 1501}, o, "15 bits that can be odd")
	for _, n := range []int{0, 1, 3, 5, 255} {
		_, _, err = hbh.ParseHistorical(make([]byte, n))
		require.ErrorIs(t, err, hbh.ErrHistorical)
	}
	assert.Contains(t, hbh.Layout2018.String(), "2018")
	assert.Contains(t, hbh.Layout2019.String(), "R first")
}

func option(o hbh.Option) ip6.OptionSpec {
	return ip6.OptionSpec{Type: hbh.Type, Align: ip6.Align{N: 2}, Data: o.AppendData(nil)}
}

func withOptions(opts ...ip6.OptionSpec) ip6.Packet {
	return ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.HopByHop(opts...))
}
