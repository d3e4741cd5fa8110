package udpsock

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	extendedErrLen = 16 // struct sock_extended_err
	sockaddr4Len   = 8  // as much of struct sockaddr_in as is used
	sockaddr6Len   = 24 // as much of struct sockaddr_in6 as is used
	// maxControl holds one sock_extended_err with its offender, and some more
	// control messages that other options of the socket may add.
	maxControl = 512
)

const (
	icmp4Unreachable  = 3
	icmp4FragNeeded   = 4
	icmp6PacketTooBig = 2
)

var errMalformed = errors.New("udpsock: malformed error queue message")

// parseReport reads the control messages that came with MSG_ERRQUEUE:
//
//	struct sock_extended_err { u32 errno; u8 origin, type, code, pad; u32 info, data }
//	struct sockaddr of the offender
//
// dst and payload come from the quoted packet. It fails on messages that are
// not about an error, such as transmit time stamps.
func parseReport(oob []byte, dst netip.AddrPort, payload []byte) (report, error) {
	if len(oob) > maxControl {
		return report{}, errMalformed
	}
	for len(oob) >= unix.CmsgSpace(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return report{}, errMalformed
		}
		oob = rest
		if h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR ||
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR {
			return parseExtendedErr(data, dst, payload)
		}
	}
	return report{}, errMalformed
}

func parseExtendedErr(b []byte, dst netip.AddrPort, payload []byte) (report, error) {
	if len(b) < extendedErrLen {
		return report{}, errMalformed
	}
	errno := unix.Errno(binary.NativeEndian.Uint32(b))
	origin, icmpType, icmpCode := b[4], b[5], b[6]
	info := binary.NativeEndian.Uint32(b[8:])

	dst = unmap(dst)
	r := report{dst: dst, family: FamilyOf(dst.Addr()), payload: payload[:min(len(payload), QuoteBytes)]}
	switch origin {
	case unix.SO_EE_ORIGIN_LOCAL:
		if errno != unix.EMSGSIZE {
			return report{}, errMalformed
		}
		r.kind = LocalTooBig
	case unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6:
		r.icmpType, r.icmpCode = icmpType, icmpCode
		r.offender = parseOffender(b[extendedErrLen:])
		if (origin == unix.SO_EE_ORIGIN_ICMP) != (r.family == IPv4) {
			return report{}, errMalformed
		}
		r.kind = Unreachable
		if r.family == IPv4 && icmpType == icmp4Unreachable && icmpCode == icmp4FragNeeded ||
			r.family == IPv6 && icmpType == icmp6PacketTooBig {
			r.kind = TooBig
		}
	default:
		return report{}, errMalformed
	}
	if r.kind != Unreachable {
		// A claim over 65535 says no less than 65535 does.
		r.mtu = int(min(info, 65535))
	}
	return r, nil
}

// parseOffender reads the address of who sent an ICMP message; the zero Addr if
// there is none.
func parseOffender(b []byte) netip.Addr {
	if len(b) < sockaddr4Len {
		return netip.Addr{}
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case unix.AF_INET6:
		if len(b) < sockaddr6Len {
			return netip.Addr{}
		}
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return netip.Addr{}
}
