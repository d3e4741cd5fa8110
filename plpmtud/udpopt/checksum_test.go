package udpopt

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	a4 = netip.MustParseAddrPort("192.0.2.1:5001")
	b4 = netip.MustParseAddrPort("198.51.100.7:5002")
	a6 = netip.MustParseAddrPort("[2001:db8:1::1]:5001")
	b6 = netip.MustParseAddrPort("[2001:db8:2::7]:5002")
)

// plainSum is the Internet checksum as RFC 1071 states it, byte by byte.
func plainSum(b []byte) uint16 {
	var s uint32
	for i, c := range b {
		if i%2 == 0 {
			s += uint32(c) << 8
		} else {
			s += uint32(c)
		}
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func TestSumAgainstTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")
		got, want := fold16(sum16(0, b)), plainSum(b)
		// 0 and 0xffff are the same number in one's complement.
		if got%0xffff != want%0xffff {
			t.Fatalf("sum of %x: got %04x, want %04x", b, got, want)
		}
	})
}

// CRC-32C of the usual check string (RFC 9868 section 11.3 names the polynomial).
func TestPayloadChecksum(t *testing.T) {
	assert.Equal(t, uint32(0xe3069283), PayloadChecksum([]byte("123456789")))
}

// genDatagram draws user data, options that make sense and a size.
func genDatagram(t *rapid.T) (src, dst netip.AddrPort, data, opts []byte, size int) {
	src, dst = a4, b4
	if rapid.Bool().Draw(t, "IPv6") {
		src, dst = a6, b6
	}
	data = rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "data")
	opts = genOptions(t)
	if rapid.Bool().Draw(t, "padded") {
		size = headerLen + len(data) + 3 + len(opts) + rapid.IntRange(1, 1500).Draw(t, "padding")
	}
	return
}

// genOptions draws an option list without FRAG and UNSAFE kinds.
func genOptions(t *rapid.T) []byte {
	var b []byte
	for range rapid.IntRange(0, 6).Draw(t, "options") {
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			b = AppendNOP(b, rapid.IntRange(1, 7).Draw(t, "nops"))
		case 1:
			b = AppendAPC(b, rapid.Uint32().Draw(t, "crc"))
		case 2:
			b = AppendMDS(b, rapid.Uint16().Draw(t, "mds"))
		case 3:
			b = AppendMRDS(b, Reassembly{rapid.Uint16().Draw(t, "size"), rapid.Uint8().Draw(t, "segs")})
		case 4:
			b = AppendREQ(b, Token(rapid.Uint32().Draw(t, "req")))
		case 5:
			b = AppendRES(b, Token(rapid.Uint32().Draw(t, "res")))
		case 6:
			b = AppendTIME(b, Timestamp{rapid.Uint32().Draw(t, "val"), rapid.Uint32().Draw(t, "ecr")})
		case 7:
			k := Kind(rapid.IntRange(9, 126).Draw(t, "unknown"))
			b, _ = AppendOption(b, k, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"))
		}
	}
	return b
}

// The UDP checksum covers header and user data and nothing else, as a decoder
// that knows no options sees it; and the OCS makes the checksum over the whole
// IP payload come out the same (RFC 9868 sections 7 and 9).
func TestChecksumsAgainstGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst, data, opts, size := genDatagram(t)
		p, err := AppendDatagram(nil, src, dst, data, opts, size)
		if err != nil {
			t.Fatal(err)
		}
		length := headerLen + len(data)
		if got := gopacketChecksum(t, src, dst, data); got != binary.BigEndian.Uint16(p[6:]) {
			t.Fatalf("UDP checksum %04x, gopacket says %04x", binary.BigEndian.Uint16(p[6:]), got)
		}
		if len(p) == length {
			return
		}
		whole := sum16(pseudoSum(src.Addr(), dst.Addr(), len(p)), p)
		if got := fold16(whole); got != 0xffff {
			t.Fatalf("checksum over the IP payload of %d bytes sums to %04x, want ffff", len(p), got)
		}
	})
}

func gopacketChecksum(t require.TestingT, src, dst netip.AddrPort, data []byte) uint16 {
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	var network gopacket.NetworkLayer
	if src.Addr().Is4() {
		network = &layers.IPv4{SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice(), Protocol: layers.IPProtocolUDP}
	} else {
		network = &layers.IPv6{SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice(), NextHeader: layers.IPProtocolUDP}
	}
	require.NoError(t, udp.SetNetworkLayerForChecksum(network))
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}
	require.NoError(t, gopacket.SerializeLayers(buf, opts, udp, gopacket.Payload(data)))
	c := binary.BigEndian.Uint16(buf.Bytes()[6:])
	if c == 0 {
		c = 0xffff // RFC 768; gopacket leaves it zero
	}
	return c
}

// A computed OCS of zero is sent as ones: zero means that there is none.
func TestOCSIsNeverZero(t *testing.T) {
	found := false
	for token := range uint32(1 << 17) {
		area := append(make([]byte, ocsLen), AppendREQ(nil, Token(token))...)
		sum := surplusSum(area, 0)
		SetOCS(area, headerLen)
		ocs := binary.BigEndian.Uint16(area)
		require.NotZero(t, ocs)
		if sum == 0xffff {
			found = true
			require.Equal(t, uint16(0xffff), ocs)
			_, err := Parse(area, headerLen, 1)
			require.NoError(t, err)
		}
	}
	assert.True(t, found, "no token made the sum come out as zero")
}
