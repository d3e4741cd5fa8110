package ip6_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

type step struct {
	typ      uint8
	off, len int
}

func steps(p ip6.Packet, lim ip6.Limits) ([]step, ip6.Upper, ip6.Problem) {
	var s []step
	w := p.Walk(lim)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		s = append(s, step{h.Type, h.Off, h.Len()})
	}
	return s, w.Upper(), w.Problem()
}

func TestWalk(t *testing.T) {
	opt8 := ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 8)}
	for _, c := range []struct {
		name  string
		p     ip6.Packet
		steps []step
		upper ip6.Upper
	}{
		{"none", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0)), nil, ip6.Upper{Proto: 17, Off: 40, NHOff: 6}},
		{"hop-by-hop", ip6test.Packet(ip6.ProtoTCP, ip6test.TCP(0), ip6test.HopByHop()),
			[]step{{0, 40, 8}}, ip6.Upper{Proto: 6, Off: 48, NHOff: 40}},
		{"recommended order of RFC 8200", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), ip6test.HopByHop(opt8),
			ip6test.DestOpts(), ip6test.Routing(4, 0, ip6test.Dst), ip6test.Fragment(0, false), ip6test.AH(), ip6test.DestOpts()),
			[]step{{0, 40, 16}, {60, 56, 8}, {43, 64, 24}, {44, 88, 8}, {51, 96, 24}, {60, 120, 8}},
			ip6.Upper{Proto: 17, Off: 128, NHOff: 120, FragHeader: 88}},
		{"ESP hides the rest", ip6test.Packet(ip6.ProtoESP, make([]byte, 30), ip6test.DestOpts()),
			[]step{{60, 40, 8}}, ip6.Upper{Proto: 50, Off: 48, NHOff: 40}},
		{"no next header", ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.DestOpts()),
			[]step{{60, 40, 8}}, ip6.Upper{Proto: 59, Off: 48, NHOff: 40}},
		{"first fragment", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.Fragment(0, true)),
			[]step{{44, 40, 8}}, ip6.Upper{Proto: 17, Off: 48, NHOff: 40, FragHeader: 40, MoreFrags: true}},
		{"later fragment ends the walk", ip6test.Packet(ip6.ProtoDestOpts, make([]byte, 16), ip6test.Fragment(1232, true)),
			[]step{{44, 40, 8}}, ip6.Upper{Proto: 60, Off: 48, NHOff: 40, FragHeader: 40, FragOffset: 1232, MoreFrags: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, u, pr := steps(c.p, ip6.Limits{})
			assert.Equal(t, c.steps, got)
			assert.Equal(t, c.upper, u)
			assert.Equal(t, ip6.Problem{}, pr)
			assert.Equal(t, c.upper.FragOffset != 0 || c.upper.MoreFrags, u.Fragment())
		})
	}
}

// RFC 8883 says where each pointer points.
func TestWalkProblems(t *testing.T) {
	do := ip6test.DestOpts()
	long := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), do, do, do, do)
	truncated := ip6test.Packet(ip6.ProtoNoNext, nil, do)
	truncated[41] = 1 // 16 bytes, 8 are there
	stub := ip6test.Packet(ip6.ProtoDestOpts, make([]byte, 7))
	for _, c := range []struct {
		name       string
		p          ip6.Packet
		lim        ip6.Limits
		want       ip6.Problem
		icmp, code uint8
		reportable bool
	}{
		{"too many headers", long, ip6.Limits{Headers: 3}, ip6.Problem{Reason: ip6.TooManyHeaders, Pointer: 64}, 4, 8, true},
		{"chain too long: first byte over the limit", long, ip6.Limits{Chain: 20}, ip6.Problem{Reason: ip6.ChainTooLong, Pointer: 60}, 4, 7, true},
		{"header too big", long, ip6.Limits{Header: 7}, ip6.Problem{Reason: ip6.HeaderTooBig, Pointer: 40}, 4, 6, true},
		{"header runs past the packet", truncated, ip6.Limits{}, ip6.Problem{Reason: ip6.HeaderTruncated, Pointer: 40}, 0, 0, false},
		{"header of 7 bytes", stub, ip6.Limits{}, ip6.Problem{Reason: ip6.HeaderTruncated, Pointer: 40}, 0, 0, false},
		{"hop-by-hop second: pointer at the next header field", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), do, ip6test.HopByHop()),
			ip6.Limits{}, ip6.Problem{Reason: ip6.HopByHopMisplaced, Pointer: 40}, 4, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, pr := steps(c.p, c.lim)
			assert.Equal(t, c.want, pr)
			typ, code, ok := pr.ICMP()
			assert.Equal(t, c.reportable, ok)
			assert.Equal(t, [2]uint8{c.icmp, c.code}, [2]uint8{typ, code})
			assert.Contains(t, pr.Error(), c.want.Reason.String())
		})
	}
	_, _, pr := steps(long, ip6.Limits{Headers: 4, Chain: 32, Header: 8})
	assert.Equal(t, ip6.NoProblem, pr.Reason, "limits are inclusive")
}

