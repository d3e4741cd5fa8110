package tunnel

import (
	"bytes"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tcpPacket builds a packet of TCP with gopacket.
func tcpPacket(t testing.TB, family int, syn bool, payload int, options ...layers.TCPOption) []byte {
	t.Helper()
	tcp := &layers.TCP{SrcPort: 1234, DstPort: 80, SYN: syn, ACK: !syn, Window: 1000, Options: options}
	var ip gopacket.SerializableLayer
	switch family {
	case 4:
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, Flags: layers.IPv4DontFragment, SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 2)}
		require.NoError(t, tcp.SetNetworkLayerForChecksum(v4))
		ip = v4
	case 6:
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2")}
		require.NoError(t, tcp.SetNetworkLayerForChecksum(v6))
		ip = v6
	}
	buf := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp, gopacket.Payload(make([]byte, payload))))
	return bytes.Clone(buf.Bytes())
}

func mssOption(n int) layers.TCPOption {
	return layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(n >> 8), byte(n)}}
}

var (
	nop  = layers.TCPOption{OptionType: layers.TCPOptionKindNop, OptionLength: 1}
	sack = layers.TCPOption{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2}
)

// parse decodes a packet, by gopacket.
func parse(t testing.TB, family int, pkt []byte) gopacket.Packet {
	t.Helper()
	first := layers.LayerTypeIPv4
	if family == 6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(pkt, first, gopacket.Default)
	require.Nil(t, p.ErrorLayer())
	return p
}

func TestClampMSS(t *testing.T) {
	for _, c := range []struct {
		name            string
		family          int
		syn             bool
		options         []layers.TCPOption
		mtu, mss, clamp int // clamp 0: unchanged
	}{
		{"lowered", 4, true, []layers.TCPOption{mssOption(1460)}, 1252, 1460, 1212},
		{"lowered, IPv6", 6, true, []layers.TCPOption{mssOption(1440), sack}, 1400, 1440, 1340},
		{"at an odd place", 4, true, []layers.TCPOption{nop, mssOption(1460), sack}, 1252, 1460, 1212},
		{"behind others", 6, true, []layers.TCPOption{sack, nop, nop, nop, mssOption(1460)}, 1280, 1460, 1220},
		{"fits", 4, true, []layers.TCPOption{mssOption(1212)}, 1252, 1212, 0},
		{"no SYN", 4, false, []layers.TCPOption{mssOption(1460)}, 1252, 1460, 0},
		{"none", 4, true, []layers.TCPOption{nop, nop}, 1252, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			pkt := tcpPacket(t, c.family, c.syn, 0, c.options...)
			before := bytes.Clone(pkt)
			require.Equal(t, c.clamp != 0, ClampMSS(pkt, c.mtu))
			if c.clamp == 0 {
				assert.Equal(t, before, pkt)
				return
			}
			for i, o := range c.options {
				if o.OptionType == layers.TCPOptionKindMSS {
					c.options[i] = mssOption(c.clamp)
				}
			}
			assert.Equal(t, tcpPacket(t, c.family, c.syn, 0, c.options...), pkt, "checksum and all")
			assert.False(t, ClampMSS(pkt, c.mtu), "once is enough")
			for n := range before {
				cut := bytes.Clone(before[:n])
				ClampMSS(cut, c.mtu) // must not panic
				if n < len(before)-4*len(c.options) {
					assert.Equal(t, before[:n], cut)
				}
			}
		})
	}
}

func TestTooBig(t *testing.T) {
	pkt := tcpPacket(t, 4, false, 1400)
	p := parse(t, 4, TooBig(pkt, 1252))
	ip := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	assert.Equal(t, "192.0.2.2", ip.SrcIP.String())
	assert.Equal(t, "192.0.2.1", ip.DstIP.String())
	assert.Zero(t, checksum(ip.Contents), "header checksum")
	icmp := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	assert.Equal(t, layers.CreateICMPv4TypeCode(3, 4), icmp.TypeCode)
	assert.EqualValues(t, 1252, icmp.Seq, "next-hop MTU")
	assert.Equal(t, pkt[:quote4], icmp.Payload)
	assert.Zero(t, checksum(ip.Payload), "ICMP checksum")

	pkt = tcpPacket(t, 6, false, 1400)
	p = parse(t, 6, TooBig(pkt, 1400))
	v6 := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	assert.Equal(t, "2001:db8::2", v6.SrcIP.String())
	assert.Equal(t, "2001:db8::1", v6.DstIP.String())
	assert.LessOrEqual(t, len(TooBig(pkt, 1400)), 1280)
	icmp6 := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	assert.Equal(t, layers.CreateICMPv6TypeCode(2, 0), icmp6.TypeCode)
	assert.Equal(t, []byte{0, 0, 5, 120}, icmp6.Payload[:4])
	assert.Equal(t, pkt[:quote6], icmp6.Payload[4:])
	again := *icmp6
	require.NoError(t, again.SetNetworkLayerForChecksum(v6))
	buf := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true}, &again, gopacket.Payload(icmp6.Payload)))
	assert.Equal(t, again.Checksum, icmp6.Checksum)
}

// No message where none may be sent.
func TestNoTooBig(t *testing.T) {
	change := func(family int, at int, b ...byte) []byte {
		pkt := tcpPacket(t, family, false, 1400)
		copy(pkt[at:], b)
		return pkt
	}
	assert.NotNil(t, TooBig(change(4, 6, dontFragment), 1252))
	for name, pkt := range map[string][]byte{
		"no DF":               change(4, 6, 0),
		"fragment":            change(4, 6, dontFragment, 10),
		"from multicast":      change(4, 12, 224, 0, 0, 1),
		"to broadcast":        change(4, 16, 255, 255, 255, 255),
		"error":               append(change(4, 9, protoICMPv4)[:20], 3, 4),
		"error, IPv6":         append(change(6, 6, protoICMPv6)[:40], 1),
		"to multicast, IPv6":  change(6, 24, 0xff, 2),
		"unspecified, IPv6":   change(6, 8, make([]byte, 16)...),
		"neither":             {0x50, 1, 2},
		"nothing":             nil,
		"header goes too far": change(4, 0, 0x44),
	} {
		assert.Nil(t, TooBig(pkt, 1252), name)
	}
	assert.Nil(t, TooBig(tcpPacket(t, 6, false, 1400), 1252), "IPv6 needs 1280 bytes")
}

func FuzzPackets(f *testing.F) {
	f.Add(tcpPacket(f, 4, true, 0, nop, mssOption(1460)), 1252)
	f.Add(tcpPacket(f, 6, true, 0, mssOption(1460)), 1280)
	f.Add(tcpPacket(f, 6, false, 1400), 1300)
	f.Fuzz(func(t *testing.T, pkt []byte, mtu int) {
		answer := TooBig(pkt, mtu)
		if answer != nil && pkt[0]>>4 == 6 {
			parse(t, 6, answer)
			require.LessOrEqual(t, len(answer), 1280)
		}
		before := bytes.Clone(pkt)
		if !ClampMSS(pkt, mtu) {
			require.Equal(t, before, pkt)
			return
		}
		changed := 0
		for i := range pkt {
			if pkt[i] != before[i] {
				changed++
			}
		}
		require.LessOrEqual(t, changed, 4, "MSS and checksum")
	})
}
