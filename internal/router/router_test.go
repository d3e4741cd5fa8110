package router

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

var (
	hostA   = netip.MustParseAddr("2001:db8:a::1")
	hostB   = netip.MustParseAddr("2001:db8:b::1")
	routerA = netip.MustParseAddr("2001:db8:a::ff")
	routerB = netip.MustParseAddr("2001:db8:b::ff")
	gateway = netip.MustParseAddr("fe80::9")
)

// testRoutes: port 0 leads to a, port 1 to b and, through a gateway, to c.
func testRoutes() []Route {
	pre := netip.MustParsePrefix
	return []Route{
		{Prefix: pre("2001:db8:a::/48"), Out: 0},
		{Prefix: pre("2001:db8:b::/48"), Out: 1},
		{Prefix: pre("2001:db8:c::/48"), Out: 1, Next: gateway},
		{Prefix: netip.PrefixFrom(routerA, 128), Kind: Local},
		{Prefix: netip.PrefixFrom(routerB, 128), Kind: Local},
		{Prefix: pre("2001:db8:dead::/48"), Kind: Blackhole},
		{Prefix: pre("2001:db8:f0::/48"), Kind: Prohibit},
		{Prefix: pre("2001:db8:f1::/48"), Kind: Unreachable},
		{Prefix: pre("2001:db8:f2::/48"), Out: 77},
	}
}

func testConfig() Config {
	return Config{Ports: []Port{
		{Name: "a", MTU: 9000, Addr: routerA, Policy: ProcessMinPMTU()},
		{Name: "b", MTU: 1500, Addr: routerB, Policy: ProcessMinPMTU()},
	}}
}

func newRouter(t testing.TB, change func(*Config)) *Router {
	cfg := testConfig()
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg)
	require.NoError(t, err)
	table, err := NewTable(testRoutes())
	require.NoError(t, err)
	r.SetTable(table)
	return r
}

// udp builds a UDP packet of n bytes from a to b, behind a Hop-by-Hop header
// with opts if there are any.
func udp(t testing.TB, n int, opts ...ip6.OptionSpec) ip6.Packet {
	return packet(t, hostA, hostB, n, ip6.ProtoHopByHop, opts...)
}

func packet(t testing.TB, src, dst netip.Addr, n int, ext uint8, opts ...ip6.OptionSpec) ip6.Packet {
	next := uint8(ip6.ProtoUDP)
	var hdr []byte
	if len(opts) > 0 {
		var err error
		hdr, err = ip6.AppendOptionsHeader(nil, ip6.ProtoUDP, opts...)
		require.NoError(t, err)
		next = ext
	}
	b := ip6.AppendHeader(nil, ip6.Fields{NextHeader: next, HopLimit: 64, Src: src, Dst: dst}, n-40)
	b = append(b, hdr...)
	u := len(b)
	b = append(b, make([]byte, n-u)...)
	binary.BigEndian.PutUint16(b[u:], 1000)
	binary.BigEndian.PutUint16(b[u+2:], 2000)
	binary.BigEndian.PutUint16(b[u+4:], uint16(n-u))
	p, err := ip6.Parse(b)
	require.NoError(t, err)
	require.True(t, p.SetChecksum(ip6.Limits{}))
	return p
}

func minPMTU(min, rtn uint16, r bool) ip6.OptionSpec {
	var buf [hbh.DataLen]byte
	return hbh.Option{Min: min, Rtn: rtn, R: r}.Spec(&buf)
}

// icmpError checks the verdict's error and returns it.
func icmpError(t *testing.T, v Verdict) ip6.ICMPError {
	t.Helper()
	require.NotEmpty(t, v.ICMP)
	p, err := ip6.Parse(v.ICMP)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(p), 1280)
	e, err := ip6.ParseErrorPacket(p, ip6.Limits{})
	require.NoError(t, err)
	return e
}

