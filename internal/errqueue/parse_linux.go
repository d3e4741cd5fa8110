package errqueue

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	// MaxControl holds one Entry, and some more control messages that other
	// options of the socket may add, in bytes.
	MaxControl = 512

	fixedLen     = 16 // struct sock_extended_err
	sockaddr4Len = 8  // as much of struct sockaddr_in as is used
	sockaddr6Len = 24 // as much of struct sockaddr_in6 as is used
)

// Entry is one entry of an error queue:
//
//	struct sock_extended_err { u32 errno; u8 origin, type, code, pad; u32 info, data }
//	struct sockaddr of the offender
type Entry struct {
	Errno      unix.Errno
	Origin     uint8      // SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, ...
	Type, Code uint8      // of the ICMP message
	Info       uint32     // an MTU, where it is about size
	Offender   netip.Addr // who sent the ICMP message; the zero Addr: it is not told
}

// Parse finds the entry among the control messages that came with MSG_ERRQUEUE.
// false: there is none, or they are malformed. It does not allocate.
func Parse(oob []byte) (Entry, bool) {
	for len(oob) >= unix.CmsgSpace(0) && len(oob) <= MaxControl {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return Entry{}, false
		}
		oob = rest
		if h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR ||
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR {
			return parse(data)
		}
	}
	return Entry{}, false
}

func parse(b []byte) (Entry, bool) {
	if len(b) < fixedLen {
		return Entry{}, false
	}
	return Entry{
		Errno:  unix.Errno(binary.NativeEndian.Uint32(b)),
		Origin: b[4], Type: b[5], Code: b[6],
		Info:     binary.NativeEndian.Uint32(b[8:]),
		Offender: offender(b[fixedLen:]),
	}, true
}

func offender(b []byte) netip.Addr {
	if len(b) < sockaddr4Len {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= sockaddr6Len:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return netip.Addr{}
}
