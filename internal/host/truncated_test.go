package host

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

func marked(t *testing.T, typ uint8, size int) ip6.Packet {
	p := insert(datagram(9, 7, strings.Repeat("x", size-40-8-8)), ip6.ProtoDestOpts, ip6.OptionSpec{Type: typ})
	require.Len(t, []byte(p), size)
	return p
}

// X1, X2, X3: Eligible is delivered; Truncated is discarded, and answered with a
// Packet Too Big whose MTU is the length that arrived.
func TestTruncated(t *testing.T) {
	h := newHost(t, nil)
	out := ask(t, h, marked(t, truncate.DefaultCodes.Eligible, 1400), t0)
	require.Len(t, out, 1)
	assert.Equal(t, uint8(ip6.ProtoUDP), out[0].NextHeader(), "echoed")

	cut := marked(t, truncate.DefaultCodes.Truncated, 1400)
	out = ask(t, h, cut, t0)
	require.Len(t, out, 1)
	e, err := ip6.ParseErrorPacket(out[0], ip6.Limits{})
	require.NoError(t, err)
	assert.Equal(t, [3]uint32{ip6.TypePacketTooBig, 0, 1400}, [3]uint32{uint32(e.Type), uint32(e.Code), e.Param})
	assert.Equal(t, us, out[0].Src())
	assert.Equal(t, peer, out[0].Dst())
	assert.Len(t, []byte(out[0]), ip6.MinMTU, "as much as fits")
	assert.EqualValues(t, 1, h.Counters().UDPEchoes)
	assert.EqualValues(t, 1, h.Counters().Truncation.Truncated)

	// X4, X5: shorter than 1280 is invalid, and never a Packet Too Big.
	out = ask(t, h, marked(t, truncate.DefaultCodes.Truncated, 1200), t0)
	require.Len(t, out, 1)
	assert.Equal(t, []byte{ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption}, []byte(out[0][40:42]))
	assert.EqualValues(t, 42, binary.BigEndian.Uint32(out[0][44:]))
}

// X6: a host that doesn't know the options skips Eligible, and answers Truncated
// with a Parameter Problem.
func TestTruncationUnknown(t *testing.T) {
	h := newHost(t, func(c *Config) { c.NoTruncation = true })
	assert.Len(t, ask(t, h, marked(t, truncate.DefaultCodes.Eligible, 1400), t0), 1)
	assert.EqualValues(t, 1, h.Counters().UDPEchoes)
	out := ask(t, h, marked(t, truncate.DefaultCodes.Truncated, 1400), t0)
	require.Len(t, out, 1)
	assert.Equal(t, []byte{ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption}, []byte(out[0][40:42]))
}

// Truncated packets draw on the same budget as all errors.
func TestTruncatedBudget(t *testing.T) {
	left := 2
	h := newHost(t, func(c *Config) { c.Errors = func(time.Time) bool { left--; return left >= 0 } })
	n := 0
	for range 5 {
		n += len(ask(t, h, marked(t, truncate.DefaultCodes.Truncated, 1400), t0))
	}
	assert.Equal(t, 2, n)
}

// X7 (T0): a padded packet is delivered without its padding, and one that was
// cut says how much arrived.
func TestEnhanced(t *testing.T) {
	h := newHost(t, func(c *Config) { c.Truncation.Revision = truncate.T0 })
	src := truncate.Source{Reader: truncate.Reader{Revision: truncate.T0}}
	p, why := src.AppendEnhanced(nil, datagram(9, 7, "hello"), 1400, 1500)
	require.Equal(t, truncate.Marked, why)
	out := ask(t, h, p, t0)
	require.Len(t, out, 1)
	assert.Equal(t, "hello", string(out[0][48:]))
}
