package udpsock

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var (
	dst4 = netip.MustParseAddrPort("203.0.113.1:443")
	dst6 = netip.MustParseAddrPort("[2001:db8:3::1]:443")
)

// controlMessage builds what the kernel delivers.
func controlMessage(level, typ int32, errno unix.Errno, origin, icmpType, icmpCode byte, info uint32, offender netip.Addr) []byte {
	data := binary.NativeEndian.AppendUint32(nil, uint32(errno))
	data = append(data, origin, icmpType, icmpCode, 0)
	data = binary.NativeEndian.AppendUint32(data, info)
	data = binary.NativeEndian.AppendUint32(data, 0)
	switch {
	case offender.Is4():
		data = binary.NativeEndian.AppendUint16(data, unix.AF_INET)
		data = append(append(data, 0, 0), offender.AsSlice()...)
		data = append(data, make([]byte, 8)...)
	case offender.Is6():
		data = binary.NativeEndian.AppendUint16(data, unix.AF_INET6)
		data = append(append(data, 0, 0, 0, 0, 0, 0), offender.AsSlice()...)
		data = append(data, 0, 0, 0, 0)
	}
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

var (
	hop4 = netip.MustParseAddr("192.0.2.254")
	hop6 = netip.MustParseAddr("2001:db8:1::fe")
	ptb4 = controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, unix.EMSGSIZE, unix.SO_EE_ORIGIN_ICMP, 3, 4, 1420, hop4)
	ptb6 = controlMessage(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.EMSGSIZE, unix.SO_EE_ORIGIN_ICMP6, 2, 0, 1420, hop6)
)

func TestParseReport(t *testing.T) {
	mapped := netip.AddrPortFrom(netip.AddrFrom16(dst4.Addr().As16()), 443)
	require.True(t, mapped.Addr().Is4In6())
	local := controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, unix.EMSGSIZE, unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1500, netip.Addr{})
	refused := controlMessage(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.ECONNREFUSED, unix.SO_EE_ORIGIN_ICMP6, 1, 4, 7, hop6)
	mapped4 := controlMessage(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.EMSGSIZE, unix.SO_EE_ORIGIN_ICMP, 3, 4, 1420, netip.AddrFrom16(hop4.As16()))
	huge := controlMessage(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.EMSGSIZE, unix.SO_EE_ORIGIN_ICMP6, 2, 0, 0xffffffff, hop6)
	other := make([]byte, unix.CmsgSpace(4))
	(*unix.Cmsghdr)(unsafe.Pointer(&other[0])).SetLen(unix.CmsgLen(4))

	for name, tt := range map[string]struct {
		oob  []byte
		dst  netip.AddrPort
		want report
	}{
		"IPv4":                 {ptb4, dst4, report{kind: TooBig, mtu: 1420, family: IPv4, dst: dst4, offender: hop4, icmpType: 3, icmpCode: 4}},
		"IPv6":                 {ptb6, dst6, report{kind: TooBig, mtu: 1420, family: IPv6, dst: dst6, offender: hop6, icmpType: 2}},
		"IPv4 on dual-stack":   {mapped4, mapped, report{kind: TooBig, mtu: 1420, family: IPv4, dst: dst4, offender: hop4, icmpType: 3, icmpCode: 4}},
		"local":                {local, dst4, report{kind: LocalTooBig, mtu: 1500, family: IPv4, dst: dst4}},
		"refused":              {refused, dst6, report{kind: Unreachable, family: IPv6, dst: dst6, offender: hop6, icmpType: 1, icmpCode: 4}},
		"after something else": {append(other, ptb4...), dst4, report{kind: TooBig, mtu: 1420, family: IPv4, dst: dst4, offender: hop4, icmpType: 3, icmpCode: 4}},
		"larger than any MTU":  {huge, dst6, report{kind: TooBig, mtu: 65535, family: IPv6, dst: dst6, offender: hop6, icmpType: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseReport(tt.oob, tt.dst, nil)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseReportRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		oob []byte
		dst netip.AddrPort
	}{
		"nothing":               {nil, dst4},
		"time stamp":            {controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, unix.ENOMSG, unix.SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 1, netip.Addr{}), dst4},
		"zero copy":             {controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, 0, unix.SO_EE_ORIGIN_ZEROCOPY, 0, 0, 1, netip.Addr{}), dst4},
		"local, not about size": {controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, unix.ENETDOWN, unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1, netip.Addr{}), dst4},
		"ICMPv6 about IPv4":     {ptb6, dst4},
		"ICMPv4 about IPv6":     {ptb4, dst6},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseReport(tt.oob, tt.dst, nil)
			assert.ErrorIs(t, err, errMalformed)
		})
	}
}

// D8-3
func FuzzParseReport(f *testing.F) {
	f.Add(ptb4, false, []byte("token"))
	f.Add(ptb6, true, make([]byte, 1184))
	f.Add([]byte{}, true, []byte{})
	f.Fuzz(func(t *testing.T, oob []byte, six bool, payload []byte) {
		dst := dst4
		if six {
			dst = dst6
		}
		r, err := parseReport(oob, dst, payload)
		if err != nil {
			require.ErrorIs(t, err, errMalformed)
			return
		}
		require.LessOrEqual(t, len(r.payload), QuoteBytes)
		require.GreaterOrEqual(t, r.mtu, 0)
		require.LessOrEqual(t, r.mtu, 65535)
		require.Equal(t, dst, r.dst)
		require.Equal(t, r.kind == TooBig && r.family == IPv4, r.kind == TooBig && r.icmpType == 3)
	})
}

func FuzzNetlinkAnswer(f *testing.F) {
	h, err := OpenHops()
	require.NoError(f, err)
	defer h.Close()
	for _, req := range [][]byte{
		routeRequest(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), 0), linkRequest(1, ""), linkRequest(0, "lo"),
	} {
		answer, err := h.ask(req)
		require.NoError(f, err)
		f.Add(append([]byte(nil), answer...))
	}
	// A message without the header of its type, and an attribute that ends short
	// of where the next one would begin.
	message := func(typ uint16, data ...byte) []byte {
		b := make([]byte, unix.SizeofNlMsghdr, 64)
		binary.NativeEndian.PutUint32(b, uint32(len(b)+len(data)))
		binary.NativeEndian.PutUint16(b[4:], typ)
		return append(b, data...)
	}
	f.Add(message(unix.RTM_NEWROUTE))
	f.Add(message(unix.RTM_NEWLINK))
	f.Add(message(unix.RTM_NEWROUTE, append(make([]byte, unix.SizeofRtMsg), 5, 0, unix.RTA_OIF, 0, 1)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if index, _, err := parseRoute(b); err == nil {
			require.NotZero(t, index)
		}
		if index, name, mtu, err := parseLink(b); err == nil {
			require.NotZero(t, index)
			require.NotEmpty(t, name)
			require.NotZero(t, mtu)
		}
	})
}