func TestForward(t *testing.T) {
	r := newRouter(t, nil)
	for _, tc := range []struct {
		dst  string
		next string
	}{
		{"2001:db8:b::1", "2001:db8:b::1"},
		{"2001:db8:c::1", "fe80::9"},
	} {
		p := packet(t, hostA, netip.MustParseAddr(tc.dst), 1500, 0)
		padded := append(append([]byte(nil), p...), 1, 2, 3)
		v := r.Forward(padded, 0, t0)
		require.Equal(t, Forward, v.Action, "%v", v.Reason)
		assert.Equal(t, 1, v.Out)
		assert.Equal(t, tc.next, v.Next.String())
		assert.Empty(t, v.ICMP)
		want := append([]byte(nil), p...)
		want[7] = 63
		assert.Equal(t, want, v.Packet, "only the hop limit changes; link padding is left out")
	}
	assert.EqualValues(t, 2, r.Counters().Reasons[Forwarded])
	assert.EqualValues(t, 3000, r.Counters().Bytes)
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name      string
		src, dst  string
		change    func(p ip6.Packet)
		action    Action
		reason    Reason
		typ, code int // of the ICMPv6 error; typ 0: none
	}{
		{name: "own address", dst: "2001:db8:a::ff", action: Deliver, reason: ToSelf},
		{name: "own address, hop limit 1", dst: "2001:db8:b::ff", change: func(p ip6.Packet) { p.SetHopLimit(1) }, action: Deliver, reason: ToSelf},
		{name: "multicast", dst: "ff0e::1", action: Deliver, reason: ToSelf},
		{name: "link-local destination", dst: "fe80::1", action: Deliver, reason: ToSelf},
		{name: "multicast source", src: "ff02::1", reason: BadSource},
		{name: "unspecified source", src: "::", reason: BadSource},
		{name: "loopback source", src: "::1", reason: BadSource},
		{name: "unspecified destination", dst: "::", reason: BadDestination},
		{name: "loopback destination", dst: "::1", reason: BadDestination},
		{name: "link-local source", src: "fe80::5", reason: BeyondScope, typ: 1, code: 2},
		{name: "no route", dst: "2001:db8:9::1", reason: NoRoute, typ: 1, code: 0},
		{name: "unreachable route", dst: "2001:db8:f1::1", reason: NoRoute, typ: 1, code: 0},
		{name: "route to no port", dst: "2001:db8:f2::1", reason: NoRoute, typ: 1, code: 0},
		{name: "prohibit", dst: "2001:db8:f0::1", reason: Prohibited, typ: 1, code: 1},
		{name: "blackhole", dst: "2001:db8:dead::1", reason: Blackholed},
		{name: "hop limit 1", change: func(p ip6.Packet) { p.SetHopLimit(1) }, reason: HopLimitExceeded, typ: 3, code: 0},
		{name: "hop limit 0", change: func(p ip6.Packet) { p.SetHopLimit(0) }, reason: HopLimitExceeded, typ: 3, code: 0},
		{name: "version", change: func(p ip6.Packet) { p[0] = 0x45 }, reason: BadHeader},
		{name: "length", change: func(p ip6.Packet) { p[4] = 0xff }, reason: BadHeader},
		{name: "hop limit, source has no route", src: "2001:db8:9::1", change: func(p ip6.Packet) { p.SetHopLimit(1) }, reason: HopLimitExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, dst := hostA, hostB
			if tc.src != "" {
				src = netip.MustParseAddr(tc.src)
			}
			if tc.dst != "" {
				dst = netip.MustParseAddr(tc.dst)
			}
			p := packet(t, src, dst, 200, 0)
			if tc.change != nil {
				tc.change(p)
			}
			before := append([]byte(nil), p...)
			r := newRouter(t, nil)
			v := r.Forward(p, 0, t0)
			assert.Equal(t, tc.action, v.Action)
			assert.Equal(t, tc.reason, v.Reason, v.Reason.String())
			assert.Equal(t, before, []byte(p), "a packet that is not forwarded is not changed")
			assert.EqualValues(t, 1, r.Counters().Reasons[tc.reason])
			if tc.typ == 0 {
				assert.Empty(t, v.ICMP)
				return
			}
			e := icmpError(t, v)
			assert.Equal(t, []int{tc.typ, tc.code}, []int{int(e.Type), int(e.Code)})
			assert.Equal(t, before, []byte(e.Quote))
			assert.Equal(t, routerA, ip6.Packet(v.ICMP).Src())
			assert.Equal(t, src, ip6.Packet(v.ICMP).Dst())
			assert.Equal(t, 0, v.ICMPOut)
			assert.Equal(t, src, v.ICMPNext)
		})
	}
}

