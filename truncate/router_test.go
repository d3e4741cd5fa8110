package truncate_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

var (
	t1 = truncate.Router{}
	t0 = truncate.Router{Reader: truncate.Reader{Revision: truncate.T0}}
)

// cutBy plans and applies; the plan must be OK.
func cutBy(t require.TestingT, r truncate.Router, p ip6.Packet, mtu int) ip6.Packet {
	pl := r.Plan(p, mtu)
	require.True(t, pl.OK(), "%v %v", pl.Refusal, pl.Fault)
	return mustParse(t, pl.Apply(p))
}

var upper = map[uint8]func(int) []byte{ip6.ProtoUDP: ip6test.UDP, ip6.ProtoTCP: ip6test.TCP, ip6.ProtoICMPv6: ip6test.Echo}

func TestRefusals(t *testing.T) {
	sctp := ip6test.Sized(9000, ip6.ProtoSCTP, func(n int) []byte { return make([]byte, 12+n) }, do(opt(el)))
	esp := ip6test.Sized(9000, ip6.ProtoESP, func(n int) []byte { return make([]byte, 8+n) }, do(opt(el)))
	var many []ip6.OptionSpec
	for range 6 {
		many = append(many, ip6.OptionSpec{Type: 0x1f, Data: make([]byte, 250)})
	}
	wide := udp(9000, do(append(many, opt(el))...)) // 1560 bytes of headers
	tcp := ip6test.Sized(9000, ip6.ProtoTCP, ip6test.TCP, do(opt(el)))
	tcp[48+12] = 15 << 4
	badUDP := udp(9000, do(opt(el)))
	binary.BigEndian.PutUint16(badUDP[52:], 60000)
	unlimited := truncate.Reader{Limits: ip6.Unlimited}
	for _, c := range []struct {
		name    string
		r       truncate.Router
		p       ip6.Packet
		mtu     int
		refusal truncate.Refusal
		fault   truncate.Fault
		ptb     bool
	}{
		{"Q2 T1: truncated, and Packet Too Big", t1, udp(9000, do(opt(el))), 1500, truncate.Truncatable, 0, true},
		{"Q2 switched off", truncate.Router{NoPTB: true}, udp(9000, do(opt(el))), 1500, truncate.Truncatable, 0, false},
		{"Q2 T0: truncation replaces Packet Too Big", t0, udp(9000, do(opt(el))), 1500, truncate.Truncatable, 0, false},
		{"Q8 not marked: plain RFC 8200", t1, udp(9000), 1500, truncate.NotEligible, 0, true},
		{"not marked, no Packet Too Big beside truncation: still one here", truncate.Router{NoPTB: true}, udp(9000), 1500, truncate.NotEligible, 0, true},
		{"S4 marked in the Hop-by-Hop header", t1, udp(9000, ip6test.HopByHop(opt(el))), 1500, truncate.NotEligible, 0, true},
		{"Q6 fragment", t1, udp(9000, do(opt(el)), ip6test.Fragment(0, true)), 1500, truncate.Invalid, truncate.WithFragment, true},
		{"Q6 mixed", t1, udp(9000, do(opt(el), opt(tr))), 1500, truncate.Invalid, truncate.MixedOptions, true},
		{"Q6 length", t1, udp(9000, do(opt(el, 1))), 1500, truncate.Invalid, truncate.BadOptionLength, true},
		{"already truncated may be cut again", t1, udp(9000, do(opt(tr))), 1500, truncate.Truncatable, 0, true},
		{"malformed headers", t1, udp(9000, ip6test.Raw(ip6.ProtoDestOpts, el, 0, 9, 9, 0, 0)), 1500, truncate.Malformed, 0, true},
		{"headers do not fit the link", truncate.Router{Reader: unlimited}, wide, 1500, truncate.HeadersDoNotFit, 0, true},
		{"headers fit exactly", truncate.Router{Reader: unlimited}, wide, 40 + 1520 + 8, truncate.Truncatable, 0, true},
		{"upper-layer header does not fit", truncate.Router{Reader: unlimited}, wide, 40 + 1520 + 7, truncate.HeadersDoNotFit, 0, true},
		{"link under 1280", t1, udp(9000, do(opt(el))), 1279, truncate.LinkTooSmall, 0, true},
		{"link of 1280", t1, udp(9000, do(opt(el))), 1280, truncate.Truncatable, 0, true},
		{"Q5 T1 SCTP is cut unrepaired", t1, sctp, 1500, truncate.Truncatable, 0, true},
		{"Q5 T0 SCTP is not cut", t0, sctp, 1500, truncate.NoChecksumRepair, 0, true},
		{"Q5 T1 ESP", t1, esp, 1500, truncate.Truncatable, 0, true},
		{"Q5 T0 ESP", t0, esp, 1500, truncate.NoChecksumRepair, 0, true},
		{"Q5 T0 UDP Length is wrong", t0, badUDP, 1500, truncate.NoChecksumRepair, 0, true},
		{"T1 knows no Enhanced", t1, udp(9000, do(opt(en, 0, 100, 0))), 1500, truncate.NotEligible, 0, true},
		{"T0 Enhanced", t0, udp(9000, do(opt(en, 0, 100, 0))), 1500, truncate.Truncatable, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := ip6test.Clone(c.p)
			pl := c.r.Plan(c.p, c.mtu)
			assert.Equal(t, c.refusal, pl.Refusal)
			assert.Equal(t, c.fault, pl.Fault)
			assert.Equal(t, c.ptb, pl.PTB)
			assert.Equal(t, c.mtu, pl.MTU)
			assert.Equal(t, before, c.p, "a plan changes nothing")
			assert.NotEqual(t, "unknown", pl.Refusal.String())
			if !pl.OK() {
				assert.Equal(t, before, pl.Apply(c.p), "a refused packet is not changed")
			}
		})
	}
}

