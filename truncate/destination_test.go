package truncate_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type always struct{}

func (always) AllowN(time.Time, int) bool { return true }

func destination(t require.TestingT, rev truncate.Revision, b truncate.Budget) *truncate.Destination {
	d, err := truncate.NewDestination(truncate.Reader{Revision: rev}, b)
	require.NoError(t, err)
	return d
}

// answer is the parsed error that the decision sends about p.
func answer(t require.TestingT, dec truncate.Decision, p ip6.Packet) (ip6.Packet, ip6.ICMPError) {
	b, err := dec.AppendAnswer(nil, p)
	require.NoError(t, err)
	q := mustParse(t, b)
	e, err := ip6.ParseErrorPacket(q, ip6.Limits{})
	require.NoError(t, err)
	require.Equal(t, p.Dst(), q.Src())
	require.Equal(t, p.Src(), q.Dst())
	return q, e
}

func TestDestination(t *testing.T) {
	group := netip.MustParseAddr("ff0e::1")
	toGroup := func(p ip6.Packet) ip6.Packet { p.SetDst(group); return p }
	from := func(p ip6.Packet, a string) ip6.Packet { p.SetSrc(netip.MustParseAddr(a)); return p }
	icmp := ip6test.Sized(1400, ip6.ProtoICMPv6, func(n int) []byte { b := ip6test.Echo(n); b[0] = 1; return b }, do(opt(tr)))
	for _, c := range []struct {
		name    string
		p       ip6.Packet
		a       ip6.Arrival
		deliver bool
		answer  truncate.Answer
		mtu     int
		pointer int
		silence ip6.Silence
	}{
		{"plain", udp(1400), ip6.Arrival{}, true, 0, 0, 0, 0},
		{"X1 eligible is delivered", udp(1400, do(opt(el))), ip6.Arrival{}, true, 0, 0, 0, 0},
		{"X1 eligible of 100 bytes", udp(100, do(opt(el))), ip6.Arrival{}, true, 0, 0, 0, 0},
		{"X2 truncated: discard, Packet Too Big with the length that arrived", udp(1400, do(opt(tr))), ip6.Arrival{}, false, truncate.PacketTooBig, 1400, 0, 0},
		{"X2 truncated, 1280", udp(1280, do(opt(tr))), ip6.Arrival{}, false, truncate.PacketTooBig, 1280, 0, 0},
		{"X5 truncated under 1280: no Packet Too Big", udp(1279, do(opt(tr))), ip6.Arrival{}, false, truncate.ParameterProblem, 0, 42, 0},
		{"X4 eligible and truncated", udp(1400, do(opt(el), opt(tr))), ip6.Arrival{}, false, truncate.ParameterProblem, 0, 42, 0},
		{"X4 length", udp(1400, do(opt(5, 0, 0), opt(tr, 1))), ip6.Arrival{}, false, truncate.ParameterProblem, 0, 46, 0},
		{"X4 fragment", udp(1400, do(opt(el)), ip6test.Fragment(0, true)), ip6.Arrival{}, false, truncate.ParameterProblem, 0, 42, 0},
		{"RFC 4443 e.1 about an error", icmp, ip6.Arrival{}, false, 0, 0, 0, ip6.AboutError},
		{"RFC 4443 e.6 unspecified source", from(udp(1400, do(opt(tr))), "::"), ip6.Arrival{}, false, 0, 0, 0, ip6.FromNonUnique},
		{"RFC 4443 e.6 multicast source", from(udp(1400, do(opt(tr))), "ff02::1"), ip6.Arrival{}, false, 0, 0, 0, ip6.FromNonUnique},
		{"multicast, truncated", toGroup(udp(1400, do(opt(tr)))), ip6.Arrival{}, false, 0, 0, 0, ip6.ToMulticast},
		{"multicast, invalid", toGroup(udp(1400, do(opt(tr, 0)))), ip6.Arrival{}, false, 0, 0, 0, ip6.ToMulticast},
		{"link-layer multicast", udp(1400, do(opt(tr))), ip6.Arrival{LinkMulticast: true}, false, 0, 0, 0, ip6.ToLinkMulticast},
		{"malformed headers", udp(1400, ip6test.Raw(ip6.ProtoDestOpts, 9, 9, 0, 0, 0, 0)), ip6.Arrival{}, false, 0, 0, 0, 0},
		{"T1 leaves Enhanced to the host's own rules", udp(1400, do(opt(en, 0, 100, 0x80))), ip6.Arrival{}, true, 0, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := ip6test.Clone(c.p)
			dec := destination(t, truncate.T1, always{}).Receive(epoch, c.p, c.a)
			assert.Equal(t, c.deliver, dec.Deliver)
			assert.Equal(t, c.answer, dec.Answer)
			assert.Equal(t, c.silence, dec.Silence)
			assert.Equal(t, len(c.p), dec.Length)
			switch c.answer {
			case truncate.NoAnswer:
				b, err := dec.AppendAnswer([]byte{1}, c.p)
				require.NoError(t, err)
				assert.Equal(t, []byte{1}, b)
			case truncate.PacketTooBig:
				q, e := answer(t, dec, c.p)
				assert.Equal(t, []int{2, 0, c.mtu}, []int{int(e.Type), int(e.Code), int(e.Param)})
				assert.Equal(t, c.p[:min(len(c.p), 1232)], e.Quote)
				assert.LessOrEqual(t, len(q), len(c.p), "no amplification")
			case truncate.ParameterProblem:
				_, e := answer(t, dec, c.p)
				assert.Equal(t, []int{4, 2, c.pointer}, []int{int(e.Type), int(e.Code), int(e.Param)})
			}
			// X3: nothing of a packet that is not delivered.
			if q := dec.Packet(c.p); c.deliver {
				assert.Equal(t, before, q)
			} else {
				assert.Nil(t, q)
			}
			assert.Equal(t, before, c.p)
		})
	}
}