func TestPacketTooBig(t *testing.T) {
	r := newRouter(t, nil)
	v := r.Forward(udp(t, 1501), 0, t0)
	assert.Equal(t, TooBig, v.Reason)
	e := icmpError(t, v)
	assert.EqualValues(t, 2, e.Type)
	assert.EqualValues(t, 1500, e.Param)
	assert.Len(t, v.ICMP, 1280)
	// The exclusions of RFC 4443 section 2.4 (e): no error about an error.
	about := packet(t, hostA, hostB, 1501, 0)
	about[6] = ip6.ProtoICMPv6
	about[40] = 1
	v = r.Forward(about, 0, t0)
	assert.Equal(t, TooBig, v.Reason)
	assert.Empty(t, v.ICMP)
	assert.EqualValues(t, 1, r.Counters().ICMPSilent)
}

// R3, R4, R5, R6.
func TestMinPMTU(t *testing.T) {
	for _, tc := range []struct {
		name     string
		min, rtn uint16
		want     uint16
	}{
		{"R3 R4 lowered to the egress MTU", 9000, 1400, 1500},
		{"R4 equal stays", 1500, 0, 1500},
		{"R4 smaller stays", 1400, 65534, 1400},
		{"R5 zero passes", 0, 1, 0},
		{"R5 600 passes", 600, 600, 600},
		{"R3 65535", 65535, 0, 1500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRouter(t, nil)
			p := udp(t, 1000, minPMTU(tc.min, tc.rtn, true))
			want := append([]byte(nil), p...)
			binary.BigEndian.PutUint16(want[44:], tc.want)
			want[7]--
			v := r.Forward(p, 0, t0)
			require.Equal(t, Forward, v.Action)
			assert.Equal(t, want, v.Packet, "R6: nothing else changes")
			assert.Equal(t, ip6.ChecksumGood, ip6.Packet(v.Packet).Checksum(ip6.Limits{}))
		})
	}
	t.Run("the egress counts, not the ingress", func(t *testing.T) {
		r := newRouter(t, nil)
		p := packet(t, hostB, hostA, 1000, ip6.ProtoHopByHop, minPMTU(20000, 0, false))
		v := r.Forward(p, 1, t0)
		require.Equal(t, Forward, v.Action)
		assert.EqualValues(t, 9000, binary.BigEndian.Uint16(v.Packet[44:]))
	})
}

func opt(typ uint8, n int) ip6.OptionSpec { return ip6.OptionSpec{Type: typ, Data: make([]byte, n)} }

// badPadding is a Hop-by-Hop header with 13 bytes of padding and then option 0x30.
func badPadding(t *testing.T) ip6.Packet {
	p := packet(t, hostA, hostB, 100, ip6.ProtoHopByHop, opt(0x1e, 12), minPMTU(9000, 0, false))
	p[42] = ip6.OptPadN
	return p
}

