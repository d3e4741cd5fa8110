package udpsock

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"pathmtu/internal/errqueue"
)

const (
	icmp4Unreachable  = 3
	icmp4FragNeeded   = 4
	icmp6PacketTooBig = 2
)

var errMalformed = errors.New("udpsock: malformed error queue message")

// parseReport makes a report of the control messages that came with
// MSG_ERRQUEUE; dst and payload come from the quoted packet. It fails on messages
// that are not about an error, such as transmit time stamps.
func parseReport(oob []byte, dst netip.AddrPort, payload []byte) (report, error) {
	e, ok := errqueue.Parse(oob)
	if !ok {
		return report{}, errMalformed
	}
	dst = unmap(dst)
	r := report{dst: dst, family: FamilyOf(dst.Addr()), payload: payload[:min(len(payload), QuoteBytes)]}
	switch e.Origin {
	case unix.SO_EE_ORIGIN_LOCAL:
		if e.Errno != unix.EMSGSIZE {
			return report{}, errMalformed
		}
		r.kind = LocalTooBig
	case unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6:
		if (e.Origin == unix.SO_EE_ORIGIN_ICMP) != (r.family == IPv4) {
			return report{}, errMalformed
		}
		r.icmpType, r.icmpCode, r.offender = e.Type, e.Code, e.Offender
		r.kind = Unreachable
		if r.family == IPv4 && e.Type == icmp4Unreachable && e.Code == icmp4FragNeeded ||
			r.family == IPv6 && e.Type == icmp6PacketTooBig {
			r.kind = TooBig
		}
	default:
		return report{}, errMalformed
	}
	if r.kind != Unreachable {
		// A claim over 65535 says no less than 65535 does.
		r.mtu = int(min(e.Info, 65535))
	}
	return r, nil
}
