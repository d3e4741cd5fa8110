package hbh_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

// tshark reads the same values as this package out of packets that this
// package wrote and routers of it rewrote, and finds their checksums good.
func TestTsharkAgrees(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var packets []ip6.Packet
	for range 60 {
		o := hbh.Option{Min: uint16(rnd.Uint32()), Rtn: uint16(rnd.Uint32()) &^ 1, R: rnd.IntN(2) == 0}
		opts := []ip6.OptionSpec{option(o)}
		if rnd.IntN(2) == 0 {
			opts = []ip6.OptionSpec{other, opts[0]}
		}
		p := withOptions(opts...)
		for range rnd.IntN(4) {
			hbh.Rewrite(p, 1280+rnd.IntN(9000), ip6.Limits{})
		}
		packets = append(packets, p)
	}
	rows := ip6test.Tshark(t, packets, "ipv6.opt.pmtu.min", "ipv6.opt.pmtu.rtn", "ipv6.opt.pmtu.r_flag", "udp.checksum.status", "_ws.expert.message", "_ws.malformed")
	for i, p := range packets {
		var got hbh.Option
		h, _, _ := p.HopByHop(ip6.Limits{})
		w := h.Options(ip6.Limits{})
		for o, ok := w.Next(); ok; o, ok = w.Next() {
			if v, err := hbh.FromOption(h.Type, o); err == nil {
				got = v
			}
		}
		r := "0"
		if got.R {
			r = "1"
		}
		assert.Equal(t, []string{fmt.Sprint(got.Min), fmt.Sprint(got.Rtn), r, "1", "", ""}, rows[i], "packet %d", i)
	}
}

// tshark and this package agree on what is wrong.
func TestTsharkAgreesOnFaults(t *testing.T) {
	t.Parallel()
	rows := ip6test.Tshark(t, []ip6.Packet{
		withOptions(ip6.OptionSpec{Type: 0x30, Data: make([]byte, 2)}),
		withOptions(ip6.OptionSpec{Type: 0x30, Data: make([]byte, 6)}),
		ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.DestOpts(option(hbh.Option{Min: 1500}))),
	}, "_ws.expert.message")
	assert.Contains(t, rows[0][0], "Invalid Length (2 bytes)")
	assert.Contains(t, rows[1][0], "Invalid Length (6 bytes)")
	assert.Contains(t, rows[2][0], "must use a hop-by-hop options header")
}

// Packets that scapy built, option not always first, are read with the values
// that scapy was given.
func TestScapyBuilds(t *testing.T) {
	t.Parallel()
	packets := ip6test.Scapy(t, `
random.seed(7)
for i in range(40):
    o = HBHOptUnknown(otype=0x30, optdata=bytes([5, 0x78 + i, 0x23, 0x28 + (i % 2)]))
    others = [RouterAlert(value=0), HBHOptUnknown(otype=0x1e, optdata=bytes(i % 11)), PadN(optdata=bytes(i % 4))]
    random.shuffle(others)
    others = others[:i % 4]
    others.insert(random.randint(0, len(others)), o)
    show(IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop(options=others) / UDP(sport=1, dport=2) / Raw(b"x" * i))
`)
	require.Len(t, packets, 40)
	for i, p := range packets {
		want := hbh.Observed{Count: 1, Min: uint16(0x578 + i), Rtn: 0x2328, R: i%2 == 1}
		assert.Equal(t, want, hbh.Observe(p, ip6.Limits{Padding: -1}), "packet %d: %x", i, []byte(p))
		assert.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}), "packet %d", i)
	}
}
