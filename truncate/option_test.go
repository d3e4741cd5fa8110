package truncate_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

// Option types as in truncate.DefaultCodes.
const (
	el = 0x1e // Eligible
	tr = 0x9e // Truncated
	en = 0xbe // Enhanced
)

func opt(typ uint8, data ...byte) ip6.OptionSpec { return ip6.OptionSpec{Type: typ, Data: data} }

// do is a Destination Options header of the given options.
func do(opts ...ip6.OptionSpec) ip6test.Ext { return ip6test.DestOpts(opts...) }

// udp is a UDP packet of n bytes.
func udp(n int, exts ...ip6test.Ext) ip6.Packet {
	return ip6test.Sized(n, ip6.ProtoUDP, ip6test.UDP, exts...)
}

func mustParse(t require.TestingT, b []byte) ip6.Packet {
	p, err := ip6.Parse(b)
	require.NoError(t, err)
	require.Len(t, p, len(b))
	return p
}

// The layouts of both basic options (S1) and of Enhanced.
func TestVectors(t *testing.T) {
	header := func(o ip6.OptionSpec) []byte {
		b, err := ip6.AppendOptionsHeader(nil, 0x11, o)
		require.NoError(t, err)
		return b
	}
	assert.Equal(t, []byte{0x11, 0, 0x1e, 0, 1, 2, 0, 0}, header(opt(el)))
	assert.Equal(t, []byte{0x11, 0, 0x9e, 0, 1, 2, 0, 0}, header(opt(tr)))
	assert.Equal(t, []byte{0x11, 0, 0xbe, 3, 0, 38, 0, 0}, header(opt(en, truncate.Enhanced{OPL: 38}.AppendData(nil)...)))
	assert.Equal(t, []byte{0x11, 0, 0xbe, 3, 0, 38, 0x80, 0}, header(opt(en, truncate.Enhanced{OPL: 38, T: true}.AppendData(nil)...)))
}

