package errqueue_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/errqueue"
)

var (
	hop4 = netip.MustParseAddr("192.0.2.254")
	hop6 = netip.MustParseAddr("2001:db8:1::fe")
)

// control makes a control message.
func control(level, typ int32, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

// extended is struct sock_extended_err, and a whole struct sockaddr after it.
func extended(e errqueue.Entry) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(e.Errno))
	b = append(b, e.Origin, e.Type, e.Code, 0)
	b = binary.NativeEndian.AppendUint32(b, e.Info)
	b = binary.NativeEndian.AppendUint32(b, 0)
	switch {
	case e.Offender.Is4():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
		b = append(append(b, 0, 0), e.Offender.AsSlice()...)
		b = append(b, make([]byte, 8)...)
	case e.Offender.Is6():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = append(append(b, make([]byte, 6)...), e.Offender.AsSlice()...)
		b = append(b, make([]byte, 4)...)
	}
	return b
}

var (
	too4  = errqueue.Entry{Errno: unix.EMSGSIZE, Origin: unix.SO_EE_ORIGIN_ICMP, Type: 3, Code: 4, Info: 1420, Offender: hop4}
	too6  = errqueue.Entry{Errno: unix.EMSGSIZE, Origin: unix.SO_EE_ORIGIN_ICMP6, Type: 2, Info: 0xffffffff, Offender: hop6}
	local = errqueue.Entry{Errno: unix.EMSGSIZE, Origin: unix.SO_EE_ORIGIN_LOCAL, Info: 1500}
)

func TestParse(t *testing.T) {
	for _, e := range []errqueue.Entry{too4, too6, local} {
		for _, at := range [][2]int32{{unix.IPPROTO_IP, unix.IP_RECVERR}, {unix.IPPROTO_IPV6, unix.IPV6_RECVERR}} {
			b := control(at[0], at[1], extended(e))
			got, ok := errqueue.Parse(b)
			require.True(t, ok)
			assert.Equal(t, e, got)
			got, ok = errqueue.Parse(append(control(unix.SOL_SOCKET, unix.SO_TIMESTAMP, make([]byte, 16)), b...))
			require.True(t, ok, "after something else")
			assert.Equal(t, e, got)
		}
	}
	mapped := too4
	mapped.Offender = netip.AddrFrom16(hop4.As16())
	got, ok := errqueue.Parse(control(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extended(mapped)))
	require.True(t, ok)
	assert.Equal(t, hop4, got.Offender)
}

// What is cut off is refused, or understood without the offender, who stands
// last; so is everything else.
func TestParseRefuses(t *testing.T) {
	for _, e := range []errqueue.Entry{too4, too6} {
		whole := control(unix.IPPROTO_IP, unix.IP_RECVERR, extended(e))
		said := int((*unix.Cmsghdr)(unsafe.Pointer(&whole[0])).Len) // alignment follows
		for n := range said {
			_, ok := errqueue.Parse(whole[:n:n])
			assert.False(t, ok, "%d bytes", n)
		}
		used := 16 + 8
		if e.Offender.Is6() {
			used = 16 + 24
		}
		for n := range len(extended(e)) {
			got, ok := errqueue.Parse(control(unix.IPPROTO_IP, unix.IP_RECVERR, extended(e)[:n]))
			assert.Equal(t, n >= 16, ok, "%d bytes", n)
			assert.Equal(t, n >= used, got.Offender.IsValid(), "%d bytes", n)
		}
	}
	for _, b := range [][]byte{
		nil, make([]byte, errqueue.MaxControl+1), control(unix.SOL_SOCKET, unix.SCM_RIGHTS, extended(too4)),
		append(make([]byte, errqueue.MaxControl), control(unix.IPPROTO_IP, unix.IP_RECVERR, extended(too4))...),
	} {
		_, ok := errqueue.Parse(b)
		assert.False(t, ok)
	}
}

// D8-3
func FuzzParse(f *testing.F) {
	for _, e := range []errqueue.Entry{too4, too6, local} {
		f.Add(control(unix.IPPROTO_IP, unix.IP_RECVERR, extended(e)))
		f.Add(control(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extended(e)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := errqueue.Parse(b)
		require.False(t, !ok && e != errqueue.Entry{})
		require.False(t, e.Offender.Is4In6())
	})
}
