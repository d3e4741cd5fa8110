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

var (
	source   = truncate.Source{}
	sourceT0 = truncate.Source{Reader: truncate.Reader{Revision: truncate.T0}}
)

func esp(n int) []byte { return make([]byte, 8+n) }

func TestMark(t *testing.T) {
	long := ip6.OptionSpec{Type: 0x1f, Data: make([]byte, 250)}
	full := do(long, long, long, long, long, long, long, long, ip6.OptionSpec{Type: 0x1f, Data: make([]byte, 2046-8*252-2)})
	big := truncate.Source{Reader: truncate.Reader{Limits: ip6.Unlimited}}
	mobility := ip6test.Ext{Type: ip6.ProtoMobility, Body: make([]byte, 8)}
	for _, c := range []struct {
		name string
		s    truncate.Source
		p    ip6.Packet
		pmtu int
		why  truncate.NoMark
		want ip6.Packet
	}{
		{"a header is inserted", source, udp(1400), 1500, truncate.Marked, udp(1408, do(opt(el)))},
		{"behind the Hop-by-Hop header", source, udp(1400, ip6test.HopByHop()), 1500, truncate.Marked, udp(1408, ip6test.HopByHop(), do(opt(el)))},
		{"behind a routing header and what stands before it", source, udp(1400, do(opt(5, 0, 0)), ip6test.Routing(4, 0, ip6test.Dst)), 1500, truncate.Marked,
			udp(1408, do(opt(5, 0, 0)), ip6test.Routing(4, 0, ip6test.Dst), do(opt(el)))},
		{"into the last header, in place of its padding", source, udp(1400, do(opt(5, 0, 0))), 1500, truncate.Marked, udp(1400, do(opt(5, 0, 0), opt(el)))},
		{"into the last header, which grows", source, udp(1400, do(opt(5, 0, 0, 0, 0))), 1500, truncate.Marked, udp(1408, do(opt(5, 0, 0, 0, 0), opt(el)))},
		{"S7 before ESP", source, ip6test.Sized(1400, ip6.ProtoESP, esp), 1500, truncate.Marked, ip6test.Sized(1408, ip6.ProtoESP, esp, do(opt(el)))},
		{"S7 in the header before ESP", source, ip6test.Sized(1400, ip6.ProtoESP, esp, do()), 1500, truncate.Marked, ip6test.Sized(1400, ip6.ProtoESP, esp, do(opt(el)))},
		{"S3 1280 bytes with the option", source, udp(1272), 1500, truncate.Marked, udp(1280, do(opt(el)))},
		{"S3 shorter", source, udp(1271), 1500, truncate.MarkTooShort, nil},
		{"S8 as large as the estimate", source, udp(1492), 1500, truncate.Marked, udp(1500, do(opt(el)))},
		{"S8 larger", source, udp(1493), 1500, truncate.AboveEstimate, nil},
		{"S2 fragment", source, udp(1400, ip6test.Fragment(0, true)), 1500, truncate.HasFragment, nil},
		{"S2 atomic fragment", source, udp(1400, ip6test.Fragment(0, false)), 1500, truncate.HasFragment, nil},
		{"S5 eligible once", source, udp(1400, do(opt(el))), 1500, truncate.AlreadyMarked, nil},
		{"S6 not beside truncated", source, udp(1400, do(opt(tr))), 1500, truncate.AlreadyMarked, nil},
		{"S4 nor beside one in the Hop-by-Hop header", source, udp(1400, ip6test.HopByHop(opt(el))), 1500, truncate.AlreadyMarked, nil},
		{"authenticated", source, udp(1400, ip6test.AH()), 1500, truncate.Authenticated, nil},
		{"mobility header", source, ip6test.Packet(ip6.ProtoNoNext, make([]byte, 1300), mobility), 1500, truncate.OtherHeader, nil},
		{"malformed", source, udp(1400, ip6test.Raw(ip6.ProtoDestOpts, 9, 9, 0, 0, 0, 0)), 1500, truncate.Unwalkable, nil},
		{"no room", big, udp(3000, full), 9000, truncate.NoSpace, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := ip6test.Clone(c.p)
			out, why := c.s.AppendMarked([]byte{7}, c.p, c.pmtu)
			assert.Equal(t, c.why, why)
			assert.Equal(t, before, c.p)
			assert.NotEqual(t, "unknown", why.String())
			if why != truncate.Marked {
				assert.Equal(t, []byte{7}, out)
				return
			}
			q := mustParse(t, out[1:])
			// The datagrams differ in length by the option; compare all but them.
			u, _ := q.FindUpper(ip6.Unlimited)
			v, _ := c.want.FindUpper(ip6.Unlimited)
			assert.Equal(t, v, u)
			assert.Equal(t, c.want[:v.Off], q[:u.Off])
			w, _ := before.FindUpper(ip6.Unlimited)
			assert.Equal(t, before[w.Off:], q[u.Off:], "the upper layer is not touched")
			s := truncate.Reader{}.Scan(q)
			assert.Equal(t, []int{1, 0, 0, 0}, []int{s.Eligible, s.Truncated, s.Enhanced, s.Misplaced})
			assert.Equal(t, truncate.NoFault, s.Fault)
		})
	}
}

