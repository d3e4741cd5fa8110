package ip6_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

func firstOptions(t require.TestingT, p ip6.Packet, lim ip6.Limits) ([]ip6.Option, ip6.Problem) {
	w := p.Walk(lim)
	h, ok := w.Next()
	require.True(t, ok)
	var got []ip6.Option
	o := h.Options(lim)
	for opt, ok := o.Next(); ok; opt, ok = o.Next() {
		got = append(got, opt)
	}
	return got, o.Problem()
}

func TestOptionBits(t *testing.T) {
	for _, c := range []struct {
		typ    uint8
		action ip6.Action
		chg    bool
	}{
		{0x30, ip6.ActionSkip, true}, {0x1e, ip6.ActionSkip, false}, {0x5e, ip6.ActionDiscard, false},
		{0x9e, ip6.ActionProblem, false}, {0xbe, ip6.ActionProblem, true}, {0xde, ip6.ActionProblemIfUnicast, false},
	} {
		o := ip6.Option{Type: c.typ}
		assert.Equal(t, c.action, o.Action(), "%#x", c.typ)
		assert.Equal(t, c.chg, o.Mutable(), "%#x", c.typ)
	}
}

func TestOptionsProblems(t *testing.T) {
	ok := ip6.Problem{}
	for _, c := range []struct {
		name string
		body []byte
		lim  ip6.Limits
		n    int
		want ip6.Problem
	}{
		{"option not first", []byte{5, 2, 0, 0, 0x30, 4, 5, 0xdc, 0, 1, 0, 0, 0, 0}, ip6.Limits{}, 2, ok},
		{"length overruns the header: pointer at the length", []byte{0x30, 5, 0, 0, 0, 0}, ip6.Limits{}, 0, ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 43}},
		{"type without length", []byte{0, 0, 0, 0, 0, 0x30}, ip6.Limits{}, 0, ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 47}},
		{"PadN overruns", []byte{1, 5, 0, 0, 0, 0}, ip6.Limits{}, 0, ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 43}},
		{"length 255", []byte{0x30, 255, 0, 0, 0, 0}, ip6.Limits{}, 0, ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 43}},
		{"PadN not zero", []byte{1, 4, 0, 0, 7, 0}, ip6.Limits{}, 0, ip6.Problem{Reason: ip6.PaddingNotZero, Pointer: 42}},
		{"PadN not zero, accepted", []byte{1, 4, 0, 0, 7, 0}, ip6.Limits{AnyPaddingBytes: true}, 0, ok},
		{"7 bytes of padding", []byte{0x1e, 5, 0, 0, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0}, ip6.Limits{}, 1, ok},
		{"8 bytes of padding: pointer at its start", []byte{0x1e, 4, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0}, ip6.Limits{}, 1, ip6.Problem{Reason: ip6.PaddingTooLong, Pointer: 48}},
		{"8 bytes in two PadN", []byte{0x1e, 4, 0, 0, 0, 0, 1, 2, 0, 0, 1, 2, 0, 0}, ip6.Limits{}, 1, ip6.Problem{Reason: ip6.PaddingTooLong, Pointer: 48}},
		{"8 Pad1", []byte{0x1e, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ip6.Limits{}, 1, ip6.Problem{Reason: ip6.PaddingTooLong, Pointer: 48}},
		{"8 bytes accepted", []byte{0x1e, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ip6.Limits{Padding: -1}, 1, ok},
		{"padding runs are counted apart", []byte{1, 2, 0, 0, 0x1e, 0, 1, 2, 0, 0, 0x1e, 0, 1, 0}, ip6.Limits{Padding: 4}, 2, ok},
		{"8 options", []byte{9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 1, 4, 0, 0, 0, 0}, ip6.Limits{}, 8, ok},
		{"9 options: pointer at the first excess", []byte{9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 1, 2, 0, 0}, ip6.Limits{}, 8, ip6.Problem{Reason: ip6.TooManyOptions, Pointer: 58}},
		{"option too big", []byte{9, 0, 9, 2, 0, 0}, ip6.Limits{Option: 1}, 1, ip6.Problem{Reason: ip6.OptionTooBig, Pointer: 44}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, pr := firstOptions(t, ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(ip6.ProtoHopByHop, c.body...)), c.lim)
			assert.Len(t, got, c.n)
			assert.Equal(t, c.want, pr)
		})
	}
}

func TestShowPadding(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(ip6.ProtoDestOpts, 0, 0x1e, 0, 1, 1, 0))
	w := p.Walk(ip6.Limits{})
	h, _ := w.Next()
	o := h.Options(ip6.Limits{})
	o.ShowPadding = true
	var types, offs []int
	for opt, ok := o.Next(); ok; opt, ok = o.Next() {
		types, offs = append(types, int(opt.Type)), append(offs, opt.Off)
	}
	assert.Equal(t, []int{0, 0x1e, 1}, types)
	assert.Equal(t, []int{42, 43, 45}, offs)
}

