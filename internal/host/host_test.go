package host

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

var (
	t0     = time.Unix(1_000_000, 0)
	us     = netip.MustParseAddr("2001:db8:a::1")
	peer   = netip.MustParseAddr("2001:db8:b::1")
	config = Config{Addrs: []netip.Addr{us}, LinkMTU: 1500, MAC: [6]byte{2, 0, 0, 0, 0, 1}}
)

func newHost(t testing.TB, change func(*Config)) *Host {
	cfg := config
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg)
	require.NoError(t, err)
	return h
}

// ask hands a packet over and returns the answers.
func ask(t testing.TB, h *Host, p []byte, now time.Time) (out []ip6.Packet) {
	h.Packet(p, now, func(b []byte) {
		a, err := ip6.Parse(bytes.Clone(b))
		require.NoError(t, err)
		require.Equal(t, ip6.ChecksumGood, a.Checksum(ip6.Limits{}), "%x", b)
		out = append(out, a)
	})
	return out
}

func fields(next uint8) ip6.Fields {
	return ip6.Fields{NextHeader: next, HopLimit: 9, Src: peer, Dst: us, FlowLabel: 0x12345, TrafficClass: 0x20}
}

func echoRequest(data string, opts ...ip6.OptionSpec) ip6.Packet {
	return insert(ip6.AppendEcho(nil, fields(ip6.ProtoICMPv6), ip6.TypeEchoRequest, 77, 3, []byte(data)), ip6.ProtoHopByHop, opts...)
}

func insert(p ip6.Packet, ext uint8, opts ...ip6.OptionSpec) ip6.Packet {
	if len(opts) == 0 {
		return p
	}
	hdr, err := ip6.AppendOptionsHeader(nil, 0, opts...)
	if err != nil {
		panic(err)
	}
	b, err := ip6.AppendInserted(nil, p, 6, 40, ext, hdr)
	if err != nil {
		panic(err)
	}
	return b
}

