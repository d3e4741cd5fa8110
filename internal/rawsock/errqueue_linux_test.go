package rawsock

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// control makes a control message with this level, type and data.
func control(level, typ int, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = int32(level), int32(typ)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

// extendedErr is struct sock_extended_err and the address after it.
func extendedErr(origin, typ, code uint8, info uint32, from netip.Addr) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.EMSGSIZE))
	b = append(b, origin, typ, code, 0)
	b = binary.NativeEndian.AppendUint32(b, info)
	b = binary.NativeEndian.AppendUint32(b, 0)
	switch {
	case from.Is4():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
		b = append(b, 0, 0)
		b = append(b, from.AsSlice()...)
		b = append(b, make([]byte, 8)...)
	case from.Is6():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = append(b, make([]byte, 6)...)
		b = append(b, from.AsSlice()...)
		b = append(b, make([]byte, 4)...)
	}
	return b
}

func TestParseControl(t *testing.T) {
	e, from, local, ok := parseControl(control(unix.SOL_IP, unix.IP_RECVERR, extendedErr(unix.SO_EE_ORIGIN_ICMP, 3, 4, 1400, src4)))
	require.True(t, ok)
	assert.False(t, local)
	assert.Equal(t, src4, from)
	assert.Equal(t, ICMPError{Type: 3, Code: 4, MTU: 1400}, *e)

	e, from, local, ok = parseControl(control(unix.SOL_IPV6, unix.IPV6_RECVERR, extendedErr(unix.SO_EE_ORIGIN_ICMP6, 2, 0, 1280, src6)))
	require.True(t, ok)
	assert.False(t, local)
	assert.Equal(t, src6, from)
	assert.Equal(t, ICMPError{Type: 2, MTU: 1280}, *e)

	_, _, local, ok = parseControl(control(unix.SOL_IP, unix.IP_RECVERR, extendedErr(unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1500, netip.Addr{})))
	require.True(t, ok)
	assert.True(t, local)

	full := extendedErr(unix.SO_EE_ORIGIN_ICMP, 3, 4, 1400, src4)
	for n := range 16 {
		_, _, _, ok := parseControl(control(unix.SOL_IP, unix.IP_RECVERR, full[:n]))
		assert.False(t, ok, "%d bytes of sock_extended_err", n)
	}
	for n := 16; n < 24; n++ {
		_, from, _, ok := parseControl(control(unix.SOL_IP, unix.IP_RECVERR, full[:n]))
		assert.True(t, ok)
		assert.False(t, from.IsValid(), "%d bytes: the address is cut off", n)
	}
	_, _, _, ok = parseControl(control(unix.SOL_SOCKET, unix.SCM_RIGHTS, full))
	assert.False(t, ok, "another control message")
}

func FuzzParseControl(f *testing.F) {
	f.Add(control(unix.SOL_IP, unix.IP_RECVERR, extendedErr(unix.SO_EE_ORIGIN_ICMP, 3, 4, 1400, src4)))
	f.Add(control(unix.SOL_IPV6, unix.IPV6_RECVERR, extendedErr(unix.SO_EE_ORIGIN_ICMP6, 2, 0, 1280, src6)))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, _, ok := parseControl(b)
		if ok {
			require.NotNil(t, e)
			require.GreaterOrEqual(t, e.MTU, 0)
		}
	})
}