func TestOptionsOfOtherHeaders(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Routing(0, 0))
	got, pr := firstOptions(t, p, ip6.Limits{})
	assert.Empty(t, got)
	assert.Equal(t, ip6.Problem{}, pr)
	o := ip6.Header{}.Options(ip6.Limits{})
	_, ok := o.Next()
	assert.False(t, ok)
}

func TestWriteVectors(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []ip6.OptionSpec
		want []byte
	}{
		{"no options", nil, []byte{17, 0, 1, 4, 0, 0, 0, 0}},
		{"fits exactly", []ip6.OptionSpec{{Type: 0x30, Data: []byte{5, 0xdc, 0, 1}}}, []byte{17, 0, 0x30, 4, 5, 0xdc, 0, 1}},
		{"zero length", []ip6.OptionSpec{{Type: 0x1e}}, []byte{17, 0, 0x1e, 0, 1, 2, 0, 0}},
		{"three bytes: Pad1", []ip6.OptionSpec{{Type: 0xbe, Data: []byte{0, 38, 0}}}, []byte{17, 0, 0xbe, 3, 0, 38, 0, 0}},
		// RFC 8200 appendix A: option X of 8n+2 with 12 bytes, then Y of 4n+3 with 7.
		{"8n+2 then 4n+3", []ip6.OptionSpec{{Type: 0x1a, Align: ip6.Align{N: 8, Offset: 2}, Data: make([]byte, 12)}, {Type: 0x1b, Align: ip6.Align{N: 4, Offset: 3}, Data: make([]byte, 7)}},
			append(append([]byte{17, 3, 0x1a, 12}, make([]byte, 12)...), 1, 1, 0, 0x1b, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ip6.AppendOptionsHeader([]byte{0xaa}, 17, c.opts...)
			require.NoError(t, err)
			assert.Equal(t, append([]byte{0xaa}, c.want...), got)
		})
	}
}

func TestWriteErrors(t *testing.T) {
	b := []byte{1, 2, 3}
	got, err := ip6.AppendOptionsHeader(b, 17, ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 256)})
	assert.ErrorContains(t, err, "0x1e: 256 bytes of data")
	assert.Equal(t, b, got)
	_, err = ip6.AppendOptionsHeader(nil, 17, ip6.OptionSpec{Type: 0x1e, Align: ip6.Align{N: 3}})
	assert.ErrorContains(t, err, "alignment to 3 bytes")
	big := make([]ip6.OptionSpec, 9)
	for i := range big {
		big[i] = ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 255)}
	}
	_, err = ip6.AppendOptionsHeader(nil, 17, big...)
	assert.ErrorIs(t, err, ip6.ErrHeaderSpace)
}

// What is written is read back, aligned and padded with less than 8 bytes in
// a row.
func TestWriteThenRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ip6.OptionSpec {
			n := rapid.SampledFrom([]uint8{0, 1, 2, 4, 8}).Draw(t, "n")
			s := ip6.OptionSpec{Type: rapid.Uint8Range(2, 255).Draw(t, "type"), Data: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")}
			if n > 0 {
				s.Align = ip6.Align{N: n, Offset: rapid.Uint8Range(0, n-1).Draw(t, "offset")}
			}
			return s
		}), 0, 8).Draw(t, "options")
		h, err := ip6.AppendOptionsHeader(nil, 0, specs...)
		require.NoError(t, err)
		require.Zero(t, len(h)%8)
		p := ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Ext{Type: ip6.ProtoDestOpts, Body: h})
		got, pr := firstOptions(t, p, ip6.Limits{})
		require.Equal(t, ip6.Problem{}, pr)
		require.Len(t, got, len(specs))
		for i, s := range specs {
			require.Equal(t, s.Type, got[i].Type)
			require.Equal(t, append([]byte{}, s.Data...), append([]byte{}, got[i].Data...))
			if s.Align.N > 0 {
				require.Equal(t, int(s.Align.Offset), (got[i].Off-40)%int(s.Align.N))
			}
		}
	})
}

