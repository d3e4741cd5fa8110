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

var other = ip6.OptionSpec{Type: 0x05, Align: ip6.Align{N: 2}, Data: []byte{0, 0}} // Router Alert

func observed(p ip6.Packet) hbh.Observed { return hbh.Observe(p, ip6.Limits{}) }

func TestRouter(t *testing.T) {
	for _, c := range []struct {
		name    string
		p       ip6.Packet
		linkMTU int
		want    hbh.Rewritten
		min     uint16
	}{
		// R1: without the option there is nothing to do and nothing to complain about.
		{"R1 no hop-by-hop header", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8)), 1280, hbh.Rewritten{}, 0},
		{"R3 R4 lowered to the outgoing link", withOptions(option(hbh.Option{Min: 9000, Rtn: 1400, R: true})), 1500, hbh.Rewritten{Lowered: 1}, 1500},
		{"R4 equal is left", withOptions(option(hbh.Option{Min: 1500})), 1500, hbh.Rewritten{Kept: 1}, 1500},
		{"R4 never raised", withOptions(option(hbh.Option{Min: 1400})), 9000, hbh.Rewritten{Kept: 1}, 1400},
		{"R5 Min 600 passes", withOptions(option(hbh.Option{Min: 600})), 1500, hbh.Rewritten{Kept: 1}, 0},
		{"R5 Min 0 passes", withOptions(option(hbh.Option{})), 1500, hbh.Rewritten{Kept: 1}, 0},
		{"link over 65535 is clamped", withOptions(option(hbh.Option{Min: 65535})), 65536, hbh.Rewritten{Kept: 1}, 65535},
		{"R2 other options are skipped, ours need not be first", withOptions(other, option(hbh.Option{Min: 9000})), 1500, hbh.Rewritten{Lowered: 1}, 1500},
		{"R2 an unknown option with action 10 does not stop it", withOptions(ip6.OptionSpec{Type: 0x9e}, option(hbh.Option{Min: 9000})), 1500, hbh.Rewritten{Lowered: 1}, 1500},
		{"every instance", withOptions(option(hbh.Option{Min: 9000}), option(hbh.Option{Min: 8000})), 1500, hbh.Rewritten{Lowered: 2}, 1500},
		{"every instance on its own", withOptions(option(hbh.Option{Min: 9000}), option(hbh.Option{Min: 1400})), 1500, hbh.Rewritten{Lowered: 1, Kept: 1}, 1400},
		{"length 2 is unknown", withOptions(ip6.OptionSpec{Type: 0x30, Data: []byte{0xff, 0xff}}), 1500, hbh.Rewritten{BadLength: 1}, 0},
		{"length 6 is unknown", withOptions(ip6.OptionSpec{Type: 0x30, Data: []byte{0xff, 0xff, 0, 0, 0, 0}}), 1500, hbh.Rewritten{BadLength: 1}, 0},
		{"destination options are not looked at", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.HopByHop(), ip6test.DestOpts(option(hbh.Option{Min: 9000}))), 1500, hbh.Rewritten{}, 0},
		{"historical 0x3e is not rewritten", withOptions(ip6.OptionSpec{Type: 0x3e, Data: []byte{0x23, 0x28}}), 1500, hbh.Rewritten{}, 0},
		{"a fault after the option", ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(0, 0x30, 4, 0x23, 0x28, 0, 0, 9, 99, 0, 0, 0, 0, 0, 0)), 1500,
			hbh.Rewritten{Lowered: 1, Problem: ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 49}}, 1500},
		{"overrun", ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(0, 0, 0, 0x30, 4, 5, 0xdc)), 1280,
			hbh.Rewritten{Problem: ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 45}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := ip6test.Clone(c.p)
			got := hbh.Rewrite(c.p, c.linkMTU, ip6.Limits{})
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.min, observed(c.p).Min)
			if got.Lowered == 0 {
				assert.Equal(t, before, c.p, "nothing else changes")
			}
			// R6: Rtn-PMTU and R stay, and so do the checksum and all other bytes.
			assert.Equal(t, observed(before).Rtn, observed(c.p).Rtn)
			assert.Equal(t, observed(before).R, observed(c.p).R)
			assert.Equal(t, before.Checksum(ip6.Limits{}), c.p.Checksum(ip6.Limits{}))
		})
	}
}

// R3 to R6: the rewrite is min(), and touches two bytes.
func TestRouterProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := hbh.Option{Min: rapid.Uint16().Draw(t, "min"), Rtn: rapid.Uint16().Draw(t, "rtn") &^ 1, R: rapid.Bool().Draw(t, "r")}
		link := rapid.IntRange(0, 70000).Draw(t, "link")
		p := withOptions(other, option(o))
		before := ip6test.Clone(p)
		hbh.Rewrite(p, link, ip6.Limits{})
		w := o
		w.Min = min(o.Min, hbh.ClampMin(link))
		require.Equal(t, withOptions(other, option(w)), p)
		// Order of routers does not matter, and twice is once.
		next := rapid.IntRange(1280, 9000).Draw(t, "next link")
		hbh.Rewrite(p, next, ip6.Limits{})
		hbh.Rewrite(before, next, ip6.Limits{})
		hbh.Rewrite(before, link, ip6.Limits{})
		hbh.Rewrite(before, link, ip6.Limits{})
		require.Equal(t, before, p)
	})
}

func TestRouterCounters(t *testing.T) {
	var c hbh.RouterCounters
	c.Count(hbh.Rewritten{})
	c.Count(hbh.Rewritten{Lowered: 1, Kept: 1})
	c.Count(hbh.Rewritten{Kept: 1})
	c.Count(hbh.Rewritten{BadLength: 1, Problem: ip6.Problem{Reason: ip6.OptionOverrun}})
	assert.Equal(t, hbh.RouterCounters{Packets: 3, Lowered: 1, Kept: 2, BadLength: 1, Duplicates: 1, Malformed: 1}, c)
}

// Every prefix of a packet that Parse takes is handled without a panic.
func TestRouterEveryPrefix(t *testing.T) {
	p := withOptions(other, option(hbh.Option{Min: 9000}), option(hbh.Option{Min: 8000}))
	for n := ip6.HeaderLen; n < len(p); n++ {
		q := ip6test.Clone(p).Cut(n)
		hbh.Rewrite(q, 1500, ip6.Limits{})
		observed(q)
	}
}

// R7: no allocation per packet.
func TestRouterAllocations(t *testing.T) {
	p := withOptions(other, option(hbh.Option{Min: 9000}))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		hbh.Rewrite(p, 1500, ip6.Limits{})
		observed(p)
	}))
}

func BenchmarkRewrite(b *testing.B) {
	for _, c := range []struct {
		name string
		p    ip6.Packet
	}{{"no option", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(1400))}, {"option", withOptions(option(hbh.Option{Min: 9000}))},
		{"option after Router Alert", withOptions(other, option(hbh.Option{Min: 9000}))}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			mtu := 65000
			for b.Loop() {
				hbh.Rewrite(c.p, mtu, ip6.Limits{})
			}
		})
	}
}

func BenchmarkObserve(b *testing.B) {
	p := withOptions(other, option(hbh.Option{Min: 9000}))
	b.ReportAllocs()
	for b.Loop() {
		observed(p)
	}
}