func datagram(src, dst uint16, data string) ip6.Packet {
	b := ip6.AppendHeader(nil, fields(ip6.ProtoUDP), 8+len(data))
	b = binary.BigEndian.AppendUint16(b, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(b, 0, 0)
	b = append(b, data...)
	ip6.Packet(b).SetChecksum(ip6.Limits{})
	return b
}

func minPMTU(min, rtn uint16, r bool) ip6.OptionSpec {
	var buf [hbh.DataLen]byte
	return hbh.Option{Min: min, Rtn: rtn, R: r}.Spec(&buf)
}

func TestEcho(t *testing.T) {
	h := newHost(t, nil)
	out := ask(t, h, echoRequest("hello"), t0)
	require.Len(t, out, 1)
	r := out[0]
	assert.Equal(t, us, r.Src())
	assert.Equal(t, peer, r.Dst())
	assert.EqualValues(t, 0x12345, r.FlowLabel())
	assert.Equal(t, []byte{129, 0}, []byte(r[40:42]))
	assert.Equal(t, append([]byte{0, 77, 0, 3}, "hello"...), []byte(r[44:]))
}

func TestUDPEcho(t *testing.T) {
	h := newHost(t, nil)
	out := ask(t, h, datagram(5000, 7, "hello"), t0)
	require.Len(t, out, 1)
	assert.Equal(t, []byte{0, 7, 5000 >> 8, 5000 & 0xff, 0, 13}, []byte(out[0][40:46]))
	assert.Equal(t, "hello", string(out[0][48:]))
	assert.Empty(t, ask(t, h, datagram(7, 7, "hello"), t0), "echo ports don't answer each other")
	out = ask(t, h, datagram(5000, 8, "hello"), t0)
	require.Len(t, out, 1)
	assert.Equal(t, []byte{1, 4}, []byte(out[0][40:42]), "port unreachable")
}

// D2, D3, H1: the option rides on the answer; R is clear (H5).
func TestMinPMTURidesOnTheReply(t *testing.T) {
	for name, p := range map[string]ip6.Packet{
		"echo": echoRequest("hello", minPMTU(1400, 0, true)),
		"udp":  insert(datagram(5000, 7, "hello"), ip6.ProtoHopByHop, minPMTU(1400, 0, true)),
	} {
		h := newHost(t, nil)
		out := ask(t, h, p, t0)
		require.Len(t, out, 1, name)
		ob := hbh.Observe(out[0], ip6.Limits{})
		assert.Equal(t, hbh.Observed{Count: 1, Min: 1500, Rtn: 1400}, ob, name)
		assert.EqualValues(t, 1, h.Counters().MinPMTU)
	}
	h := newHost(t, func(c *Config) { c.NoHopByHop = true })
	out := ask(t, h, echoRequest("hello", minPMTU(1400, 0, true)), t0)
	require.Len(t, out, 1, "P9: skipped, the rest processed")
	assert.EqualValues(t, ip6.ProtoICMPv6, out[0].NextHeader())
}

// D6: a packet that fails validation has no effect.
func TestOptionOfABadPacketIsNotBelieved(t *testing.T) {
	h := newHost(t, nil)
	p := echoRequest("hello", minPMTU(1400, 0, true))
	p[len(p)-1] ^= 1
	assert.Empty(t, ask(t, h, p, t0))
	assert.EqualValues(t, 1, h.Counters().BadChecksum)
	out := ask(t, h, echoRequest("hello"), t0)
	require.Len(t, out, 1)
	assert.Zero(t, hbh.Observe(out[0], ip6.Limits{}).Count)
}

// The answer takes the option along up to the last byte of the link's MTU, and
// goes without it when there is no room left.
func TestOptionAndLinkMTU(t *testing.T) {
	h := newHost(t, nil)
	p := insert(datagram(5000, 7, string(make([]byte, 1500-48-8))), ip6.ProtoHopByHop, minPMTU(1400, 0, true))
	require.Len(t, p, 1500)
	out := ask(t, h, p, t0)
	require.Len(t, out, 1)
	assert.Len(t, out[0], 1500)
	assert.Equal(t, 1, hbh.Observe(out[0], ip6.Limits{}).Count)
	out = ask(t, h, datagram(5000, 7, string(make([]byte, 1500-48))), t0.Add(time.Minute))
	require.Len(t, out, 1)
	assert.Len(t, out[0], 1500)
	assert.Zero(t, hbh.Observe(out[0], ip6.Limits{}).Count)
}

func TestExtensionHeaders(t *testing.T) {
	opt := func(typ uint8) ip6.OptionSpec { return ip6.OptionSpec{Type: typ, Data: []byte{0, 0}} }
	for _, tc := range []struct {
		name           string
		ext            uint8
		opt            uint8
		typ, code, ptr int // typ 129: answered
	}{
		{"act 00 is skipped", ip6.ProtoHopByHop, 0x1e, 129, 0, 0},
		{"act 01 is discarded", ip6.ProtoHopByHop, 0x5e, 0, 0, 0},
		{"act 10 is reported", ip6.ProtoHopByHop, 0x9e, 4, 2, 42},
		{"act 11 is reported", ip6.ProtoDestOpts, 0xde, 4, 2, 42},
		{"0x30 among destination options is skipped", ip6.ProtoDestOpts, 0x30, 129, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := ip6.AppendEcho(nil, fields(ip6.ProtoICMPv6), ip6.TypeEchoRequest, 77, 3, []byte("x"))
			out := ask(t, newHost(t, nil), insert(p, tc.ext, opt(tc.opt)), t0)
			if tc.typ == 0 {
				assert.Empty(t, out)
				return
			}
			require.Len(t, out, 1)
			assert.Equal(t, []byte{byte(tc.typ), byte(tc.code)}, []byte(out[0][40:42]))
			if tc.typ == 4 {
				assert.EqualValues(t, tc.ptr, binary.BigEndian.Uint32(out[0][44:]))
			}
		})
	}
	t.Run("unknown header", func(t *testing.T) {
		p := ip6.AppendHeader(nil, fields(200), 8)
		out := ask(t, newHost(t, nil), append(p, make([]byte, 8)...), t0)
		require.Len(t, out, 1)
		assert.Equal(t, []byte{4, 1}, []byte(out[0][40:42]))
		assert.EqualValues(t, 6, binary.BigEndian.Uint32(out[0][44:]))
	})
	t.Run("routing header with segments left", func(t *testing.T) {
		p := ip6.AppendEcho(nil, fields(ip6.ProtoICMPv6), ip6.TypeEchoRequest, 77, 3, []byte("x"))
		b, err := ip6.AppendInserted(nil, p, 6, 40, ip6.ProtoRouting, []byte{0, 0, 99, 1, 0, 0, 0, 0})
		require.NoError(t, err)
		out := ask(t, newHost(t, nil), b, t0)
		require.Len(t, out, 1)
		assert.Equal(t, []byte{4, 0}, []byte(out[0][40:42]))
		assert.EqualValues(t, 42, binary.BigEndian.Uint32(out[0][44:]))
	})
	t.Run("fragment", func(t *testing.T) {
		p := ip6.AppendEcho(nil, fields(ip6.ProtoICMPv6), ip6.TypeEchoRequest, 77, 3, []byte("x"))
		b, err := ip6.AppendInserted(nil, p, 6, 40, ip6.ProtoFragment, []byte{0, 0, 0, 1, 0, 0, 0, 0})
		require.NoError(t, err)
		h := newHost(t, nil)
		assert.Empty(t, ask(t, h, b, t0))
		assert.EqualValues(t, 1, h.Counters().Fragments)
	})
}

