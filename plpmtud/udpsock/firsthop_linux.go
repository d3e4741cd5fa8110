package udpsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstHop asks the kernel for the route (RTM_GETROUTE), because the address
// that a socket gets may be another interface's.
func firstHop(dst, src netip.Addr) (Hop, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: netlink socket: %w", err)
	}
	defer unix.Close(fd)
	req, err := routeRequest(dst, src)
	if err != nil {
		return Hop{}, err
	}
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return Hop{}, fmt.Errorf("udpsock: asking for the route to %v: %w", dst, err)
	}
	buf := make([]byte, 8192)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	for errors.Is(err, unix.EINTR) {
		n, _, err = unix.Recvfrom(fd, buf, 0)
	}
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: asking for the route to %v: %w", dst, err)
	}
	index, routeMTU, err := parseRoute(buf[:n])
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: route to %v: %w", dst, err)
	}
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: interface %d of the route to %v: %w", index, dst, err)
	}
	return Hop{Interface: ifi.Name, MTU: ifi.MTU, RouteMTU: routeMTU}, nil
}

func routeRequest(dst, src netip.Addr) ([]byte, error) {
	family := byte(unix.AF_INET)
	if dst.Is6() {
		family = unix.AF_INET6
	}
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofRtMsg, 128)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	b[unix.SizeofNlMsghdr] = family
	b[unix.SizeofNlMsghdr+1] = byte(dst.BitLen())
	attr := func(typ uint16, v []byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(v)))
		b = binary.NativeEndian.AppendUint16(b, typ)
		b = append(b, v...)
	}
	attr(unix.RTA_DST, dst.AsSlice())
	if src.IsValid() {
		b[unix.SizeofNlMsghdr+2] = byte(src.BitLen())
		attr(unix.RTA_SRC, src.AsSlice())
	}
	if z := dst.Zone(); z != "" {
		ifi, err := net.InterfaceByName(z)
		if err != nil {
			return nil, fmt.Errorf("udpsock: zone of %v: %w", dst, err)
		}
		attr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(ifi.Index)))
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b, nil
}

// parseRoute finds the outgoing interface in a netlink answer, and the MTU of
// the route unless the kernel learned it.
func parseRoute(b []byte) (index, mtu int, err error) {
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return 0, 0, err
	}
	for i := range msgs {
		m := &msgs[i]
		switch m.Header.Type {
		case unix.NLMSG_ERROR:
			if len(m.Data) >= 4 {
				if e := int32(binary.NativeEndian.Uint32(m.Data)); e != 0 {
					return 0, 0, unix.Errno(-e)
				}
			}
		case unix.RTM_NEWROUTE:
			attrs, err := syscall.ParseNetlinkRouteAttr(m)
			if err != nil {
				return 0, 0, err
			}
			learned := false
			for _, a := range attrs {
				switch {
				case a.Attr.Type == unix.RTA_OIF && len(a.Value) >= 4:
					index = int(binary.NativeEndian.Uint32(a.Value))
				case a.Attr.Type == unix.RTA_METRICS:
					mtu = metricMTU(a.Value)
				case a.Attr.Type == unix.RTA_CACHEINFO && len(a.Value) >= 12:
					// struct rta_cacheinfo: clntref, lastuse, expires
					learned = binary.NativeEndian.Uint32(a.Value[8:]) != 0
				}
			}
			if learned {
				mtu = 0
			}
			if index != 0 {
				return index, mtu, nil
			}
		}
	}
	return 0, 0, errors.New("no outgoing interface in the kernel's answer")
}

// metricMTU reads RTAX_MTU from the attributes in RTA_METRICS.
func metricMTU(b []byte) int {
	for len(b) >= unix.SizeofRtAttr {
		l := int(binary.NativeEndian.Uint16(b))
		if l < unix.SizeofRtAttr || l > len(b) {
			return 0
		}
		if binary.NativeEndian.Uint16(b[2:]) == unix.RTAX_MTU && l >= unix.SizeofRtAttr+4 {
			return int(binary.NativeEndian.Uint32(b[unix.SizeofRtAttr:]))
		}
		b = b[min((l+3)&^3, len(b)):]
	}
	return 0
}

// CachedPathMTU returns the path MTU that the kernel currently assumes for a
// destination, in bytes of IP packet: the interface's, or less if some ICMP
// message said so. Anybody may have forged that message: the number is a hint,
// and never the result of a measurement. src may be the zero Addr. Linux only;
// elsewhere the error is an *UnsupportedError.
func CachedPathMTU(dst, src netip.Addr) (int, error) {
	dst, src = dst.Unmap(), src.Unmap()
	c, err := connected(dst, src)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var mtu int
	err = control(c, func(fd uintptr) (err error) {
		if dst.Is4() {
			mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU)
		} else {
			mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("udpsock: cached path MTU to %v: %w", dst, err)
	}
	return mtu, nil
}