func TestWalkDefaults(t *testing.T) {
	do := ip6test.DestOpts()
	nine := make([]ip6test.Ext, 9)
	for i := range nine {
		nine[i] = do
	}
	_, _, pr := steps(ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), nine[:8]...), ip6.Limits{})
	assert.Equal(t, ip6.NoProblem, pr.Reason)
	_, _, pr = steps(ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), nine...), ip6.Limits{})
	assert.Equal(t, ip6.Problem{Reason: ip6.TooManyHeaders, Pointer: 40 + 64}, pr)
	big := ip6test.DestOpts(ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 255)}, ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 255)},
		ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 255)}, ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 255)},
		ip6.OptionSpec{Type: 0x1e, Data: make([]byte, 255)})
	_, _, pr = steps(ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), big), ip6.Limits{})
	assert.Equal(t, ip6.Problem{Reason: ip6.ChainTooLong, Pointer: 1280}, pr)
	_, _, pr = steps(ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), big), ip6.Unlimited)
	assert.Equal(t, ip6.NoProblem, pr.Reason)
}

// The largest packet, all of it headers: the walk ends, whatever the limits.
func TestWalkWorstChain(t *testing.T) {
	exts := make([]ip6test.Ext, 8190)
	for i := range exts {
		exts[i] = ip6test.Ext{Type: ip6.ProtoDestOpts, Body: make([]byte, 8)}
	}
	b := make([]byte, ip6.HeaderLen, ip6.HeaderLen+8190*8)
	copy(b, ip6test.Packet(ip6.ProtoNoNext, nil))
	b[6] = ip6.ProtoDestOpts
	for range 8190 {
		b = append(b, ip6.ProtoDestOpts, 0, 1, 4, 0, 0, 0, 0)
	}
	b[len(b)-8] = ip6.ProtoNoNext
	b[4], b[5] = byte(8190*8>>8), byte(8190*8&0xff)
	p, err := ip6.Parse(b)
	require.NoError(t, err)
	got, u, pr := steps(p, ip6.Unlimited)
	assert.Equal(t, ip6.NoProblem, pr.Reason)
	assert.Len(t, got, 8190)
	assert.Equal(t, len(p), u.Off)
	got, _, pr = steps(p, ip6.Limits{})
	assert.Equal(t, ip6.TooManyHeaders, pr.Reason)
	assert.Len(t, got, 8)
}

// Every prefix of a good packet, seen as a quote, is walked without a panic
// and finds a prefix of the same headers.
func TestWalkEveryPrefix(t *testing.T) {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(4), ip6test.HopByHop(ip6.OptionSpec{Type: 5, Data: []byte{0, 0}}),
		ip6test.Fragment(0, false), ip6test.AH(), ip6test.DestOpts())
	all, _, pr := steps(p, ip6.Limits{})
	require.Equal(t, ip6.NoProblem, pr.Reason)
	for n := ip6.HeaderLen; n < len(p); n++ {
		q, err := ip6.ParseQuote(p[:n])
		require.NoError(t, err)
		got, u, pr := steps(q, ip6.Limits{})
		require.Equal(t, all[:len(got)], append([]step{}, got...), "%d bytes", n)
		if len(got) < len(all) {
			require.Equal(t, ip6.HeaderTruncated, pr.Reason)
		} else {
			require.LessOrEqual(t, u.Off, n)
		}
		ip6.MayError(q, ip6.Arrival{}, ip6.TypePacketTooBig, 0, 0)
		q.FinalDst(ip6.Limits{})
		require.Equal(t, ip6.ChecksumUnknown, q.Checksum(ip6.Limits{}))
	}
}

func TestHopByHop(t *testing.T) {
	h, pr, ok := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), ip6test.HopByHop()).HopByHop(ip6.Limits{})
	require.True(t, ok)
	assert.Equal(t, ip6.NoProblem, pr.Reason)
	assert.Equal(t, []byte{17, 0, 1, 4, 0, 0, 0, 0}, h.Bytes())
	assert.Equal(t, uint8(17), h.Next())
	_, _, ok = ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), ip6test.DestOpts()).HopByHop(ip6.Limits{})
	assert.False(t, ok)
	_, pr, ok = ip6test.Packet(ip6.ProtoHopByHop, make([]byte, 4)).HopByHop(ip6.Limits{})
	assert.False(t, ok)
	assert.Equal(t, ip6.HeaderTruncated, pr.Reason)
}