// Q3, Q4, Q5: cut to the link's MTU, Payload Length, every mark, checksum. The
// result is what a source would have sent that had cut and marked it itself.
func TestCut(t *testing.T) {
	for proto, build := range upper {
		for _, mtu := range []int{1280, 1281, 1422, 1500, 8999} {
			p := ip6test.Sized(9000, proto, build, ip6test.HopByHop(), do(opt(el), opt(5, 0, 0), opt(el)))
			original := ip6test.Clone(p)
			q := cutBy(t, t1, p, mtu)
			require.Len(t, q, mtu)
			assert.Equal(t, mtu, q.TotalLen(), "Q3")
			s := truncate.Reader{}.Scan(q)
			assert.Equal(t, 2, s.Truncated, "Q4: every instance")
			assert.Zero(t, s.Eligible)
			assert.Equal(t, truncate.NoFault, s.Fault)
			assert.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}), "Q5")
			if proto == ip6.ProtoUDP {
				assert.Equal(t, mtu-s.Upper.Off, int(binary.BigEndian.Uint16(q[s.Upper.Off+4:])), "UDP Length")
			}
			// Nothing else changed.
			want := ip6test.Clone(original)[:mtu]
			binary.BigEndian.PutUint16(want[4:], uint16(mtu-40))
			want[50], want[56] = tr, tr
			at, _ := ip6.ChecksumOffset(proto)
			copy(want[s.Upper.Off+at:], q[s.Upper.Off+at:s.Upper.Off+at+2])
			if proto == ip6.ProtoUDP {
				copy(want[s.Upper.Off+4:], q[s.Upper.Off+4:s.Upper.Off+6])
			}
			assert.Equal(t, want, q)
		}
	}
}

// Q5 for any content: UDP, TCP and ICMPv6, odd and even cuts, cut twice, with
// routing headers (whose destination the checksum does not show), and bytes
// that make the checksum 0 or 0xffff likely.
func TestCutProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		proto := rapid.SampledFrom([]uint8{ip6.ProtoUDP, ip6.ProtoTCP, ip6.ProtoICMPv6}).Draw(t, "proto")
		exts := []ip6test.Ext{do(opt(el))}
		if rapid.Bool().Draw(t, "routing header") {
			exts = append([]ip6test.Ext{ip6test.Routing(4, 1, ip6test.Src, ip6test.Dst)}, exts...)
		}
		n := rapid.IntRange(1400, 3000).Draw(t, "size")
		p := ip6test.Sized(n, proto, upper[proto], exts...)
		u, _ := p.FindUpper(ip6.Limits{})
		fill := rapid.SampledFrom([]byte{0, 0xff, 0x55}).Draw(t, "fill")
		for i := u.Off + 20; i < len(p); i++ {
			p[i] = fill
		}
		require.True(t, p.SetChecksum(ip6.Limits{}))
		first := rapid.IntRange(1281, n-1).Draw(t, "first link")
		q := cutBy(t, t1, p, first)
		require.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
		second := rapid.IntRange(1280, first-1).Draw(t, "second link")
		q = cutBy(t, t1, q, second)
		require.Len(t, q, second)
		require.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
		before := ip6test.Clone(q)
		require.True(t, q.SetChecksum(ip6.Limits{}))
		require.Equal(t, before, q, "not only congruent: the same bytes as a sum over the whole packet")
	})
}

func TestZeroUDPChecksum(t *testing.T) {
	p := udp(9000, do(opt(el)))
	p[54], p[55] = 0, 0
	pl := t0.Plan(p, 1500)
	require.True(t, pl.OK())
	assert.Equal(t, truncate.Untouched, pl.Repair)
	q := pl.Apply(p)
	assert.Equal(t, ip6.ChecksumAbsent, q.Checksum(ip6.Limits{}), "stays 0")
	assert.Equal(t, 1500-48, int(binary.BigEndian.Uint16(q[52:])))
}