func TestInsert(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(10), ip6test.HopByHop())
	h, err := ip6.AppendOptionsHeader(nil, 0, ip6.OptionSpec{Type: 0x1e})
	require.NoError(t, err)
	u, _ := p.FindUpper(ip6.Limits{})
	b, err := ip6.AppendInserted([]byte{9, 9}, p, u.NHOff, u.Off, ip6.ProtoDestOpts, h)
	require.NoError(t, err)
	q, err := ip6.Parse(b[2:])
	require.NoError(t, err)
	assert.Equal(t, ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(10), ip6test.HopByHop(), ip6test.DestOpts(ip6.OptionSpec{Type: 0x1e})), q)

	for _, c := range []struct {
		nh, off int
		hdr     []byte
		want    string
	}{
		{6, 39, h, "insertion at byte 39"}, {6, len(p) + 1, h, "insertion at byte 67"},
		{7, 40, h, "next header field at byte 7"}, {48, 48, h, "next header field at byte 48"}, {6, 40, h[:7], "inserted header of 7 bytes"},
	} {
		_, err := ip6.AppendInserted(nil, p, c.nh, c.off, ip6.ProtoDestOpts, c.hdr)
		assert.ErrorContains(t, err, c.want)
	}
}

// An option is added to a header that is there, in place of its padding.
func TestExtend(t *testing.T) {
	a, b := ip6.OptionSpec{Type: 5, Data: []byte{0, 0}}, ip6.OptionSpec{Type: 0x30, Align: ip6.Align{N: 2}, Data: []byte{5, 0xdc, 0, 1}}
	wide := ip6.OptionSpec{Type: 0x1f, Align: ip6.Align{N: 8, Offset: 2}, Data: make([]byte, 9)}
	for _, c := range []struct{ have, add []ip6.OptionSpec }{
		{nil, []ip6.OptionSpec{b}}, {[]ip6.OptionSpec{a}, []ip6.OptionSpec{b}}, {[]ip6.OptionSpec{b}, []ip6.OptionSpec{a}},
		{[]ip6.OptionSpec{a, b}, []ip6.OptionSpec{wide}}, {[]ip6.OptionSpec{wide}, []ip6.OptionSpec{b}},
	} {
		p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4), ip6test.HopByHop(), ip6test.DestOpts(c.have...))
		w := p.Walk(ip6.Limits{})
		w.Next()
		h, _ := w.Next()
		got, err := ip6.AppendExtended([]byte{7}, p, h, c.add[0])
		require.NoError(t, err)
		want := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4), ip6test.HopByHop(), ip6test.DestOpts(append(append([]ip6.OptionSpec{}, c.have...), c.add...)...))
		assert.Equal(t, append([]byte{7}, want...), got)
	}

	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4), ip6test.Routing(0, 0), ip6test.Raw(ip6.ProtoDestOpts, 9, 9, 0, 0, 0, 0))
	w := p.Walk(ip6.Limits{})
	routing, _ := w.Next()
	broken, _ := w.Next()
	for want, f := range map[string]func() ([]byte, error){
		"type 43 has no options":      func() ([]byte, error) { return ip6.AppendExtended([]byte{7}, p, routing, b) },
		"option overruns its header":  func() ([]byte, error) { return ip6.AppendExtended([]byte{7}, p, broken, b) },
		"256 bytes of data":           func() ([]byte, error) { return extendEmpty(ip6.OptionSpec{Type: 9, Data: make([]byte, 256)}) },
		"do not fit one extension":    func() ([]byte, error) { return extendFull(ip6.OptionSpec{Type: 9, Data: make([]byte, 5)}) },
		"alignment to 5 bytes, want ": func() ([]byte, error) { return extendEmpty(ip6.OptionSpec{Type: 9, Align: ip6.Align{N: 5}}) },
	} {
		got, err := f()
		assert.ErrorContains(t, err, want)
		assert.Equal(t, []byte{7}, got)
	}
}

func extendEmpty(o ip6.OptionSpec) ([]byte, error) { return extend(o) }

func extendFull(o ip6.OptionSpec) ([]byte, error) {
	var all []ip6.OptionSpec
	for range 8 {
		all = append(all, ip6.OptionSpec{Type: 9, Data: make([]byte, 253)})
	}
	return extend(o, all...)
}

func extend(o ip6.OptionSpec, have ...ip6.OptionSpec) ([]byte, error) {
	p := ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.DestOpts(have...))
	w := p.Walk(ip6.Unlimited)
	h, _ := w.Next()
	return ip6.AppendExtended([]byte{7}, p, h, o)
}

func TestOptionsHeader(t *testing.T) {
	b := []byte{17, 0, 0x30, 4, 5, 0xdc, 0, 1}
	h, pr := ip6.OptionsHeader(append(b, 9), ip6.ProtoHopByHop)
	require.Equal(t, ip6.NoProblem, pr.Reason)
	assert.Equal(t, b, h.Bytes())
	o := h.Options(ip6.Limits{})
	opt, ok := o.Next()
	assert.True(t, ok)
	assert.Equal(t, 2, opt.Off)
	b[1] = 1
	for n := range b {
		_, pr = ip6.OptionsHeader(b[:n], ip6.ProtoHopByHop)
		assert.Equal(t, ip6.HeaderTruncated, pr.Reason)
	}
}