func TestHopByHopPolicy(t *testing.T) {
	pm := minPMTU(9000, 0, false)
	with := func(p func(*Policy)) func(*Config) {
		return func(c *Config) { p(&c.Ports[0].Policy) }
	}
	var many []ip6.OptionSpec
	for range 9 {
		many = append(many, opt(0x1e, 2))
	}
	overrun := func(t *testing.T) ip6.Packet {
		p := udp(t, 100, pm)
		p[43] = 200
		return p
	}
	build := func(opts ...ip6.OptionSpec) func(*testing.T) ip6.Packet {
		return func(t *testing.T) ip6.Packet { return udp(t, 400, opts...) }
	}
	for _, tc := range []struct {
		name      string
		policy    func(*Policy)
		packet    func(*testing.T) ip6.Packet
		reason    Reason
		rewritten int // options lowered
		typ, code int
		pointer   int
	}{
		{name: "P2 P3 R1 not configured for the header: forwarded as it is", policy: func(p *Policy) { p.HopByHop = false }, packet: build(pm)},
		{name: "R2 configured, but not for this option: skipped", policy: func(p *Policy) { p.Options[hbh.Type] = Skip }, packet: build(pm)},
		{name: "P1 the option is processed", packet: build(pm), rewritten: 1},
		{name: "P4 P5 an unknown option first: skipped, the next processed", packet: build(opt(0x1e, 4), pm), rewritten: 1},
		{name: "P5 unknown, act 01: skipped whatever the bits", packet: build(opt(0x5e, 4), pm), rewritten: 1},
		{name: "P5 unknown, act 10", packet: build(opt(0x9e, 4), pm), rewritten: 1},
		{name: "P5 unknown, act 11", packet: build(opt(0xde, 4), pm), rewritten: 1},
		{name: "P7 Router Alert is skipped", packet: build(opt(5, 2), pm), rewritten: 1},
		{name: "P6 act 01 honoured when configured", policy: func(p *Policy) { p.ActionBits = true }, packet: build(opt(0x5e, 4), pm), reason: OptionDiscarded},
		{name: "P6 act 10 honoured when configured", policy: func(p *Policy) { p.ActionBits = true }, packet: build(opt(0x9e, 4)), reason: OptionDiscarded, typ: 4, code: 2, pointer: 42},
		{name: "P6 act 11 honoured when configured", policy: func(p *Policy) { p.ActionBits = true }, packet: build(pm, opt(0xde, 4)), reason: OptionDiscarded, typ: 4, code: 2, pointer: 48},
		{name: "P6 act 00 never", policy: func(p *Policy) { p.ActionBits = true }, packet: build(opt(0x1e, 4), pm), rewritten: 1},
		{name: "P8 discard by type", policy: func(p *Policy) { p.Options[0x1e] = Discard }, packet: build(opt(0x1e, 4)), reason: OptionDiscarded},
		{name: "P8 report by type, act 00: no message", policy: func(p *Policy) { p.Options[0x1e] = Report }, packet: build(opt(0x1e, 4)), reason: OptionDiscarded},
		{name: "P8 report by type, act 10", policy: func(p *Policy) { p.Options[0x9e] = Report }, packet: build(opt(0x9e, 4)), reason: OptionDiscarded, typ: 4, code: 2, pointer: 42},
		{name: "P4 limited to the first option", policy: func(p *Policy) { p.MaxOptions = 1 }, packet: build(opt(0x1e, 4), pm)},
		{name: "P4 the first is within the limit", policy: func(p *Policy) { p.MaxOptions = 1 }, packet: build(pm, opt(0x1e, 4)), rewritten: 1},
		{name: "duplicates: each is lowered", packet: build(pm, pm), rewritten: 2},
		{name: "wrong length: skipped as unknown", packet: build(ip6.OptionSpec{Type: hbh.Type, Data: []byte{0xff, 0xff}})},
		{name: "ninth option: the rest is skipped", packet: build(append(many, pm)...)},
		{name: "P11 overrun: forwarded", packet: overrun},
		{name: "P11 overrun, strict", policy: func(p *Policy) { p.DropMalformed = true }, packet: overrun, reason: OptionsMalformed, typ: 4, code: 0, pointer: 43},
		{name: "P11 padding over 7: forwarded", packet: badPadding},
		{name: "RFC 8883 code 10, strict", policy: func(p *Policy) { p.DropMalformed = true }, packet: badPadding, reason: OptionsMalformed, typ: 4, code: 10, pointer: 42},
		{name: "RFC 8883 code 9, strict", policy: func(p *Policy) { p.DropMalformed, p.MaxOptions = true, 20 }, packet: build(append(many, pm)...), reason: OptionsMalformed, typ: 4, code: 9, pointer: 42 + 8*4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var change func(*Config)
			if tc.policy != nil {
				change = with(tc.policy)
			}
			r := newRouter(t, change)
			p := tc.packet(t)
			before := append([]byte(nil), p...)
			v := r.Forward(p, 0, t0)
			require.Equal(t, tc.reason.String(), v.Reason.String())
			if tc.reason == Forwarded {
				assert.Equal(t, Forward, v.Action)
				assert.EqualValues(t, tc.rewritten, r.Counters().MinPMTU.Lowered)
				before[7]--
				same := len(before)
				for i := range before {
					if before[i] != v.Packet[i] {
						same--
					}
				}
				assert.Equal(t, len(before)-2*tc.rewritten, same, "two bytes change for each option lowered: 0x2328 to 0x05dc")
			}
			if tc.typ == 0 {
				assert.Empty(t, v.ICMP)
				return
			}
			e := icmpError(t, v)
			assert.Equal(t, []int{tc.typ, tc.code, tc.pointer}, []int{int(e.Type), int(e.Code), int(e.Param)})
		})
	}
}