func solicitation(hop uint8) ip6.Packet {
	f := ip6.Fields{NextHeader: ip6.ProtoICMPv6, HopLimit: hop, Src: netip.MustParseAddr("fe80::9"), Dst: us}
	a := us.As16()
	b := ip6.AppendHeader(nil, f, 32)
	b = append(b, typeSolicitation, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, a[:]...)
	b = append(b, 1, 1, 2, 0, 0, 0, 0, 9)
	ip6.Packet(b).SetChecksum(ip6.Limits{})
	return b
}

func TestMulticastSolicitation(t *testing.T) {
	p := solicitation(255)
	p.SetDst(netip.MustParseAddr("ff02::1:ff00:1"))
	require.True(t, p.SetChecksum(ip6.Limits{}))
	out := ask(t, newHost(t, nil), p, t0)
	require.Len(t, out, 1)
	assert.Equal(t, us, out[0].Src())
	p.SetDst(netip.MustParseAddr("ff02::1:ff00:2"))
	require.True(t, p.SetChecksum(ip6.Limits{}))
	assert.Empty(t, ask(t, newHost(t, nil), p, t0), "another node's")
	e := echoRequest("x")
	e.SetDst(netip.MustParseAddr("ff02::1:ff00:1"))
	require.True(t, e.SetChecksum(ip6.Limits{}))
	assert.Empty(t, ask(t, newHost(t, nil), e, t0), "nothing but a solicitation")
}

func TestNeighborSolicitation(t *testing.T) {
	out := ask(t, newHost(t, nil), solicitation(255), t0)
	require.Len(t, out, 1)
	a := us.As16()
	want := append([]byte{0x60, 0, 0, 0}, a[:]...)
	want = append(want, 2, 1, 2, 0, 0, 0, 0, 1)
	assert.Equal(t, want, []byte(out[0][44:]))
	assert.EqualValues(t, 255, out[0].HopLimit())
	assert.Empty(t, ask(t, newHost(t, nil), solicitation(64), t0), "came through a router")
	assert.Empty(t, ask(t, newHost(t, func(c *Config) { c.MAC = [6]byte{} }), solicitation(255), t0), "a link without addresses")
}

func TestNotOurs(t *testing.T) {
	h := newHost(t, nil)
	p := echoRequest("x")
	p.SetDst(peer)
	assert.Empty(t, ask(t, h, p, t0))
	p = echoRequest("x")
	p.SetSrc(netip.MustParseAddr("ff02::1"))
	assert.Empty(t, ask(t, h, p, t0))
	assert.EqualValues(t, 2, h.Counters().NotOurs)
}

func TestErrorsAreBudgeted(t *testing.T) {
	left := 2
	h := newHost(t, func(c *Config) { c.Errors = func(time.Time) bool { left--; return left >= 0 } })
	for range 5 {
		ask(t, h, datagram(5000, 9, ""), t0)
	}
	assert.EqualValues(t, 2, h.Counters().Errors)
	assert.EqualValues(t, 3, h.Counters().ErrorBudget)
}

func TestConfigNamesTheFault(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no addresses": func(c *Config) { c.Addrs = nil },
		"192.0.2.1":    func(c *Config) { c.Addrs = []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
		"ff02::1":      func(c *Config) { c.Addrs = []netip.Addr{netip.MustParseAddr("ff02::1")} },
		"LinkMTU 1279": func(c *Config) { c.LinkMTU = 1279 },
	} {
		cfg := config
		change(&cfg)
		_, err := New(cfg)
		assert.ErrorContains(t, err, want)
	}
}

func good() [][]byte {
	return [][]byte{
		echoRequest("hello", minPMTU(1400, 1300, true)),
		insert(datagram(5000, 7, "hello"), ip6.ProtoDestOpts, ip6.OptionSpec{Type: 0x1e}),
		datagram(5000, 8, "x"),
		solicitation(255),
	}
}

func TestTruncatedPrefixes(t *testing.T) {
	h := newHost(t, nil)
	for _, p := range good() {
		for n := range p {
			assert.Empty(t, ask(t, h, bytes.Clone(p[:n]), t0))
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, p := range good() {
		f.Add(p)
	}
	h := newHost(f, nil)
	now := t0
	f.Fuzz(func(t *testing.T, b []byte) {
		now = now.Add(time.Second)
		for _, a := range ask(t, h, bytes.Clone(b), now) {
			if a.Src() != us || len(a) > 1500 {
				t.Fatalf("answer of %d bytes from %v", len(a), a.Src())
			}
		}
		h.Poll(now, func([]byte) {})
	})
}