// X3, T0's metadata: length and the fact, no more.
func TestMetadata(t *testing.T) {
	dec := destination(t, truncate.T1, always{}).Receive(epoch, udp(1400, do(opt(tr))), ip6.Arrival{})
	assert.True(t, dec.Truncated)
	assert.Equal(t, 1400, dec.Length)
	dec = destination(t, truncate.T1, always{}).Receive(epoch, udp(1400, do(opt(el))), ip6.Arrival{})
	assert.False(t, dec.Truncated)
}

// X7: the original of a padded packet is delivered if all of it arrived, and
// is what the source had.
func TestEnhancedDestination(t *testing.T) {
	for proto, build := range upper {
		for _, n := range []int{100, 101, 1392, 1393, 1492} {
			original := ip6test.Sized(n, proto, build)
			sent, why := sourceT0.AppendEnhanced(nil, original, 1500, 1500)
			require.Equal(t, truncate.Marked, why)
			marked := ip6test.Sized(n+8, proto, build, do(opt(en, byte((n-32)>>8), byte(n-32), 0)))
			copy(marked[48:], original[40:])

			for _, link := range []int{1500, 1400} {
				p := ip6test.Clone(sent)
				if link < 1500 {
					p = cutBy(t, t0, p, link)
				}
				d := destination(t, truncate.T0, always{})
				dec := d.Receive(epoch, p, ip6.Arrival{})
				assert.Equal(t, n+8 <= link, dec.Deliver, "%d bytes over %d", n, link)
				assert.Equal(t, link < 1500, dec.Truncated)
				if link < 1500 {
					_, e := answer(t, dec, p)
					assert.Equal(t, []int{2, link}, []int{int(e.Type), int(e.Param)})
				} else {
					assert.Equal(t, truncate.NoAnswer, dec.Answer)
				}
				if !dec.Deliver {
					assert.Nil(t, dec.Packet(p))
					continue
				}
				got := mustParse(t, dec.Packet(p))
				if link < 1500 {
					got[46] &^= 0x80 // T, which the router has set
				}
				assert.Equal(t, marked, got)
				assert.Equal(t, ip6.ChecksumGood, got.Checksum(ip6.Limits{}))
			}
		}
	}
}

// An Original Payload Length that would end the packet within its headers.
func TestEnhancedNonsense(t *testing.T) {
	for opl := range 20 {
		d := destination(t, truncate.T0, always{})
		p := udp(1400, do(opt(en, 0, byte(opl), 0x80)))
		dec := d.Receive(epoch, p, ip6.Arrival{})
		assert.Equal(t, opl >= 16, dec.Deliver, "8 of options, 8 of UDP")
		assert.Equal(t, truncate.PacketTooBig, dec.Answer)
		if q := dec.Packet(p); q != nil {
			assert.Len(t, q, 40+opl)
			assert.Equal(t, ip6.ChecksumGood, q.Checksum(ip6.Limits{}))
		}
	}
}

// RFC 4443 section 2.4 (f): errors are rate limited, by default 10 at once and
// 10 a second. A flood of forged truncated packets gets no more.
func TestDestinationRate(t *testing.T) {
	d := destination(t, truncate.T1, nil)
	sent, bytesIn, bytesOut := 0, 0, 0
	for i := range 10_000 { // 10 s
		p := udp(1280, do(opt(tr)))
		dec := d.Receive(epoch.Add(time.Duration(i)*time.Millisecond), p, ip6.Arrival{})
		require.False(t, dec.Deliver)
		bytesIn += len(p)
		if dec.Answer != truncate.NoAnswer {
			sent++
			q, _ := answer(t, dec, p)
			bytesOut += len(q)
			require.LessOrEqual(t, len(q), len(p))
		} else {
			require.True(t, dec.Throttled)
		}
	}
	assert.InDelta(t, 110, sent, 2)
	assert.Less(t, bytesOut*50, bytesIn)
	assert.Equal(t, uint64(10_000), d.Counters.Truncated)
	assert.Equal(t, uint64(sent), d.Counters.TooBig)
	assert.Equal(t, uint64(10_000-sent), d.Counters.Throttled)
}

func TestDestinationCounters(t *testing.T) {
	d := destination(t, truncate.T1, always{})
	for _, p := range []ip6.Packet{udp(100), udp(100, do(opt(el))), udp(1400, do(opt(tr))), udp(100, do(opt(tr))),
		udp(100, ip6test.Raw(ip6.ProtoDestOpts, 9, 9, 0, 0, 0, 0))} {
		d.Receive(epoch, p, ip6.Arrival{})
	}
	p := udp(1400, do(opt(tr)))
	p.SetSrc(netip.IPv6Unspecified())
	d.Receive(epoch, p, ip6.Arrival{})
	c := d.Counters
	assert.Equal(t, []uint64{1, 1, 2, 1, 1, 1, 1, 1}, []uint64{c.Plain, c.Eligible, c.Truncated, c.Invalid[truncate.TooShort], c.Malformed, c.TooBig, c.Problems, c.Silent})
}