// The policy is that of the interface that the packet comes in on.
func TestPolicyIsPerInterface(t *testing.T) {
	r := newRouter(t, func(c *Config) {
		c.Ports[1].Policy = Policy{}
		c.Ports[0].MTU = 1280
	})
	v := r.Forward(packet(t, hostB, hostA, 100, ip6.ProtoHopByHop, minPMTU(9000, 0, false)), 1, t0)
	require.Equal(t, Forward, v.Action)
	assert.EqualValues(t, 9000, binary.BigEndian.Uint16(v.Packet[44:]), "port b does not look")
	v = r.Forward(udp(t, 100, minPMTU(9000, 0, false)), 0, t0)
	assert.EqualValues(t, 1500, binary.BigEndian.Uint16(v.Packet[44:]), "port a does")
}

func eligible(t *testing.T, n int) ip6.Packet {
	return packet(t, hostA, hostB, n, ip6.ProtoDestOpts, opt(truncate.DefaultCodes.Eligible, 0))
}

// Q1 to Q8.
func TestTruncation(t *testing.T) {
	on := func(c *Config) { c.Ports[1].Truncate = true }
	t.Run("Q1 a packet that fits is not looked at", func(t *testing.T) {
		r := newRouter(t, on)
		p := eligible(t, 1500)
		want := append([]byte(nil), p...)
		want[7]--
		v := r.Forward(p, 0, t0)
		assert.Equal(t, want, v.Packet)
	})
	t.Run("Q2 Q3 Q4 Q5 cut, marked, repaired, and a Packet Too Big", func(t *testing.T) {
		r := newRouter(t, on)
		p := eligible(t, 4000)
		before := append([]byte(nil), p...)
		v := r.Forward(p, 0, t0)
		require.Equal(t, Forward, v.Action)
		got, err := ip6.Parse(v.Packet)
		require.NoError(t, err)
		assert.Len(t, got, 1500)
		assert.Equal(t, truncate.DefaultCodes.Truncated, got[42])
		assert.Equal(t, ip6.ChecksumGood, got.Checksum(ip6.Limits{}))
		assert.EqualValues(t, 63, got.HopLimit())
		e := icmpError(t, v)
		assert.Equal(t, []uint32{2, 1500}, []uint32{uint32(e.Type), e.Param})
		assert.Equal(t, before[:len(e.Quote)], []byte(e.Quote), "quotes the packet as it was")
		assert.EqualValues(t, 1, r.Counters().Truncated)
	})
	t.Run("Q2 no Packet Too Big when switched off", func(t *testing.T) {
		r := newRouter(t, func(c *Config) { on(c); c.Truncate.NoPTB = true })
		v := r.Forward(eligible(t, 4000), 0, t0)
		assert.Equal(t, Forward, v.Action)
		assert.Empty(t, v.ICMP)
	})
	t.Run("Q6 invalid: discarded, Packet Too Big", func(t *testing.T) {
		r := newRouter(t, on)
		p := packet(t, hostA, hostB, 4000, ip6.ProtoDestOpts, opt(truncate.DefaultCodes.Eligible, 1))
		v := r.Forward(p, 0, t0)
		assert.Equal(t, TooBig, v.Reason)
		assert.EqualValues(t, 2, icmpError(t, v).Type)
		assert.EqualValues(t, 1, r.Counters().TruncateRefused)
	})
	t.Run("Q7 over the budget: plain RFC 8200", func(t *testing.T) {
		r := newRouter(t, func(c *Config) { on(c); c.Truncations = Rate{PerSecond: 4, Burst: 4} })
		assert.Equal(t, Forward, r.Forward(eligible(t, 4000), 0, t0).Action)
		v := r.Forward(eligible(t, 4000), 0, t0)
		assert.Equal(t, TooBig, v.Reason)
		assert.EqualValues(t, 2, icmpError(t, v).Type)
		assert.EqualValues(t, 1, r.Counters().TruncateBudget)
		assert.Equal(t, Forward, r.Forward(eligible(t, 4000), 0, t0.Add(time.Second)).Action)
	})
	t.Run("Q8 not configured", func(t *testing.T) {
		v := newRouter(t, nil).Forward(eligible(t, 4000), 0, t0)
		assert.Equal(t, TooBig, v.Reason)
	})
	t.Run("not eligible", func(t *testing.T) {
		r := newRouter(t, on)
		assert.Equal(t, TooBig, r.Forward(udp(t, 4000), 0, t0).Reason)
		assert.Zero(t, r.Counters().TruncateRefused)
	})
}

