package rawsock

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// parseControl reads the control messages of one entry of the error queue:
// struct sock_extended_err, followed by the address of whom it comes from
// (ip(7), ipv6(7)). local says that this host reported it, not an ICMP message.
func parseControl(oob []byte) (e *ICMPError, from netip.Addr, local, ok bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, netip.Addr{}, false, false
	}
	for _, m := range messages {
		h := m.Header
		if !(h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR) && !(h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR) {
			continue
		}
		const fixed = 16
		b := m.Data
		if len(b) < fixed {
			return nil, netip.Addr{}, false, false
		}
		e = &ICMPError{Type: b[5], Code: b[6], MTU: int(min(binary.NativeEndian.Uint32(b[8:]), 1<<31-1))}
		switch b[4] {
		case unix.SO_EE_ORIGIN_LOCAL:
			return e, netip.Addr{}, true, true
		case unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6:
			return e, parseSockaddr(b[fixed:]), false, true
		}
	}
	return nil, netip.Addr{}, false, false
}

// parseSockaddr reads a struct sockaddr_in or sockaddr_in6.
func parseSockaddr(b []byte) netip.Addr {
	if len(b) < 2 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET && len(b) >= 8:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return netip.Addr{}
}

// readErrorQueue returns the next ICMP error from the error queue, or EAGAIN.
// Errors of this host are passed over: sending reports them.
func readErrorQueue(fd int, buf, oob []byte) (Message, error) {
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE)
		if err != nil {
			return Message{}, err
		}
		e, from, local, ok := parseControl(oob[:oobn])
		if !ok || local {
			continue
		}
		e.Quote.Payload = append([]byte(nil), buf[:n]...)
		return Message{At: time.Now(), From: from, Error: e}, nil
	}
}
