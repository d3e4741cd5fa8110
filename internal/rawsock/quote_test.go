//go:build linux

package rawsock

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	src4 = netip.MustParseAddr("192.0.2.1")
	dst4 = netip.MustParseAddr("198.51.100.9")
	src6 = netip.MustParseAddr("2001:db8::1")
	dst6 = netip.MustParseAddr("2001:db8::9")
)

// packet4 makes an IPv4 packet of length bytes, of which only what there is of
// payload follows the header.
func packet4(proto, ttl uint8, length int, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, ttl, proto
	binary.BigEndian.PutUint16(b[2:], uint16(length))
	binary.BigEndian.PutUint16(b[6:], 0x4000)
	copy(b[12:], src4.AsSlice())
	copy(b[16:], dst4.AsSlice())
	return append(b, payload...)
}

func packet6(next, hops uint8, length int, payload []byte) []byte {
	b := make([]byte, 40, 40+len(payload))
	b[0], b[6], b[7] = 0x60, next, hops
	binary.BigEndian.PutUint16(b[4:], uint16(length-40))
	copy(b[8:], src6.AsSlice())
	copy(b[24:], dst6.AsSlice())
	return append(b, payload...)
}

func icmp(typ, code uint8, rest uint32, quote []byte) []byte {
	b := []byte{typ, code, 0, 0}
	b = binary.BigEndian.AppendUint32(b, rest)
	return append(b, quote...)
}

var (
	udpBytes  = []byte{0x12, 0x34, 0x82, 0x9a, 0, 108, 0, 0, 'p', 'a', 'y', 'l', 'o', 'a', 'd'}
	echoBytes = []byte{8, 0, 0, 0, 0x12, 0x34, 0, 7, 'd', 'a', 't', 'a'}
)

func TestParseICMP(t *testing.T) {
	tests := []struct {
		name string
		v6   bool
		b    []byte
		want ICMPError
	}{
		{"fragmentation needed", false, icmp(3, 4, 1400, packet4(17, 62, 1500, udpBytes)),
			ICMPError{3, 4, 1400, Quote{src4, dst4, 17, 62, 1500, udpBytes[:8], udpBytes[8:]}}},
		{"only 8 bytes quoted", false, icmp(3, 4, 0, packet4(1, 64, 1500, echoBytes[:8])),
			ICMPError{3, 4, 0, Quote{src4, dst4, 1, 64, 1500, nil, echoBytes[:8]}}},
		{"port unreachable", false, icmp(3, 3, 0, packet4(17, 1, 35, udpBytes)),
			ICMPError{3, 3, 0, Quote{src4, dst4, 17, 1, 35, udpBytes[:8], udpBytes[8:]}}},
		{"extensions after the packet (RFC 4884)", false, icmp(3, 3, 0, packet4(17, 1, 35, append(append([]byte(nil), udpBytes...), 0x20, 0, 1, 2))),
			ICMPError{3, 3, 0, Quote{src4, dst4, 17, 1, 35, udpBytes[:8], udpBytes[8:]}}},
		{"time exceeded", false, icmp(11, 0, 0, packet4(1, 1, 32, echoBytes)),
			ICMPError{11, 0, 0, Quote{src4, dst4, 1, 1, 32, nil, echoBytes}}},
		{"packet too big", true, icmp(2, 0, 1280, packet6(17, 60, 1500, udpBytes)),
			ICMPError{2, 0, 1280, Quote{src6, dst6, 17, 60, 1500, udpBytes[:8], udpBytes[8:]}}},
		{"packet too big, absurd", true, icmp(2, 0, 0xffffffff, packet6(58, 60, 1500, echoBytes)),
			ICMPError{2, 0, 1<<31 - 1, Quote{src6, dst6, 58, 60, 1500, nil, echoBytes}}},
		{"port unreachable", true, icmp(1, 4, 0, packet6(17, 60, 1500, udpBytes)),
			ICMPError{1, 4, 0, Quote{src6, dst6, 17, 60, 1500, udpBytes[:8], udpBytes[8:]}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, ok := parseICMP(test.v6, test.b)
			require.True(t, ok)
			assert.Equal(t, test.want, *e)
			least := 8 + 20 + 8
			if test.v6 {
				least = 8 + 40 + 8
			}
			for n := range least {
				_, ok := parseICMP(test.v6, test.b[:n])
				assert.False(t, ok, "prefix of %d bytes", n)
			}
		})
	}
}

func TestParseICMPRefuses(t *testing.T) {
	later := packet4(17, 64, 1500, udpBytes)
	later[7] = 1 // a fragment that isn't the first one
	options := packet4(17, 64, 1500, udpBytes)
	options[0] = 0x4f // 60 bytes of header
	for name, b := range map[string][]byte{
		"echo request":         icmp(8, 0, 0, packet4(17, 64, 1500, udpBytes)),
		"quotes IPv6":          icmp(3, 4, 0, packet6(17, 64, 1500, udpBytes)),
		"later fragment":       icmp(3, 4, 0, later),
		"header beyond end":    icmp(3, 4, 0, options),
		"quotes another layer": icmp(3, 4, 0, packet4(132, 64, 1500, udpBytes)),
		"packet ends early":    icmp(3, 4, 0, packet4(17, 64, 24, udpBytes)),
	} {
		_, ok := parseICMP(false, b)
		assert.False(t, ok, name)
	}
	_, ok := parseICMP(true, icmp(2, 0, 0, packet6(0, 64, 1500, udpBytes)))
	assert.False(t, ok, "extension headers, which flows don't send")
	_, ok = parseICMP(true, icmp(128, 0, 0, packet6(17, 64, 1500, udpBytes)))
	assert.False(t, ok, "no error")
}

func FuzzParseICMP(f *testing.F) {
	f.Add(false, icmp(3, 4, 1400, packet4(17, 62, 1500, udpBytes)))
	f.Add(true, icmp(2, 0, 1280, packet6(58, 60, 1500, echoBytes)))
	f.Fuzz(func(t *testing.T, v6 bool, b []byte) {
		if inner, ok := stripIPv4(b); ok {
			require.LessOrEqual(t, len(inner), len(b)-20)
		}
		e, ok := parseICMP(v6, b)
		if !ok {
			return
		}
		require.True(t, e.Quote.Dst.IsValid())
		require.GreaterOrEqual(t, e.MTU, 0)
		require.GreaterOrEqual(t, len(e.Quote.Payload)+len(e.Quote.Transport), 8)
		(&Flow{proto: e.Quote.Proto}).owns(Message{Error: e}) // must not panic
	})
}