func TestICMPBudget(t *testing.T) {
	r := newRouter(t, func(c *Config) {
		c.PacketTooBig = Rate{PerSecond: 4, Burst: 40}
		c.Errors = Rate{PerSecond: -1}
	})
	sent := 0
	for range 100 {
		if v := r.Forward(udp(t, 1501), 0, t0); len(v.ICMP) > 0 {
			sent++
		}
	}
	assert.Equal(t, 10, sent)
	assert.EqualValues(t, 90, r.Counters().ICMPBudget)
	p := udp(t, 100)
	p.SetHopLimit(1)
	assert.Empty(t, r.Forward(p, 0, t0).ICMP, "forbidden")
}

func TestPointToPointLoop(t *testing.T) {
	r := newRouter(t, func(c *Config) { c.Ports[1].PointToPoint = true })
	p := packet(t, hostA, hostB, 100, 0)
	v := r.Forward(p, 1, t0)
	assert.Equal(t, PointToPointLoop, v.Reason)
	assert.EqualValues(t, 3, icmpError(t, v).Code)
	v = r.Forward(packet(t, hostA, netip.MustParseAddr("2001:db8:c::1"), 100, 0), 1, t0)
	assert.Equal(t, Forward, v.Action, "through a gateway it is no loop")
	assert.EqualValues(t, 1, r.Counters().SamePort)
}

func TestUnreachable(t *testing.T) {
	v := newRouter(t, nil).Unreachable(udp(t, 100), 0, t0)
	e := icmpError(t, v)
	assert.Equal(t, []uint8{1, 3}, []uint8{e.Type, e.Code})
}

func TestLinkLocalSourceIsAnsweredOnItsLink(t *testing.T) {
	p := packet(t, netip.MustParseAddr("fe80::5"), hostA, 100, 0)
	v := newRouter(t, nil).Forward(p, 1, t0)
	assert.Equal(t, 1, v.ICMPOut)
	assert.Equal(t, "fe80::5", v.ICMPNext.String())
}

func TestConfigNamesTheFault(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no ports":    func(c *Config) { c.Ports = nil },
		"MTU 1279":    func(c *Config) { c.Ports[0].MTU = 1279 },
		"192.0.2.1":   func(c *Config) { c.Ports[0].Addr = netip.MustParseAddr("192.0.2.1") },
		"option 0x05": func(c *Config) { c.Ports[0].Policy.Options[5] = Process },
		"option 0x01": func(c *Config) { c.Ports[0].Policy.Options[1] = Discard },
		"option 0x31": func(c *Config) { c.Ports[0].Policy.Options[0x31] = 77 },
		"MaxOptions":  func(c *Config) { c.Ports[1].Policy.MaxOptions = -1 },
		"Truncations": func(c *Config) { c.Truncations.Burst = -1 },
		"Codes":       func(c *Config) { c.Truncate.Codes = truncate.Codes{Eligible: 0x9e, Truncated: 0x9e, Enhanced: 0xbe} },
	} {
		cfg := testConfig()
		change(&cfg)
		_, err := New(cfg)
		assert.ErrorContains(t, err, want)
	}
}