// A UDP datagram with bytes behind its UDP Length (RFC 9868): cut there, UDP
// Length and checksum stay; cut in the datagram, they follow.
func TestSurplusArea(t *testing.T) {
	build := func() ip6.Packet {
		p := ip6test.Packet(ip6.ProtoUDP, append(ip6test.UDP(1400), make([]byte, 700)...), do(opt(el)))
		require.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}))
		return p
	}
	p := build()
	pl := t0.Plan(p, 1500)
	assert.Equal(t, truncate.Untouched, pl.Repair)
	q := pl.Apply(p)
	assert.Equal(t, 1408, int(binary.BigEndian.Uint16(q[52:])))
	assert.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
	for _, mtu := range []int{1455, 1400, 1301} {
		q = cutBy(t, t0, build(), mtu)
		assert.Equal(t, mtu-48, int(binary.BigEndian.Uint16(q[52:])))
		assert.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
	}
}

func TestUnrepaired(t *testing.T) {
	p := udp(9000, do(opt(el)))
	binary.BigEndian.PutUint16(p[52:], 3) // UDP Length under 8
	pl := t1.Plan(p, 1500)
	assert.Equal(t, truncate.Unrepaired, pl.Repair)
	before := ip6test.Clone(p)
	q := pl.Apply(p)
	assert.Equal(t, before[44:48], q[44:48])
	assert.Equal(t, before[48:1500], q[48:], "the datagram is left as it is")
	for _, r := range []truncate.Repair{truncate.Repaired, truncate.Untouched, truncate.Unrepaired} {
		assert.NotEmpty(t, r.String())
	}
}

// T0: the router sets T and leaves the rest of the option.
func TestEnhancedCut(t *testing.T) {
	p := udp(9000, do(opt(en, 0x12, 0x34, 0)))
	q := cutBy(t, t0, p, 1500)
	assert.Equal(t, []byte{en, 3, 0x12, 0x34, 0x80}, []byte(q[42:47]))
	assert.True(t, truncate.Reader{Revision: truncate.T0}.Scan(q).Marked())
	assert.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
	q = cutBy(t, t0, q, 1400)
	assert.Len(t, q, 1400)
}

func TestOtherCodes(t *testing.T) {
	r := truncate.Router{Reader: truncate.Reader{Codes: truncate.Codes{Eligible: 0x3e, Truncated: 0x83, Enhanced: 0xa3}}}
	q := cutBy(t, r, udp(9000, do(opt(0x3e))), 1500)
	assert.Equal(t, uint8(0x83), q[42])
	assert.Equal(t, truncate.NotEligible, r.Plan(udp(9000, do(opt(el))), 1500).Refusal)
}

// Q1: a router looks only at packets that do not fit; Apply to one that fits
// changes nothing.
func TestFits(t *testing.T) {
	p := udp(1500, do(opt(el)))
	before := ip6test.Clone(p)
	assert.Equal(t, before, t1.Plan(p, 1500).Apply(p))
}

// Q7: the budget is the caller's: planning takes nothing from it, so that an
// ineligible packet costs no token.
func TestBudgetIsTheCallers(t *testing.T) {
	tokens, truncated, dropped := 3, 0, 0
	for i := range 10 {
		p := udp(9000, do(opt(el)))
		if i%2 == 0 {
			p = udp(9000)
		}
		pl := t1.Plan(p, 1500)
		if pl.OK() && tokens > 0 {
			tokens--
			pl.Apply(p)
			truncated++
			continue
		}
		require.Len(t, p, 9000, "over the budget: plain RFC 8200, the packet as it was")
		require.True(t, t1.Plan(p, 1500).PTB)
		dropped++
	}
	assert.Equal(t, []int{0, 3, 7}, []int{tokens, truncated, dropped})
}

func TestCutAllocations(t *testing.T) {
	p := udp(9000, do(opt(el)))
	work := make(ip6.Packet, len(p))
	assert.Zero(t, testing.AllocsPerRun(50, func() {
		copy(work, p)
		t1.Plan(work, 1500).Apply(work)
	}))
}

func BenchmarkPlan(b *testing.B) {
	for name, p := range map[string]ip6.Packet{"eligible": udp(9000, do(opt(el))), "not eligible": udp(9000)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t1.Plan(p, 1500)
			}
		})
	}
}

func BenchmarkTruncate(b *testing.B) {
	for _, c := range []struct {
		name      string
		size, mtu int
	}{{"9000 to 1500", 9000, 1500}, {"1500 to 1280", 1500, 1280}} {
		b.Run(c.name, func(b *testing.B) {
			p := udp(c.size, do(opt(el)))
			work := make(ip6.Packet, len(p))
			b.ReportAllocs()
			for b.Loop() {
				copy(work[:80], p[:80]) // what the last round changed
				t1.Plan(work, c.mtu).Apply(work)
			}
		})
	}
}