func TestMarkRefusesQuotes(t *testing.T) {
	q, err := ip6.ParseQuote(udp(1400)[:200])
	require.NoError(t, err)
	_, why := source.AppendMarked(nil, q, 1500)
	assert.Equal(t, truncate.Unwalkable, why)
}

// Whatever is marked is valid, truncatable, and is not marked twice.
func TestMarkProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var exts []ip6test.Ext
		if rapid.Bool().Draw(t, "hop-by-hop") {
			exts = append(exts, ip6test.HopByHop(opt(5, 0, 0)))
		}
		if rapid.Bool().Draw(t, "routing") {
			exts = append(exts, ip6test.Routing(4, 0, ip6test.Dst))
		}
		if rapid.Bool().Draw(t, "destination options") {
			exts = append(exts, do(ip6.OptionSpec{Type: 0x1f, Data: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")}))
		}
		proto := rapid.SampledFrom([]uint8{ip6.ProtoUDP, ip6.ProtoTCP, ip6.ProtoICMPv6}).Draw(t, "proto")
		p := ip6test.Sized(rapid.IntRange(1281, 3000).Draw(t, "size"), proto, upper[proto], exts...)
		out, why := source.AppendMarked(nil, p, 9000)
		require.Equal(t, truncate.Marked, why)
		q := mustParse(t, out)
		require.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
		require.Equal(t, truncate.NoFault, truncate.Reader{}.Scan(q).Fault)
		_, why = source.AppendMarked(nil, q, 9000)
		require.Equal(t, truncate.AlreadyMarked, why)
		cut := cutBy(t, t1, q, 1280)
		require.Equal(t, ip6.ChecksumGood, cut.Checksum(ip6.Limits{}))
	})
}

// S10: a trial looks truncated.
func TestTrial(t *testing.T) {
	out, why := source.AppendTrial(nil, udp(1400), 1500)
	require.Equal(t, truncate.Marked, why)
	s := truncate.Reader{}.Scan(mustParse(t, out))
	assert.True(t, s.Marked())
	assert.Equal(t, truncate.NoFault, s.Fault)
	_, why = source.AppendTrial(nil, udp(1200), 1500)
	assert.Equal(t, truncate.MarkTooShort, why, "it would be invalid")
}

// S11 and the Enhanced option: a small packet in a large one.
func TestEnhancedMark(t *testing.T) {
	for proto, build := range upper {
		for _, n := range []int{100, 101, 1400} {
			p := ip6test.Sized(n, proto, build)
			out, why := sourceT0.AppendEnhanced([]byte{7}, p, 1500, 1500)
			require.Equal(t, truncate.Marked, why)
			q := mustParse(t, out[1:])
			require.Len(t, q, 1500)
			assert.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}), "covers the padding")
			s := sourceT0.Scan(q)
			assert.Equal(t, truncate.NoFault, s.Fault)
			assert.Equal(t, n+8-40, s.OPL)
			assert.False(t, s.T)
		}
	}
	p := udp(100)
	exact, why := sourceT0.AppendEnhanced(nil, udp(1492), 1500, 1500)
	require.Equal(t, truncate.Marked, why)
	assert.Equal(t, 1460, sourceT0.Scan(mustParse(t, exact)).OPL, "no padding")
	zero := udp(100)
	zero[46], zero[47] = 0, 0
	out, why := sourceT0.AppendEnhanced(nil, zero, 1500, 1500)
	require.Equal(t, truncate.Marked, why)
	assert.Equal(t, ip6.ChecksumAbsent, mustParse(t, out).Checksum(ip6.Limits{}))

	for _, c := range []struct {
		name           string
		s              truncate.Source
		p              ip6.Packet
		size, firstHop int
		why            truncate.NoMark
	}{
		{"T1", source, p, 1500, 1500, truncate.NeedsT0},
		{"S11 larger than the first hop", sourceT0, p, 1501, 1500, truncate.AboveEstimate},
		{"S11 smaller", sourceT0, p, 1400, 1500, truncate.Marked},
		{"under 1280", sourceT0, p, 1279, 1500, truncate.MarkTooShort},
		{"packet larger than the size", sourceT0, udp(1493), 1500, 1500, truncate.AboveEstimate},
		{"fragment", sourceT0, udp(100, ip6test.Fragment(0, true)), 1500, 1500, truncate.HasFragment},
		{"S6 already marked", sourceT0, udp(100, do(opt(el))), 1500, 1500, truncate.AlreadyMarked},
		{"SCTP", sourceT0, ip6test.Packet(ip6.ProtoSCTP, make([]byte, 100)), 1500, 1500, truncate.Unpaddable},
		{"UDP with a surplus area", sourceT0, ip6test.Packet(ip6.ProtoUDP, append(ip6test.UDP(10), 1, 2)), 1500, 1500, truncate.Unpaddable},
	} {
		out, why := c.s.AppendEnhanced([]byte{7}, c.p, c.size, c.firstHop)
		assert.Equal(t, c.why, why, c.name)
		if why != truncate.Marked {
			assert.Equal(t, []byte{7}, out, c.name)
		}
	}
}