func TestEnhanced(t *testing.T) {
	for n := range 10 {
		_, err := truncate.ParseEnhanced(make([]byte, n))
		if n == 3 {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, truncate.ErrEnhancedLength)
		}
	}
	e, err := truncate.ParseEnhanced([]byte{0x12, 0x34, 0xff})
	require.NoError(t, err)
	assert.Equal(t, truncate.Enhanced{OPL: 0x1234, T: true}, e, "reserved bits are ignored")
	assert.Equal(t, []byte{0x12, 0x34, 0x80}, e.AppendData(nil), "and sent as zero")
	rapid.Check(t, func(t *rapid.T) {
		want := truncate.Enhanced{OPL: rapid.Uint16().Draw(t, "opl"), T: rapid.Bool().Draw(t, "t")}
		got, err := truncate.ParseEnhanced(want.AppendData(nil))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestCodes(t *testing.T) {
	require.NoError(t, truncate.Codes{}.Validate())
	require.NoError(t, truncate.DefaultCodes.Validate())
	require.NoError(t, truncate.Codes{Eligible: 0x3e, Truncated: 0xbe, Enhanced: 0xbf}.Validate())
	for want, c := range map[string]truncate.Codes{
		"Codes.Eligible 0x00": {Eligible: 0, Truncated: tr, Enhanced: en}, "Codes.Eligible 0x01": {Eligible: 1, Truncated: tr, Enhanced: en},
		"Codes.Eligible 0x5e": {Eligible: 0x5e, Truncated: tr, Enhanced: en}, "Codes.Truncated 0xde": {Eligible: el, Truncated: 0xde, Enhanced: en},
		"Codes.Truncated 0x1e": {Eligible: el, Truncated: el, Enhanced: en}, "Codes.Enhanced 0x9e": {Eligible: el, Truncated: tr, Enhanced: 0x9e},
		"both 0xbe": {Eligible: el, Truncated: en, Enhanced: en},
	} {
		assert.ErrorContains(t, c.Validate(), want)
	}
	_, err := truncate.NewDestination(truncate.Reader{Codes: truncate.Codes{Eligible: 0x5e}}, nil)
	assert.ErrorContains(t, err, "0x5e")
	_, err = truncate.NewDestination(truncate.Reader{Revision: 7}, nil)
	assert.ErrorContains(t, err, "Revision 7")
	// X6: what nodes that know none of it do, as the types themselves say.
	assert.Equal(t, ip6.ActionSkip, ip6.Option{Type: truncate.DefaultCodes.Eligible}.Action())
	assert.Equal(t, ip6.ActionProblem, ip6.Option{Type: truncate.DefaultCodes.Truncated}.Action())
	assert.Equal(t, ip6.ActionProblem, ip6.Option{Type: truncate.DefaultCodes.Enhanced}.Action())
	assert.True(t, ip6.Option{Type: truncate.DefaultCodes.Enhanced}.Mutable())
}

// The list of invalid packets, for both revisions, and where the first invalid
// option is.
func TestScan(t *testing.T) {
	const first = 42 // of the first header
	type want struct {
		t1, t0  truncate.Fault
		pointer int
	}
	full := udp(1400).PayloadLen() - 8 + 8
	enh := func(opl int, cut bool) ip6.OptionSpec {
		return opt(en, truncate.Enhanced{OPL: uint16(opl), T: cut}.AppendData(nil)...)
	}
	for _, c := range []struct {
		name string
		p    ip6.Packet
		want want
	}{
		{"plain", udp(1400), want{}},
		{"eligible", udp(1400, do(opt(el))), want{}},
		{"S5 eligible twice", udp(1400, do(opt(el), opt(el))), want{}},
		{"truncated", udp(1280, do(opt(tr))), want{}},
		{"eligible, short", udp(100, do(opt(el))), want{}},
		{"eligible and truncated in different headers", udp(1400, do(opt(el)), ip6test.Routing(4, 0, ip6test.Dst), do(opt(tr))), want{}},
		{"S2 fragment and eligible before it", udp(1400, do(opt(el)), ip6test.Fragment(0, true)), want{truncate.WithFragment, truncate.WithFragment, first}},
		{"S2 fragment and eligible behind it", udp(1400, ip6test.Fragment(0, true), do(opt(el))), want{truncate.WithFragment, truncate.WithFragment, first + 8}},
		{"S2 later fragment", udp(1400, do(opt(el)), ip6test.Fragment(1000, false)), want{truncate.WithFragment, truncate.WithFragment, first}},
		{"S2 atomic fragment", udp(1400, do(opt(el)), ip6test.Fragment(0, false)), want{truncate.WithFragment, truncate.WithFragment, first}},
		{"fragment and truncated", udp(1400, do(opt(tr)), ip6test.Fragment(0, true)), want{truncate.WithFragment, truncate.WithFragment, first}},
		{"S6 eligible and truncated: the first of them", udp(1400, do(opt(5, 0, 0), opt(tr), opt(el))), want{truncate.MixedOptions, truncate.MixedOptions, first + 4}},
		{"S1 eligible of length 1", udp(1400, do(opt(el), opt(el, 0))), want{truncate.BadOptionLength, truncate.BadOptionLength, first + 2}},
		{"S1 truncated of length 2", udp(1400, do(opt(tr, 0, 0))), want{truncate.BadOptionLength, truncate.BadOptionLength, first}},
		{"X5 truncated, 1279 bytes", udp(1279, do(opt(tr))), want{truncate.TooShort, truncate.TooShort, first}},
		{"two faults: the lower offset", udp(1400, do(opt(el), opt(tr, 1))), want{truncate.MixedOptions, truncate.MixedOptions, first}},
		{"T0 enhanced", udp(1400, do(enh(1000, false))), want{}},
		{"T0 enhanced, all payload original", udp(1400, do(enh(full, false))), want{}},
		{"T0 enhanced, payload below original", udp(1400, do(enh(full+1, false))), want{0, truncate.BelowOriginal, first}},
		{"T0 enhanced and cut, payload below original", udp(1400, do(enh(full+1, true))), want{}},
		{"T0 enhanced and cut, 1279 bytes", udp(1279, do(enh(1000, true))), want{0, truncate.TooShort, first}},
		{"T0 enhanced of length 2", udp(1400, do(opt(en, 0, 0))), want{0, truncate.BadOptionLength, first}},
		{"T0 enhanced twice", udp(1400, do(enh(10, false), enh(10, false))), want{0, truncate.RepeatedOption, first}},
		{"T0 enhanced and eligible", udp(1400, do(opt(el), enh(10, false))), want{0, truncate.MixedOptions, first}},
		{"T0 enhanced and truncated", udp(1400, do(enh(10, false), opt(tr))), want{0, truncate.MixedOptions, first}},
		{"T0 enhanced with fragment", udp(1400, do(enh(10, false)), ip6test.Fragment(0, true)), want{0, truncate.WithFragment, first}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := truncate.Reader{}.Scan(c.p)
			require.Equal(t, ip6.NoProblem, s.Problem.Reason)
			assert.Equal(t, c.want.t1, s.Fault, "T1")
			if s.Fault != truncate.NoFault {
				assert.Equal(t, c.want.pointer, s.Pointer)
			}
			s = truncate.Reader{Revision: truncate.T0}.Scan(c.p)
			assert.Equal(t, c.want.t0, s.Fault, "T0")
			if s.Fault != truncate.NoFault {
				assert.Equal(t, c.want.pointer, s.Pointer)
			}
			assert.NotEqual(t, "unknown", s.Fault.String())
		})
	}
}

func TestScanMore(t *testing.T) {
	// S4: in the Hop-by-Hop header the options have no effect.
	s := truncate.Reader{}.Scan(udp(1400, ip6test.HopByHop(opt(el), opt(tr)), do()))
	assert.Equal(t, 2, s.Misplaced)
	assert.False(t, s.Any())
	assert.Equal(t, truncate.NoFault, s.Fault)
	// Other option types, if so configured.
	r := truncate.Reader{Codes: truncate.Codes{Eligible: 0x3e, Truncated: 0x83, Enhanced: 0xa3}}
	assert.Equal(t, 1, r.Scan(udp(1400, do(opt(0x3e), opt(el)))).Eligible)
	assert.Zero(t, truncate.Reader{}.Scan(udp(1400, do(opt(0x3e)))).Eligible)
	// Malformed headers are reported.
	s = truncate.Reader{}.Scan(ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(ip6.ProtoDestOpts, el, 0, tr, 9, 0, 0)))
	assert.Equal(t, ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 45}, s.Problem)
	s = truncate.Reader{Limits: ip6.Limits{Headers: 1}}.Scan(udp(1400, do(), do(opt(el))))
	assert.Equal(t, ip6.TooManyHeaders, s.Problem.Reason)
}
